package botapi

import (
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// content is the content of a message.
type content struct {
	Text     string          `json:"text,omitempty"`
	Entities []markup.Entity `json:"entities,omitempty"`
	Sticker  *sticker        `json:"sticker,omitempty"`
}

type sticker struct {
	Width        int    `json:"width"`
	Height       int    `json:"height"`
	IsAnimated   bool   `json:"is_animated"`
	IsVideo      bool   `json:"is_video"`
	Type         string `json:"type"`
	FileID       string `json:"file_id"`
	FileUniqueID string `json:"file_unique_id"`
}

func contentOf(c world.Content) content {
	shown := content{Text: c.Text, Entities: c.Entities}
	if id := c.Sticker; id != "" {
		// A file has many ids, and one unique id, which is none of them.
		const side, unique = 512, 11
		shown.Sticker = &sticker{Width: side, Height: side, Type: "regular", FileID: id, FileUniqueID: "AgAD" + id[len(id)-unique:]}
	}
	return shown
}

// sticker reads the sticker that is to be sent. Files that come with the call are not
// taken.
func (p params) sticker() (world.Content, error) {
	id := p.text("sticker")
	if id == "" {
		return world.Content{}, badRequest("there is no sticker in the request")
	}
	return world.Content{Sticker: id}, nil
}

// sending are the methods that send a message, with what reads its content.
func (a *API) sending() []method {
	return []method{
		{name: "sendMessage", act: flood.Message, prepare: a.send(params.formatted)},
		{name: "sendSticker", act: flood.Message, prepare: a.send(params.sticker)},
	}
}

// send is a method that sends a message.
func (a *API) send(read func(params) (world.Content, error)) func(*call) (effect, error) {
	return func(c *call) (effect, error) {
		content, err := read(c.params)
		if err != nil {
			return nil, err
		}
		chatID, err := c.params.chat()
		if err != nil {
			return nil, err
		}
		saying := world.Saying{Content: content, Thread: c.params.integer("message_thread_id")}
		if err := c.params.reply(&saying); err != nil {
			return nil, err
		}
		if saying.Markup, err = c.params.keyboard(); err != nil {
			return nil, err
		}
		if err := a.World.CheckSend(c.bot.ID, chatID, saying); err != nil {
			return nil, err
		}
		return func() (answer, error) {
			post, err := a.World.Send(c.cause(), c.bot.ID, chatID, saying)
			if err != nil {
				return answer{}, err
			}
			return posted(post, sent), nil
		}, nil
	}
}
