// Package listener hears what people say in the chats. Any number of listeners
// may run on one database: each bot is listened to by one of them, and whatever
// several bots are told of is written down once.
package listener

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/listener/intake"
)

// Updates is the part of Telegram that tells of updates.
type Updates interface {
	GetUpdates(ctx context.Context, token secret.String, p telegram.Poll) (telegram.Batch, telegram.Outcome)
	SetWebhook(ctx context.Context, token secret.String, w telegram.Webhook) telegram.Outcome
	DeleteWebhook(ctx context.Context, token secret.String) telegram.Outcome
	GetWebhook(ctx context.Context, token secret.String) (telegram.WebhookInfo, telegram.Outcome)
}

// Telegram is the part of Telegram that the listener needs.
type Telegram interface {
	Updates
	GetMe(ctx context.Context, token secret.String) (telegram.Me, telegram.Outcome)
	GetMember(ctx context.Context, token secret.String, chatID, userID int64) (telegram.Member, telegram.Outcome)
	AnswerQuery(ctx context.Context, token secret.String, query, text string) telegram.Outcome
	SetReaction(ctx context.Context, token secret.String, r telegram.Reaction) telegram.Outcome
}

var _ Telegram = (*telegram.Client)(nil)

// Settings gives the settings as they are now.
type Settings interface {
	Current() *settings.Values
}

// Deps is what a listener works with.
type Deps struct {
	Pool *pgxpool.Pool
	Bus  *bus.Bus
	// Lease shows that this process lives. Whoever starts the listener runs it beside.
	Lease    *lease.Lease
	Telegram Telegram
	Settings Settings
	// Open opens a bot's sealed token.
	Open func(bot string, sealed []byte) (secret.String, error)
	// Now is the time of PostgreSQL's clock, by which times in rows are judged; nil for
	// this process'.
	Now func() time.Time
	// Honest tells whether a line says of its speaker what is true: that it is no human. Nil
	// takes every line that an operator writes.
	Honest  func(line string) bool
	Metrics *Metrics
	Log     *zap.Logger
}

// Listener hears the chats. Run it once.
type Listener struct {
	Deps
	cfg     Config
	intake  *intake.Writer
	journal *journal.Journal
	judge   refusal.Judge
	outages *outage.Log
	// erased tells tidy that somebody was forgotten.
	erased chan struct{}

	cast atomic.Pointer[cast]
	// changed is sent to, never blocking, when the roster has changed, commanded when there
	// are commands to answer, and held when a text waits for an operator, or no more, or an
	// operator decides on one.
	changed, commanded, held chan struct{}
	// unshown is why no texts are shown to operators. It belongs to approvals.
	unshown string
	webhook *webhook // nil where updates are asked for
}

// New makes a listener.
func New(cfg Config, deps Deps) (*Listener, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	deps.Metrics = cmp.Or(deps.Metrics, NewMetrics(nil))
	j := journal.New(deps.Pool)
	in, err := intake.New(deps.Pool, j)
	if err != nil {
		return nil, err
	}
	l := &Listener{
		Deps: deps, cfg: cfg, intake: in, journal: j,
		erased: make(chan struct{}, 1),
		outages: outage.New(deps.Log, "the listener's work is held up: it is done later, and updates that aren't written down are asked for again",
			"the listener works again"),
		changed:   make(chan struct{}, 1),
		commanded: make(chan struct{}, 1),
		held:      make(chan struct{}, 1),
	}
	l.judge.Pool, l.judge.Telegram = deps.Pool, deps.Telegram
	l.cast.Store(&cast{})
	if cfg.PublicURL != "" {
		if l.webhook, err = l.newWebhook(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// note takes in how work ended that the database is needed for. What the end of the
// context broke is no fault.
func (l *Listener) note(ctx context.Context, err error) {
	if ctx.Err() == nil {
		l.outages.Note(err)
	}
}

// Run listens until the context ends. What is being written down then is written.
func (l *Listener) Run(ctx context.Context) error {
	var parts errgroup.Group
	parts.Go(func() error { l.run(ctx); return nil })
	parts.Go(func() error { return l.answer(ctx) })
	parts.Go(func() error { return l.approvals(ctx) })
	parts.Go(func() error { return l.tidy(ctx) })
	if l.webhook != nil {
		parts.Go(func() error { return l.webhook.run(ctx) })
	}
	return parts.Wait()
}

// Wake makes the listener look at the roster: after it has changed. It never
// blocks.
func (l *Listener) Wake() { signal(l.changed) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
