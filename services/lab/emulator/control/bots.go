package control

import (
	"context"
	"net/http"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

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
