package control

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Chat is a group with everyone who is or was in it.
type Chat struct {
	world.Chat

	Members []world.Member `json:"members"`
}

// NewChat describes a group to make, or to change if one with its id exists.
// Without an id a new group is made and given one; without a kind it is a
// supergroup. One that exists keeps the kind, the title and the note that are left
// out.
type NewChat = world.NewChat

// NewRole gives someone a role in a group.
type NewRole struct {
	// Who is the username of a bot or the name of a person, who is made up
	// where there is none of that name.
	Who string `json:"who"`
	// Role is that of an ordinary member where it is empty.
	Role world.Role `json:"role,omitempty"`
}

// PutChat makes or changes a group. It sends nobody away.
func (c *Client) PutChat(ctx context.Context, n NewChat) (Chat, error) {
	return answer[Chat](ctx, c, http.MethodPost, "/chats", n)
}

// Chats returns all groups, by id.
func (c *Client) Chats(ctx context.Context) ([]Chat, error) {
	return answer[[]Chat](ctx, c, http.MethodGet, "/chats", nil)
}

// Chat returns a group.
func (c *Client) Chat(ctx context.Context, id int64) (Chat, error) {
	return answer[Chat](ctx, c, http.MethodGet, chatPath(id), nil)
}

// SetRole gives someone a role in a group: lets them in, restricts them, sends
// them away.
func (c *Client) SetRole(ctx context.Context, chat int64, n NewRole) (Chat, error) {
	return answer[Chat](ctx, c, http.MethodPost, chatPath(chat)+"/members", n)
}

// Kick sends someone away for good.
func (c *Client) Kick(ctx context.Context, chat int64, who string) error {
	return c.do(ctx, http.MethodDelete, chatPath(chat)+"/members/"+url.PathEscape(who), nil)
}

// Upgrade replaces a basic group by a supergroup, which it returns.
func (c *Client) Upgrade(ctx context.Context, chat int64) (Chat, error) {
	return answer[Chat](ctx, c, http.MethodPost, chatPath(chat)+"/upgrade", nil)
}

func chatPath(id int64) string { return "/chats/" + strconv.FormatInt(id, 10) }
