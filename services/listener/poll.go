package listener

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
	"github.com/chorus-cast/chorus/services/listener/incoming"
	"github.com/chorus-cast/chorus/services/listener/intake"
)

// poller asks for the updates of one bot.
type poller struct {
	l      *Listener
	bot    bot
	token  secret.String
	log    *zap.Logger
	offset int64
	// settled is the offset that is written down, and since when.
	settled      int64
	settledSince time.Time
	// limit is how many updates are asked for: one after an answer that can't be
	// read, so that the update to blame comes alone, and then more again.
	limit int
	// emptied is when nothing was left to be asked for; zero if that is unknown.
	emptied time.Time
}

// errGone ends the attention to a bot without a fault.
var errGone = errors.New("the bot is not to be listened to")

// listen listens to one bot until the context ends. It returns an error if the bot
// is to be left alone for a while.
func (l *Listener) listen(ctx context.Context, b bot, log *zap.Logger) error {
	token, err := l.token(b)
	if err != nil {
		return err
	}
	if b.Username == "" {
		if news, _ := l.introduce(ctx, b, token, log); news {
			return nil // it is listened to again at once, and then by its name
		}
	}
	identifying, stop := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop()
	asking.Go(func() { l.identify(identifying, b, token, log) })
	p := l.newPoller(b, token, log)
	defer p.settle(ctx)
	work := p.run
	if l.webhook != nil {
		h := &hook{l: l, bot: b, token: token, log: log}
		defer h.note(false, 0)
		work = h.run
	}
	retries := retrypolicy.NewBuilder[any]().WithMaxRetries(-1).WithBackoff(shortestRetry, longestRetry).WithJitterFactor(0.2).
		AbortOnErrors(errYield, errGone).Build()
	for ctx.Err() == nil {
		err = failsafe.With(retries).WithContext(ctx).Run(func() error { return work(ctx) })
		switch {
		case ctx.Err() != nil, errors.Is(err, errGone):
			return nil // nothing is wrong with the bot, or it is stopped
		case errors.Is(err, errYield):
			return err
		}
	}
	return nil
}

func (l *Listener) newPoller(b bot, token secret.String, log *zap.Logger) *poller {
	return &poller{l: l, bot: b, token: token, log: log, offset: -1, limit: telegram.MaxUpdates}
}

