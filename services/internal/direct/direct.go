// Package direct lets people direct what a cast does: let a bot speak at once, pause it, and
// say what happens in a chat. What it does is committed as rows, as services do.
package direct

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal"
)

// Director does what people ask for. It is safe for concurrent use.
type Director struct {
	Pool    *pgxpool.Pool
	Journal *journal.Journal
	Bus     *bus.Bus // nil rings for nobody
	// Choose gives the bot that the planner would let speak in a chat now; 0 for none. Nil
	// leaves it to who has been silent for longest.
	Choose func(ctx context.Context, chat int64) (int64, error)
	// Honest tells whether a line says of its speaker what is true: that it is no human. Nil
	// takes every line.
	Honest func(line string) bool
}

// ErrNone says that there is no such chat or bot.
var ErrNone = errors.New("there is no such chat, or the bot is not in its cast")

// RefusedError says why something can't be done now.
type RefusedError string

func (e RefusedError) Error() string { return string(e) }

// WrongError says what is wrong with what was asked for.
type WrongError struct{ Field, Value, Want string }

func (e *WrongError) Error() string { return fmt.Sprintf("%s: %s, want %s", e.Field, e.Value, e.Want) }

func wrong(field, value, want string) error {
	const shown = 60
	if runes := []rune(value); len(runes) > shown {
		value = string(runes[:shown]) + "…"
	}
	return &WrongError{field, fmt.Sprintf("%q", value), want}
}
