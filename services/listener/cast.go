package listener

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/listener/intake"
)

// bot is a bot of the roster, with its token.
type bot struct {
	intake.Bot
	name   string
	sealed []byte
}

// cast is a snapshot of our bots. It is never changed.
type cast struct {
	// all holds all our bots, inactive ones included. Their messages are not those of
	// people.
	all intake.Cast
	// active holds the bots to listen to, by Chorus' id.
	active map[int64]bot
}

const readCast = `
SELECT id, name, coalesce(telegram_id, 0), coalesce(username, ''), token_sealed, enabled AND stopped_at IS NULL AND removed_at IS NULL
FROM bots ORDER BY id`

// readCast reads the bots from the database.
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

// token decrypts a bot's token.
func (l *Listener) token(b bot) (secret.String, error) { return l.Open(b.name, b.sealed) }

// same tells whether nothing changed that listening depends on.
func (b bot) same(other bot) bool {
	return b.Bot == other.Bot && b.name == other.name && string(b.sealed) == string(other.sealed)
}

const (
	// identifyEvery is the interval of GetMe calls. A new name from @BotFather is known
	// after at most this time.
	identifyEvery = 10 * time.Minute
	// identifyRetry is the interval after a failed call.
	identifyRetry = 15 * time.Second
)

// identify keeps a bot's account id and username up to date until the context ends. People
// address bots by username, and cast files need not contain it.
func (l *Listener) identify(ctx context.Context, b bot, token secret.String, log *zap.Logger) {
	for {
		_, wait := l.introduce(ctx, b, token, log)
		next := time.NewTimer(wait)
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return
		}
	}
}

// introduce asks Telegram for a bot's account and stores it. It returns whether something
// changed, and the time until the next call.
func (l *Listener) introduce(ctx context.Context, b bot, token secret.String, log *zap.Logger) (news bool, again time.Duration) {
	me, out := l.Telegram.GetMe(ctx, token)
	if ctx.Err() != nil {
		return false, identifyRetry
	}
	l.Metrics.called("getMe", out)
	if out.Kind != telegram.Done {
		return false, max(identifyRetry, out.RetryAfter)
	}
	news, err := l.rename(ctx, b, me, log)
	if err != nil {
		if ctx.Err() == nil {
			log.Warn("a bot's username is not written down, and is asked for again", zap.Error(err))
		}
		return false, identifyRetry
	}
	return news, identifyEvery
}

// rename stores a bot's username and account id, and tells whether they are new.
func (l *Listener) rename(ctx context.Context, b bot, me telegram.Me, log *zap.Logger) (news bool, err error) {
	username := names.Username(me.Username)
	if username == "" || me.ID <= 0 || username == b.Username && me.ID == b.Account {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	if news, err = rosterpg.NameBot(ctx, l.Pool, b.ID, b.sealed, username, me.ID); err != nil {
		return false, err
	}
	if news {
		log.Info("Telegram told a bot's username", zap.String("username", username), zap.String("before", b.Username))
		l.Wake()
	}
	return news, nil
}