// run makes one poll. Its errors are worth another try, a little later.
func (p *poller) run(ctx context.Context) error {
	if p.offset < 0 {
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	batch, out := p.l.Telegram.GetUpdates(ctx, p.token, telegram.Poll{
		Offset: p.offset, Limit: p.limit, Wait: p.l.cfg.PollWait, Allowed: incoming.Allowed(),
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // what the end of the context broke is no fault
	}
	p.l.Metrics.called("getUpdates", out)
	if out.Kind != telegram.Done {
		return p.refused(ctx, out, batch.Unreadable)
	}
	return p.take(ctx, batch.Updates, out.At)
}

// begin finds where to go on, and has updates wait that were brought before.
func (p *poller) begin(ctx context.Context) error {
	out := p.l.Telegram.DeleteWebhook(ctx, p.token)
	p.l.Metrics.called("deleteWebhook", out)
	if !out.OK() {
		return p.l.troubled(ctx, p.bot, p.log, out)
	}
	offset, err := p.l.intake.Offset(ctx, p.bot.Bot)
	if err != nil {
		return err
	}
	p.offset, p.settled = offset, offset
	return nil
}

// take hears a batch that Telegram gave at an instant of its clock. The offset moves
// on only once the batch is written down.
func (p *poller) take(ctx context.Context, raw []json.RawMessage, at time.Time) error {
	began, all := time.Now(), len(raw) < p.limit
	if len(raw) == 0 {
		p.limit, p.emptied = telegram.MaxUpdates, began
		return nil
	}
	updates := make([]incoming.Update, 0, len(raw))
	next := int64(0)
	for _, r := range raw {
		next = max(next, incoming.ID(r)+1)
		u, err := incoming.Parse(r)
		if err != nil {
			p.l.Metrics.malformed()
			p.log.Warn("an update can't be read, and is left out", zap.Int64("update_id", incoming.ID(r)), zap.Error(err))
			continue
		}
		u.Age = waited(u.At, at, began, p.emptied)
		updates = append(updates, u)
	}
	if err := p.l.hear(ctx, p.bot.Bot, updates, began); err != nil {
		p.l.note(ctx, err)
		return err
	}
	if next == 1 {
		return errors.New("updates without ids can't be confirmed")
	}
	if all {
		p.emptied = began
	}
	return p.confirm(ctx, next)
}

// waited is how long an update had waited at Telegram, which gave it at an instant
// of the same clock as its date. Ours only measures since when nothing waited: a
// server between us and Telegram may have told the time of its own clock.
func waited(date, given, received, emptied time.Time) time.Duration {
	if given.IsZero() || date.IsZero() {
		return 0
	}
	age := max(given.Sub(date), 0)
	if !emptied.IsZero() {
		age = min(age, received.Sub(emptied))
	}
	return age
}

// confirm moves on. Telegram begins with any number after a week without updates,
// so the next offset may be a lower one.
func (p *poller) confirm(ctx context.Context, next int64) error {
	p.limit = min(p.limit*2, telegram.MaxUpdates)
	p.offset = next
	if time.Since(p.settledSince) >= settleEvery {
		p.settle(ctx)
	}
	return nil
}

// settleEvery is how often it is written down how far a bot was heard. Whoever
// begins before that hears some of it again, and knows it.
const settleEvery = time.Second

// settle writes down how far the bot was heard.
func (p *poller) settle(ctx context.Context) {
	if p.offset < 0 || p.offset == p.settled {
		return
	}
	if err := p.l.intake.Confirm(context.WithoutCancel(ctx), p.bot.Bot, p.offset); err != nil {
		// Nothing is lost: what is heard again is known.
		p.l.note(ctx, err)
		return
	}
	p.settled, p.settledSince = p.offset, time.Now()
}

// refused deals with a poll that gave nothing.
func (p *poller) refused(ctx context.Context, out telegram.Outcome, unreadable int64) error {
	switch {
	case unreadable == 0:
		return p.l.troubled(ctx, p.bot, p.log, out)
	case p.limit > 1:
		p.limit = 1
		return nil
	}
	p.l.Metrics.malformed()
	p.log.Warn("an update can't be read, and is left out", zap.Int64("update_id", unreadable), zap.Error(out.Err()))
	return p.confirm(ctx, unreadable+1)
}

// troubled tells what to do about a call that was not done: an error to try again
// soon, or one that ends the attention to the bot.
func (l *Listener) troubled(ctx context.Context, b bot, log *zap.Logger, out telegram.Outcome) error {
	switch {
	case out.Status == http.StatusConflict:
		log.Warn("somebody else takes the bot's updates: it is left to them", zap.String("description", out.Description))
		return errYield
	case out.Kind == telegram.PermanentBot:
		return l.refused(ctx, b, log, out)
	case out.Kind == telegram.RateLimited:
		wait := time.NewTimer(out.RetryAfter)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		return nil
	}
	return out.Err()
}

// refused deals with a call for which Telegram refused the bot's token.
func (l *Listener) refused(ctx context.Context, b bot, log *zap.Logger, out telegram.Outcome) error {
	token, err := l.token(b)
	if err != nil {
		return err
	}
	stopped, err := l.judge.Refused(ctx, refusal.Token{Bot: b.ID, Sealed: b.sealed, Opened: token})
	switch {
	case err != nil:
		return err
	case stopped:
		log.Error("Telegram refuses the bot's token: the bot is stopped, and tried again later", zap.String("description", out.Description))
		return errGone
	}
	return out.Err()
}

// hear writes updates down, and rings for those that are to be answered.
func (l *Listener) hear(ctx context.Context, b intake.Bot, updates []incoming.Update, began time.Time) error {
	// What was begun is ended; it has a time-out of its own.
	out, err := l.intake.Write(context.WithoutCancel(ctx), b, l.cast.Load().all, updates)
	if err != nil {
		return err
	}
	l.Bus.Ring(bus.Prompts(), out.Prompted...)
	l.Bus.Tell(subject.Heard, &chorusv1.Event{Chats: out.Written})
	if out.Commands {
		signal(l.commanded)
	}
	if out.Presses {
		signal(l.held)
	}
	l.Metrics.heard(updates, out.Results, time.Since(began))
	return nil
}
