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

// poller receives the updates of one bot by long polling.
type poller struct {
	l      *Listener
	bot    bot
	token  secret.String
	log    *zap.Logger
	offset int64
	// settled is the stored offset, and settledSince the time of its storing.
	settled      int64
	settledSince time.Time
	// limit is the number of updates to request. It is 1 after a response that can't be
	// parsed, so that the faulty update comes alone, and then grows again.
	limit int
	// emptied is the last time at which no update was left at Telegram; zero if unknown.
	emptied time.Time
}

// errGone ends listening to a stopped bot without an error.
var errGone = errors.New("the bot is not to be listened to")

// listen listens to one bot until the context ends. It returns an error if the bot is to be
// left alone for cfg.Yield.
func (l *Listener) listen(ctx context.Context, b bot, log *zap.Logger) error {
	token, err := l.token(b)
	if err != nil {
		return err
	}
	if b.Username == "" {
		if news, _ := l.introduce(ctx, b, token, log); news {
			return nil // the next round starts it again with its username
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
			return nil // the process or the bot is stopped
		case errors.Is(err, errYield):
			return err
		}
	}
	return nil
}

func (l *Listener) newPoller(b bot, token secret.String, log *zap.Logger) *poller {
	return &poller{l: l, bot: b, token: token, log: log, offset: -1, limit: telegram.MaxUpdates}
}

// run makes one poll. Its errors are retried with a backoff.
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

// begin reads the offset, and removes the webhook so that Telegram keeps updates for
// polling.
func (p *poller) begin(ctx context.Context) error {
	out := p.l.Telegram.DeleteWebhook(ctx, p.token)
	p.l.Metrics.called("deleteWebhook", out)
	if !out.OK() {
		return p.l.callFailed(ctx, p.bot, p.log, out)
	}
	offset, err := p.l.intake.Offset(ctx, p.bot.Bot)
	if err != nil {
		return err
	}
	p.offset, p.settled = offset, offset
	return nil
}

// take writes a batch. at is Telegram's time of the response. The offset moves on only
// after the batch is written.
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
	if err := p.l.ingest(ctx, p.bot.Bot, updates, began); err != nil {
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

// waited returns the time that an update waited at Telegram. Both given and date are times
// of Telegram's clock. Our clock only measures the time since no update was waiting, as an
// upper limit: a server between us and Telegram may have put its own time into the
// response.
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

// confirm moves the offset. After a week without updates Telegram starts at a random id, so
// the next offset may be lower.
func (p *poller) confirm(ctx context.Context, next int64) error {
	p.limit = min(p.limit*2, telegram.MaxUpdates)
	p.offset = next
	if time.Since(p.settledSince) >= settleEvery {
		p.settle(ctx)
	}
	return nil
}

// settleEvery is the interval at which the offset is stored. A poller that starts from an
// older offset receives some updates again; they are recognized as repeated.
const settleEvery = time.Second

// settle stores the offset.
func (p *poller) settle(ctx context.Context) {
	if p.offset < 0 || p.offset == p.settled {
		return
	}
	if err := p.l.intake.Confirm(context.WithoutCancel(ctx), p.bot.Bot, p.offset); err != nil {
		// Nothing is lost: updates that come again are recognized.
		p.l.note(ctx, err)
		return
	}
	p.settled, p.settledSince = p.offset, time.Now()
}

// refused handles a poll without updates.
func (p *poller) refused(ctx context.Context, out telegram.Outcome, unreadable int64) error {
	switch {
	case unreadable == 0:
		return p.l.callFailed(ctx, p.bot, p.log, out)
	case p.limit > 1:
		p.limit = 1
		return nil
	}
	p.l.Metrics.malformed()
	p.log.Warn("an update can't be read, and is left out", zap.Int64("update_id", unreadable), zap.Error(out.Err()))
	return p.confirm(ctx, unreadable+1)
}

// callFailed handles a failed call. It returns an error to retry soon, or errYield or errGone
// to stop listening to the bot.
func (l *Listener) callFailed(ctx context.Context, b bot, log *zap.Logger, out telegram.Outcome) error {
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

// refused handles a call for which Telegram refused the bot's token.
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

// ingest writes updates and rings for the chats with new prompts.
func (l *Listener) ingest(ctx context.Context, b intake.Bot, updates []incoming.Update, began time.Time) error {
	// A started write is finished; it has its own time-out.
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
