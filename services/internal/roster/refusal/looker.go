// Package refusal checks whether Telegram still refuses what it refused, and ends these states in
// the roster if it doesn't: stopped bots, suspended bots, and chats without reactions. A look uses
// getMe, getChat and getChatMember only; nobody in a chat can see it.
package refusal

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
)

// Asker is the part of Telegram that looks use. None of its calls can be seen in a chat.
type Asker interface {
	GetMe(ctx context.Context, token secret.String) (telegram.Me, telegram.Outcome)
	GetChat(ctx context.Context, token secret.String, chatID int64) (telegram.ChatInfo, telegram.Outcome)
	GetMember(ctx context.Context, token secret.String, chatID, userID int64) (telegram.Member, telegram.Outcome)
}

var _ Asker = (*telegram.Client)(nil)

const (
	// Every is the interval in which due tries are looked for.
	Every = 15 * time.Second
	// maxRound and looksAtOnce limit the looks of a process. A round begins Every after the end of
	// the last one.
	maxRound    = 20
	looksAtOnce = 4
	lookTimeout = 20 * time.Second
	// unclearFor is the wait after a look without an answer from Telegram, awayFor the wait if no
	// bot can look.
	unclearFor = time.Minute
	awayFor    = 5 * time.Minute
)

// Deps holds the dependencies of a Looker.
type Deps struct {
	Pool     *pgxpool.Pool
	Telegram Asker
	// Open decrypts a bot's sealed token.
	Open func(bot string, sealed []byte) (secret.String, error)
	// Every replaces the constant of the same name; 0 keeps it.
	Every   time.Duration
	Metrics *Metrics
	Log     *zap.Logger
}

// Looker makes the tries that are due. Any number of them may share a database: each try is made by
// one, and made again if its process dies.
type Looker struct {
	Deps

	outages *outage.Log
}

// NewLooker returns a Looker.
func NewLooker(deps Deps) *Looker {
	if deps.Every == 0 {
		deps.Every = Every
	}
	deps.Metrics = cmp.Or(deps.Metrics, NewMetrics(nil))
	return &Looker{deps, outage.New(deps.Log, "what Telegram refuses is not looked at", "what Telegram refuses is looked at again").Except(store.Away)}
}

// Run looks until the context ends, and returns nil.
func (l *Looker) Run(ctx context.Context) error {
	tick := time.NewTicker(l.Every)
	defer tick.Stop()
	l.failed(ctx, l.begin(ctx))
	for {
		l.failed(ctx, l.round(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (l *Looker) failed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		l.outages.Note(err)
	}
}

// begin makes the tries of stopped bots due soon.
func (l *Looker) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	return rosterpg.TryBotsSoon(ctx, l.Pool)
}

// round makes the tries that are due, up to maxRound of each kind.
func (l *Looker) round(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	if err := l.Metrics.count(asking, l.Pool); err != nil {
		return err
	}
	if due, err := rosterpg.AnyTryDue(asking, l.Pool); err != nil || !due {
		return err
	}
	err := rosterpg.EndTrials(asking, l.Pool, func(bot, chat string) {
		l.Metrics.end(rosterpg.BotSuspended)
		l.Log.Warn("the bot speaks in the chat again", // a warning, as when it was suspended
			zap.String("bot", bot), zap.String("chat", chat))
	})
	if err != nil {
		return err
	}
	set, err := settingspg.Values(asking, l.Pool)
	if err != nil {
		return err
	}
	tries, err := rosterpg.ClaimTries(asking, l.Pool, int64(settings.ApprovalChat.Of(set, 0, 0)), maxRound)
	if err != nil {
		return err
	}
	var looking errgroup.Group
	looking.SetLimit(looksAtOnce)
	for _, t := range tries {
		looking.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, lookTimeout)
			defer cancel()
			return l.try(ctx, &t)
		})
	}
	return looking.Wait()
}
