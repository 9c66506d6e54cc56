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
)

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
