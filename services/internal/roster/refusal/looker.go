package refusal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// Asker is the part of Telegram that is asked. None of it can be seen in a chat.
type Asker interface {
	GetMe(ctx context.Context, token secret.String) (telegram.Me, telegram.Outcome)
	GetChat(ctx context.Context, token secret.String, chatID int64) (telegram.ChatInfo, telegram.Outcome)
	GetMember(ctx context.Context, token secret.String, chatID, userID int64) (telegram.Member, telegram.Outcome)
}

var _ Asker = (*telegram.Client)(nil)

const (
	// Every is how often it is asked whether a try is due.
	Every = 5 * time.Second
	// maxRound and looksAtOnce bound the looks of a process: each round begins Every
	// after the last one ended.
	maxRound    = 20
	looksAtOnce = 4
	lookTimeout = 20 * time.Second
	dbTimeout   = 10 * time.Second
	// unclearFor is the wait after a look that Telegram did not answer, and awayFor
	// that where there is nobody to look.
	unclearFor = time.Minute
	awayFor    = 5 * time.Minute
)

// Deps is what a looker works with.
type Deps struct {
	Pool     *pgxpool.Pool
	Telegram Asker
	// Open opens a bot's sealed token.
	Open func(bot string, sealed []byte) (secret.String, error)
	// Every is how often it is asked whether a try is due; 0 for Every.
	Every   time.Duration
	Metrics *Metrics
	Log     *zap.Logger
}

// Looker tries what Telegram refuses once its time has come. Any number may run on
// one database: each try is made by one of them, and made anew if that one dies.
type Looker struct {
	Deps

	outages *outage.Log
}

// NewLooker makes a looker.
func NewLooker(deps Deps) *Looker {
	if deps.Every == 0 {
		deps.Every = Every
	}
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

// begin brings tries forward: an address or a proxy that was wrong may be right
// since this process started. One that starts again and again brings none forward
// twice.
func (l *Looker) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	_, err := change(ctx, l.Pool, "bring tries forward", `
UPDATE bots SET next_try_at = now() + interval '1 minute' WHERE stopped_at IS NOT NULL AND next_try_at > now() + interval '1 minute'`)
	return err
}

const anyDue = `
SELECT EXISTS (SELECT FROM bots WHERE stopped_at IS NOT NULL AND coalesce(next_try_at, stopped_at) <= now())
    OR EXISTS (SELECT FROM cast_members WHERE suspended_at IS NOT NULL AND coalesce(next_try_at, suspended_at) <= now())
    OR EXISTS (SELECT FROM cast_members WHERE tries > 0 AND suspended_at IS NULL)
    OR EXISTS (SELECT FROM chats WHERE allowed_reactions = '{}' AND coalesce(reactions_next_at, updated_at) <= now())`

// round makes the tries that are due, up to some of each kind.
func (l *Looker) round(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	if err := l.Metrics.count(asking, l.Pool); err != nil {
		return err
	}
	var due bool
	if err := l.Pool.QueryRow(asking, anyDue).Scan(&due); err != nil {
		return fmt.Errorf("ask whether a try is due: %w", err)
	}
	if !due {
		return nil
	}
	if err := l.endTrials(asking); err != nil {
		return err
	}
	var looks []func(context.Context) error
	for _, claim := range []func(context.Context) ([]func(context.Context) error, error){l.bots, l.members, l.chats} {
		some, err := claim(asking)
		if err != nil {
			return err
		}
		looks = append(looks, some...)
	}
	var looking errgroup.Group
	looking.SetLimit(looksAtOnce)
	for _, look := range looks {
		looking.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, lookTimeout)
			defer cancel()
			return look(ctx)
		})
	}
	return looking.Wait()
}

// verdict is what a look found.
type verdict struct {
	open bool
	// unclear tells that Telegram did not say, and after how long to ask again.
	unclear time.Duration
	found   string
}

// refused is the verdict of an answer that was none of the wanted.
func refused(out telegram.Outcome) verdict {
	switch out.Kind {
	case telegram.PermanentMembership, telegram.PermanentAction, telegram.PermanentBot, telegram.Moved:
		return verdict{found: out.Description}
	case telegram.Unknown, telegram.NotSent, telegram.RateLimited, telegram.Done, telegram.AlreadyDone:
	}
	return verdict{unclear: max(out.RetryAfter, unclearFor), found: out.Description}
}

// write writes a verdict down with the statement for its kind. Its first arguments
// are those of all three; what has changed since the look was begun is left alone.
func (l *Looker) write(ctx context.Context, v verdict, open, grow, later string, args ...any) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	switch {
	case v.open:
		return change(ctx, l.Pool, "end what Telegram refused", told(open), args...)
	case v.unclear > 0:
		return change(ctx, l.Pool, "put a try off", later, append(args, v.unclear)...)
	}
	return change(ctx, l.Pool, "put a try off", grow, args...)
}
