package botapi

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func (a *API) editMessageText(c *call) (effect, error) {
	text, err := c.params.formatted()
	if err != nil {
		return nil, err
	}
	return a.edit(c, world.Saying{Content: text})
}

func (a *API) editMessageReplyMarkup(c *call) (effect, error) {
	return a.edit(c, world.Saying{MarkupOnly: true})
}

func (a *API) edit(c *call, saying world.Saying) (effect, error) {
	// Without a chat and a message the original takes the message for an inline
	// one, and there are none of those here.
	if c.params.text("chat_id") == "" && c.params.text("message_id") == "" {
		if c.params.text("inline_message_id") != "" {
			return nil, badRequest("MESSAGE_ID_INVALID")
		}
		return nil, badRequest("message identifier is not specified")
	}
	chatID, err := c.params.chat()
	if err != nil {
		return nil, err
	}
	if saying.Markup, err = c.params.keyboard(); err != nil {
		return nil, err
	}
	id := c.params.integer("message_id")
	if err := a.World.CheckEdit(c.bot.ID, chatID, id, saying); err != nil {
		return nil, err
	}
	return func() (answer, error) {
		post, err := a.World.Edit(c.cause(), c.bot.ID, chatID, id, saying)
		if err != nil {
			return answer{}, err
		}
		return posted(post, edited), nil
	}, nil
}

func (a *API) deleteMessage(c *call) (effect, error) {
	chatID, err := c.params.chat()
	if err != nil {
		return nil, err
	}
	id := c.params.integer("message_id")
	return func() (answer, error) {
		if err := a.World.Delete(c.cause(), c.bot.ID, chatID, id); err != nil {
			return answer{}, err
		}
		reply := done(true, deleted)
		reply.message = id
		return reply, nil
	}, nil
}

func (a *API) sendChatAction(c *call) (effect, error) {
	chatID, err := c.params.chat()
	if err != nil {
		return nil, err
	}
	if action := strings.ToLower(c.params.text("action")); !slices.Contains(chatActions(), action) {
		return nil, badRequest("wrong parameter action in request")
	}
	thread := c.params.integer("message_thread_id")
	return func() (answer, error) {
		if err := a.World.Typing(c.bot.ID, chatID, thread); err != nil {
			return answer{}, err
		}
		return done(true, typing), nil
	}, nil
}

func chatActions() []string {
	return []string{
		"typing", "cancel", "upload_photo", "record_video", "upload_video", "record_voice", "record_audio",
		"upload_voice", "upload_audio", "upload_document", "choose_sticker", "pick_up_location", "find_location",
		"record_video_note", "upload_video_note",
	}
}

// formatted reads text with parse_mode or entities.
func (p params) formatted() (world.Content, error) {
	raw := p.text("text")
	if raw == "" {
		return world.Content{}, badRequest("message text is empty")
	}
	mode := p.text("parse_mode")
	if mode == "" {
		var entities []markup.Entity
		given, err := p.structure("entities", &entities)
		if err != nil {
			return world.Content{}, badRequest("can't parse entities JSON object")
		}
		if given {
			return written(markup.With(raw, entities)), nil
		}
	}
	text, err := markup.Parse(raw, mode)
	var syntax *markup.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return world.Content{}, badRequest("can't parse entities: %s", syntax.Reason)
	case err != nil:
		return world.Content{}, badRequest("unsupported parse_mode")
	default:
		return written(text), nil
	}
}

func written(t markup.Text) world.Content { return world.Content{Text: t.Plain, Entities: t.Entities} }

// reply reads which message is answered, in its present and its former form.
func (p params) reply(s *world.Saying) error {
	var r struct {
		MessageID                int64           `json:"message_id"`
		ChatID                   json.RawMessage `json:"chat_id"`
		AllowSendingWithoutReply bool            `json:"allow_sending_without_reply"`
	}
	given, err := p.structure("reply_parameters", &r)
	if err != nil {
		return badRequest("can't parse reply parameters JSON object")
	}
	if !given {
		s.ReplyTo = p.integer("reply_to_message_id")
		s.ReplyOptional = p.flag("allow_sending_without_reply")
		return nil
	}
	s.ReplyTo, s.ReplyOptional = r.MessageID, r.AllowSendingWithoutReply
	// Only a chat's own messages can be answered here.
	elsewhere := strings.Trim(string(r.ChatID), `"`)
	if elsewhere != "" && elsewhere != "null" && elsewhere != p.text("chat_id") && s.ReplyTo != 0 {
		if !s.ReplyOptional {
			return badRequest("message to be replied not found")
		}
		s.ReplyTo = 0
	}
	return nil
}

// keyboard reads reply_markup. Only inline keyboards become part of a message.
func (p params) keyboard() (json.RawMessage, error) {
	var object map[string]json.RawMessage
	given, err := p.structure("reply_markup", &object)
	if err != nil {
		return nil, badRequest("can't parse reply keyboard markup JSON object")
	}
	if keyboard, ok := object["inline_keyboard"]; given && ok {
		if err := checkButtons(keyboard); err != nil {
			return nil, err
		}
		return compact(`{"inline_keyboard":` + string(keyboard) + `}`), nil
	}
	return nil, nil
}

// maxData limits the data of a button, in bytes.
const maxData = 64

// checkButtons returns an error for an invalid inline keyboard. It accepts buttons with other
// actions than these two, which can't be pressed here.
func checkButtons(keyboard json.RawMessage) error {
	var rows [][]map[string]json.RawMessage
	if err := json.Unmarshal(keyboard, &rows); err != nil {
		return badRequest("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
	}
	for _, row := range rows {
		for _, button := range row {
			data, pressed := button["callback_data"]
			var text string
			if pressed && json.Unmarshal(data, &text) != nil || len(text) > maxData || pressed && text == "" {
				return badRequest("BUTTON_DATA_INVALID")
			}
			if len(button) == 1 {
				return badRequest("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
			}
		}
	}
	return nil
}
