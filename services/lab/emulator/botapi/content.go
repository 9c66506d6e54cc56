package botapi

import (
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// content is what a message holds.
type content struct {
	Text     string          `json:"text,omitempty"`
	Entities []markup.Entity `json:"entities,omitempty"`
}

func contentOf(c world.Content) content { return content{Text: c.Text, Entities: c.Entities} }

// sending are the methods that send a message, with what reads its content.
func (a *API) sending() []method {
	return []method{
		{name: "sendMessage", act: flood.Message, prepare: a.send(params.formatted)},
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

			reply := done(messageOf(post), sent)
			reply.message = post.ID

			return reply, nil
		}, nil
	}
}
