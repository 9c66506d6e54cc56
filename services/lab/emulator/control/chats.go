package control

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Chat is a group, or a private chat, with everyone who is or was in it.
type Chat struct {
	world.Chat

	Members []world.Member `json:"members"`
}

// NewChat describes a group to make, or to change if one with its id exists.
// Without an id a new group is made and given one; without a kind it is a
// supergroup. One that exists keeps the kind, the title and the note that are left
// out.
type NewChat = world.NewChat

// NewRole sets a role in a group.
type NewRole struct {
	// Who is a bot's username or a person's name. An unknown person is made.
	Who string `json:"who"`
	// Role is the new role; empty for an ordinary member.
	Role world.Role `json:"role,omitempty"`
}

// Starting is a person's first message to a bot.
type Starting struct {
	// Name is the person's, who is made up where needed.
	Name string `json:"name"`
	Bot  string `json:"bot"` // username
}

// Start opens the private chat of a person with a bot, and writes /start there. The role
// kicked in that chat blocks the bot; Start ends the block.
func (c *Client) Start(ctx context.Context, s Starting) (Chat, error) {
	return answer[Chat](ctx, c, http.MethodPost, "/starts", s)
}

// PutChat makes or changes a group. It sends nobody away.
func (c *Client) PutChat(ctx context.Context, n NewChat) (Chat, error) {
	return answer[Chat](ctx, c, http.MethodPost, "/chats", n)
}

// Chats returns all groups and private chats, by id.
func (c *Client) Chats(ctx context.Context) ([]Chat, error) {
	return answer[[]Chat](ctx, c, http.MethodGet, "/chats", nil)
}

// Chat returns a group.
func (c *Client) Chat(ctx context.Context, id int64) (Chat, error) {
	return answer[Chat](ctx, c, http.MethodGet, chatPath(id), nil)
}

// SetRole sets a role in a group: it admits, restricts or removes a member.
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

// Bot is a registered bot.
type Bot = world.Account

// NewBot describes a bot to register, or to change if its username is taken by
// a bot already.
type NewBot struct {
	Username string // 3 to 32 letters, digits and underscores
	Name     string // empty: the username
	// Token is made by the emulator where it is empty.
	Token secret.String
	// Privacy hides from the bot what people don't say to it.
	Privacy bool
	// BotToBot lets the bot see what other bots say.
	BotToBot bool
}

// RegisteredBot is a bot with its token.
type RegisteredBot struct {
	Bot

	// Token is there where the bot is new or its token is made by the emulator.
	Token secret.String `json:"token"`
}

// AddBot registers a bot, or changes the one with this username. A token that is
// given is only told back when the bot is made; one that the emulator makes is told
// every time, and is the same every time.
func (c *Client) AddBot(ctx context.Context, b NewBot) (RegisteredBot, error) {
	wire := world.NewBot{Username: b.Username, Name: b.Name, Token: b.Token.Reveal(), Privacy: b.Privacy, BotToBot: b.BotToBot}
	return answer[RegisteredBot](ctx, c, http.MethodPost, "/bots", wire)
}

// Bots returns the registered bots, by id, without their tokens.
func (c *Client) Bots(ctx context.Context) ([]Bot, error) {
	return answer[[]Bot](ctx, c, http.MethodGet, "/bots", nil)
}
