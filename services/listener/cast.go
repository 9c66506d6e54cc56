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

const (
	// identifyEvery is how often Telegram is asked what a bot is called: a new name
	// from @BotFather is heard no later than that.
	identifyEvery = 10 * time.Minute
	// identifyRetry is the same after an answer that told nothing.
	identifyRetry = 15 * time.Second
)

// identify keeps a bot's account and username as Telegram knows them until the
// context ends: people name bots by these, and cast files need not have them.
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

// introduce asks Telegram who a bot is. It tells whether that was news, and when to
// ask again.
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

// rename writes down what a bot is called, and tells whether that is new.
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
