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

// Message is a text for a chat.
type Message struct {
	ChatID int64  // Telegram's id of the chat
	Text   string // plain text of 1 to MaxText; nothing in it is markup
	// ReplyTo is the message that it answers, by the id that this bot knows it
	// under; 0 for none. If it is gone, the message is refused, not sent bare.
	ReplyTo  int64
	Buttons  []Button  // side by side below the text
	NotAfter time.Time // as a Call's
}

// Button tells its bot its data, 1 to 64 bytes, when somebody presses it.
type Button struct {
	Text string `json:"text"`
	Data string `json:"callback_data"`
}

// keyboard are buttons side by side. The library's own type tells of an empty text to copy
// beside the data.
func keyboard(buttons []Button) any {
	if len(buttons) == 0 {
		return nil
	}
	return map[string]any{"inline_keyboard": [][]Button{buttons}}
}

// SendMessage sends a message. To send it again after Unknown may double it.
func (c *Client) SendMessage(ctx context.Context, token secret.String, m Message) Outcome {
	params := &bot.SendMessageParams{ChatID: m.ChatID, Text: m.Text, ReplyParameters: replyTo(m.ReplyTo), ReplyMarkup: keyboard(m.Buttons)}
	return c.sending(ctx, &Call{Method: "sendMessage", Token: token, Params: params, NotAfter: m.NotAfter})
}

// Edit is a new text for a message of the bot's own.
type Edit struct {
	ChatID    int64 // Telegram's id of the chat
	MessageID int64
	Text      string    // as a Message's
	NotAfter  time.Time // as a Call's
}

// EditMessage changes a message's text, and takes its buttons away. To do it again changes
// nothing, so it may be repeated after Unknown.
func (c *Client) EditMessage(ctx context.Context, token secret.String, e Edit) Outcome {
	params := &bot.EditMessageTextParams{ChatID: e.ChatID, MessageID: int(e.MessageID), Text: e.Text}
	return c.invoke(ctx, &Call{Method: "editMessageText", Token: token, Params: params, NotAfter: e.NotAfter})
}

// AnswerQuery shows whoever pressed a button a line, of at most 200 characters. Telegram
// takes one answer, within moments.
func (c *Client) AnswerQuery(ctx context.Context, token secret.String, query, text string) Outcome {
	params := &bot.AnswerCallbackQueryParams{CallbackQueryID: query, Text: text, ShowAlert: true}
	return c.invoke(ctx, &Call{Method: "answerCallbackQuery", Token: token, Params: params})
}

// Sticker is a sticker for a chat.
type Sticker struct {
	ChatID   int64     // Telegram's id of the chat
	FileID   string    // of the sticker, as this bot got it
	ReplyTo  int64     // as a Message's
	NotAfter time.Time // as a Call's
}

// SendSticker sends a sticker. To send it again after Unknown may double it.
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

// sending makes a call that sends a message.
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

// Reaction is an emoji for a message.
type Reaction struct {
	ChatID    int64     // Telegram's id of the chat
	MessageID int64     // the id that this bot knows the message under
	Emoji     string    // in any form that reaction.Normalize understands; "" takes the reaction away
	NotAfter  time.Time // as a Call's
}

// SetReaction sets a bot's one reaction to a message. To set it again changes
// nothing, so it may be repeated after Unknown. An emoji that Telegram takes in
// no chat is refused without a call.
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

// SendTyping shows the bot typing in a chat, for five seconds or until it sends
// something.
func (c *Client) SendTyping(ctx context.Context, token secret.String, chatID int64) Outcome {
	params := &bot.SendChatActionParams{ChatID: chatID, Action: models.ChatActionTyping}
	return c.invoke(ctx, &Call{Method: "sendChatAction", Token: token, Params: params})
}

// MaxText is the length of the longest message text, as TextLength counts it.
const MaxText = 4096

// TextLength is a text's length in UTF-16 code units, as the Bot API counts
// offsets and lengths: an emoji beyond the Basic Multilingual Plane counts two.
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
