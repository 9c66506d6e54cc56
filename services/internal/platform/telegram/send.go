package telegram

import (
	"context"
	"fmt"
	"time"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/reaction"
)

// Message is a text to send to a chat.
type Message struct {
	ChatID int64  // Telegram's id of the chat
	Text   string // plain text of 1 to MaxText; nothing in it is markup
	// ReplyTo is the message to answer, by this bot's id of it; 0 for none. If it is
	// deleted, Telegram refuses the message instead of sending it without the reply.
	ReplyTo  int64
	Buttons  []Button  // in one row below the text
	NotAfter time.Time // as in Call
}

// Button sends its data, 1 to 64 bytes, to its bot when somebody presses it.
type Button struct {
	Text string `json:"text"`
	Data string `json:"callback_data"`
}

// keyboard returns buttons in one row. The library's own type also encodes an empty text to
// copy.
func keyboard(buttons []Button) any {
	if len(buttons) == 0 {
		return nil
	}
	return map[string]any{"inline_keyboard": [][]Button{buttons}}
}

// SendMessage sends a message. A repetition after Unknown may double it.
func (c *Client) SendMessage(ctx context.Context, token secret.String, m Message) Outcome {
	params := &bot.SendMessageParams{ChatID: m.ChatID, Text: m.Text, ReplyParameters: replyTo(m.ReplyTo), ReplyMarkup: keyboard(m.Buttons)}
	return c.sending(ctx, &Call{Method: "sendMessage", Token: token, Params: params, NotAfter: m.NotAfter})
}

// Edit is a new text for one of the bot's own messages.
type Edit struct {
	ChatID    int64 // Telegram's id of the chat
	MessageID int64
	Text      string    // as in Message
	NotAfter  time.Time // as in Call
}

// EditMessage changes a message's text and removes its buttons. It is idempotent, so it may
// be repeated after Unknown.
func (c *Client) EditMessage(ctx context.Context, token secret.String, e Edit) Outcome {
	params := &bot.EditMessageTextParams{ChatID: e.ChatID, MessageID: int(e.MessageID), Text: e.Text}
	return c.invoke(ctx, &Call{Method: "editMessageText", Token: token, Params: params, NotAfter: e.NotAfter})
}

// AnswerQuery shows a line of at most 200 characters to the person who pressed a button.
// Telegram accepts one answer, within a few moments.
func (c *Client) AnswerQuery(ctx context.Context, token secret.String, query, text string) Outcome {
	params := &bot.AnswerCallbackQueryParams{CallbackQueryID: query, Text: text, ShowAlert: true}
	return c.invoke(ctx, &Call{Method: "answerCallbackQuery", Token: token, Params: params})
}

// Sticker is a sticker to send to a chat.
type Sticker struct {
	ChatID   int64     // Telegram's id of the chat
	FileID   string    // the sticker's, as this bot received it
	ReplyTo  int64     // as in Message
	NotAfter time.Time // as in Call
}

// SendSticker sends a sticker. A repetition after Unknown may double it.
func (c *Client) SendSticker(ctx context.Context, token secret.String, s Sticker) Outcome {
	params := &bot.SendStickerParams{ChatID: s.ChatID, Sticker: &models.InputFileString{Data: s.FileID}, ReplyParameters: replyTo(s.ReplyTo)}
	return c.sending(ctx, &Call{Method: "sendSticker", Token: token, Params: params, NotAfter: s.NotAfter})
}

func replyTo(message int64) *models.ReplyParameters {
	if message == 0 {
		return nil
	}
	return &models.ReplyParameters{MessageID: int(message)}
}

// sending makes a call that sends a message, and returns the message's id and time.
func (c *Client) sending(ctx context.Context, call *Call) Outcome {
	var sent struct {
		ID   int64 `json:"message_id"`
		Date int64 `json:"date"`
	}
	call.Result = &sent
	out := c.invoke(ctx, call)
	if out.Kind == Done {
		out.MessageID = sent.ID
		if sent.Date > 0 {
			out.SentAt = time.Unix(sent.Date, 0).UTC()
		}
	}
	return out
}

// Reaction is an emoji to set on a message.
type Reaction struct {
	ChatID    int64     // Telegram's id of the chat
	MessageID int64     // this bot's id of the message
	Emoji     string    // in any form that reaction.Normalize accepts; "" removes the reaction
	NotAfter  time.Time // as in Call
}

// SetReaction sets a bot's one reaction to a message. It is idempotent, so it may be
// repeated after Unknown. An emoji that Telegram accepts in no chat is refused without a
// call.
func (c *Client) SetReaction(ctx context.Context, token secret.String, r Reaction) Outcome {
	params := &bot.SetMessageReactionParams{ChatID: r.ChatID, MessageID: int(r.MessageID)}
	if r.Emoji != "" {
		emoji := reaction.Normalize(r.Emoji)
		if !reaction.Valid(emoji) {
			why := fmt.Sprintf("emoji: %q is no reaction of Telegram", r.Emoji)
			return Outcome{Kind: PermanentAction, ReactionInvalid: true, Description: clean(why, token.Reveal())}
		}
		params.Reaction = []models.ReactionType{{
			Type:              models.ReactionTypeTypeEmoji,
			ReactionTypeEmoji: &models.ReactionTypeEmoji{Emoji: emoji},
		}}
	}
	return c.invoke(ctx, &Call{Method: "setMessageReaction", Token: token, Params: params, NotAfter: r.NotAfter})
}

// SendTyping shows the bot as typing in a chat, for five seconds or until it sends
// something.
func (c *Client) SendTyping(ctx context.Context, token secret.String, chatID int64) Outcome {
	params := &bot.SendChatActionParams{ChatID: chatID, Action: models.ChatActionTyping}
	return c.invoke(ctx, &Call{Method: "sendChatAction", Token: token, Params: params})
}

// MaxText is the length of the longest message text, in units of TextLength.
const MaxText = 4096

// TextLength returns a text's length in UTF-16 code units, which the Bot API uses for
// offsets and lengths. An emoji beyond the Basic Multilingual Plane counts two.
func TextLength(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}
