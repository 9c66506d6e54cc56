package control

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Message is a message as it is now, as people see it.
type Message struct {
	// ID is the chat's own number of the message. In a supergroup all members use it.
	ID int64 `json:"message_id"`
	// IDs are the ids of the message for the bots that know it, by bot id.
	IDs      map[int64]int64 `json:"ids,omitempty"`
	From     world.Account   `json:"from"`
	SentAt   time.Time       `json:"sent_at"`
	EditedAt time.Time       `json:"edited_at,omitzero"`
	Thread   int64           `json:"message_thread_id,omitempty"`
	world.Content
	ReplyTo   int64           `json:"reply_to,omitempty"` // the ID of the message it answers
	Markup    json.RawMessage `json:"reply_markup,omitempty"`
	Service   *world.Service  `json:"service,omitempty"`
	Reactions []Reaction      `json:"reactions,omitempty"`
}

// Reaction is an emoji on a message with everyone who chose it.
type Reaction struct {
	Emoji string          `json:"emoji"`
	By    []world.Account `json:"by"`
}

// Saying is a person's message.
type Saying struct {
	// Name is the person's, who is made up and let into the chat where needed.
	Name string `json:"name"`
	Text string `json:"text"`
	// ReplyTo is the ID of a message; 0: no reply.
	ReplyTo int64 `json:"reply_to,omitempty"`
	// Mentions are the usernames that the text begins with, if it doesn't
	// mention them already.
	Mentions []string `json:"mentions,omitempty"`
}

// Reacting is a person's reaction to a message.
type Reacting struct {
	Name      string `json:"name"`
	MessageID int64  `json:"message_id"`
	Emoji     string `json:"emoji"` // empty: takes the reaction away
}

// Pressing is a person's press of a button under a bot's message.
type Pressing struct {
	Name      string `json:"name"`
	MessageID int64  `json:"message_id"`
	Data      string `json:"data"`
}

// Pressed is the result of a press.
type Pressed struct {
	QueryID string `json:"callback_query_id"`
}

// Edit is the new text of a person's message.
type Edit struct {
	Text string `json:"text"`
}

// Say lets a person write.
func (c *Client) Say(ctx context.Context, chat int64, s Saying) (Message, error) {
	return answer[Message](ctx, c, http.MethodPost, chatPath(chat)+"/messages", s)
}

// Messages returns up to limit messages before an ID, the latest of them,
// oldest first. before 0 means the newest, limit 0 means 100.
func (c *Client) Messages(ctx context.Context, chat, before int64, limit int) ([]Message, error) {
	query := url.Values{}
	if before != 0 {
		query.Set("before", strconv.FormatInt(before, 10))
	}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	return answer[[]Message](ctx, c, http.MethodGet, chatPath(chat)+"/messages?"+query.Encode(), nil)
}

// EditMessage changes the text of a person's message.
func (c *Client) EditMessage(ctx context.Context, chat, message int64, text string) (Message, error) {
	return answer[Message](ctx, c, http.MethodPut, messagePath(chat, message), Edit{Text: text})
}

// DeleteMessage removes any message.
func (c *Client) DeleteMessage(ctx context.Context, chat, message int64) error {
	return c.do(ctx, http.MethodDelete, messagePath(chat, message), nil)
}

// React sets a person's reaction to a message in place of the former one.
func (c *Client) React(ctx context.Context, chat int64, r Reacting) error {
	return c.do(ctx, http.MethodPost, chatPath(chat)+"/reactions", r)
}

// Press lets a person press a button under a bot's message.
func (c *Client) Press(ctx context.Context, chat int64, p Pressing) (Pressed, error) {
	return answer[Pressed](ctx, c, http.MethodPost, chatPath(chat)+"/presses", p)
}

func messagePath(chat, message int64) string {
	return chatPath(chat) + "/messages/" + strconv.FormatInt(message, 10)
}
