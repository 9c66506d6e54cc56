package listener

import (
	"context"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/listener/intake"
)

// bot is one that the listener may listen to.
type bot struct {
	intake.Bot
	name   string
	sealed []byte
}

// cast is our bots as they were last looked at. It never changes.
type cast struct {
	// all are known as ours, those that don't act any more too.
	all intake.Cast
	// active are those that are listened to, by Chorus' id.
	active map[int64]bot
}

const readCast = `
SELECT id, name, coalesce(telegram_id, 0), coalesce(username, ''), token_sealed, enabled AND stopped_at IS NULL AND removed_at IS NULL
FROM bots ORDER BY id`

// readCast reads the bots.
func (l *Listener) readCast(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	c := &cast{active: map[int64]bot{}}
	var b bot
	var active bool
	if err := store.Each(ctx, l.Pool, "read the bots", []any{&b.ID, &b.name, &b.Account, &b.Username, &b.sealed, &active}, func() error {
		c.all = append(c.all, b.Bot)
		if active {
			c.active[b.ID] = b
		}
		b.sealed = nil // the next row must not overwrite it
		return nil
	}, readCast); err != nil {
		return err
	}
	l.cast.Store(c)
	return nil
}

// token opens a bot's token.
func (l *Listener) token(b bot) (secret.String, error) { return l.Open(b.name, b.sealed) }

// same tells whether a bot is still what it was, as far as listening goes.
func (b bot) same(other bot) bool {
	return b.Bot == other.Bot && b.name == other.name && string(b.sealed) == string(other.sealed)
}
