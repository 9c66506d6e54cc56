// Package listener receives what people write in the chats and stores it for the planner.
// It also answers commands and shows held texts to operators. Any number of listeners can
// share a database: one of them listens to each bot, and an event that several bots report
// is written once.
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

// Updates is the part of Telegram's API for updates.
type Updates interface {
	GetUpdates(ctx context.Context, token secret.String, p telegram.Poll) (telegram.Batch, telegram.Outcome)
	SetWebhook(ctx context.Context, token secret.String, w telegram.Webhook) telegram.Outcome
	DeleteWebhook(ctx context.Context, token secret.String) telegram.Outcome
	GetWebhook(ctx context.Context, token secret.String) (telegram.WebhookInfo, telegram.Outcome)
}

// Telegram is the part of Telegram's API that the listener uses.
type Telegram interface {
	Updates
	GetMe(ctx context.Context, token secret.String) (telegram.Me, telegram.Outcome)
	GetMember(ctx context.Context, token secret.String, chatID, userID int64) (telegram.Member, telegram.Outcome)
	AnswerQuery(ctx context.Context, token secret.String, query, text string) telegram.Outcome
	SetReaction(ctx context.Context, token secret.String, r telegram.Reaction) telegram.Outcome
}

var _ Telegram = (*telegram.Client)(nil)

// Settings returns the current settings.
type Settings interface {
	Current() *settings.Values
}

// Deps holds the dependencies of a listener.
type Deps struct {
	Pool *pgxpool.Pool
	Bus  *bus.Bus
	// Lease proves that this process lives. The caller of New runs it beside the listener.
	Lease    *lease.Lease
	Telegram Telegram
	Settings Settings
	// Open decrypts a bot's token.
	Open func(bot string, sealed []byte) (secret.String, error)
	// Now returns PostgreSQL's time, because times in rows are PostgreSQL's; nil uses this
	// process' clock.
	Now func() time.Time
	// Honest tells whether a line is honest about its speaker, who is no human. Nil accepts
	// every line that an operator writes.
	Honest  func(line string) bool
	Metrics *Metrics
	Log     *zap.Logger
}

// Listener receives the updates of bots. Run may be called once.
type Listener struct {
	Deps
	cfg     Config
	intake  *intake.Writer
	journal *journal.Journal
	judge   refusal.Judge
	outages *outage.Log
	// erased signals to tidy that a person was forgotten.
	erased chan struct{}

	cast atomic.Pointer[cast]
	// changed signals a change of the roster; commanded signals new commands; held signals
	// that a text begins or ends to wait for an operator, or that an operator decides.
	// Sending never blocks.
	changed, commanded, held chan struct{}
	// unshown is the reason why no texts are shown to operators. Only approvals uses it.
	unshown string
	webhook *webhook // nil for long polling
}

// New returns a Listener.
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

// note logs when the database begins or ends to fail. It ignores errors at the end of the
// context.
func (l *Listener) note(ctx context.Context, err error) {
	if ctx.Err() == nil {
		l.outages.Note(err)
	}
}

// Run listens until the context ends. It finishes the transactions under way.
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

// Wake makes the listener read the roster after a change. It never blocks.
func (l *Listener) Wake() { signal(l.changed) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
