// Package direct lets people direct a cast: make a bot speak at once, pause it, set a scene in a
// chat, and decide on held texts. It commits rows, as the services do.
package direct

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal"
)

// Director carries out requests. It is safe for concurrent use.
type Director struct {
	Pool    *pgxpool.Pool
	Journal *journal.Journal
	Bus     *bus.Bus // nil rings no queue
	// Choose returns the bot that the planner would let speak in a chat now; 0 for none. Nil leaves
	// the choice to Speak.
	Choose func(ctx context.Context, chat int64) (int64, error)
	// Honest reports whether a line makes no false claim that its speaker is human. Nil accepts
	// every line.
	Honest func(line string) bool
}

// ErrNone reports that there is no such chat or bot.
var ErrNone = errors.New("there is no such chat, or the bot is not in its cast")

// RefusedError says why something can't be done now.
type RefusedError string

func (e RefusedError) Error() string { return string(e) }

// WrongError describes an invalid request.
type WrongError struct{ Field, Value, Want string }

func (e *WrongError) Error() string { return fmt.Sprintf("%s: %s, want %s", e.Field, e.Value, e.Want) }

func wrong(field, value, want string) error {
	const shown = 60
	if runes := []rune(value); len(runes) > shown {
		value = string(runes[:shown]) + "…"
	}
	return &WrongError{field, fmt.Sprintf("%q", value), want}
}
