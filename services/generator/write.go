package generator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
)

// errLate is why a turn whose time is over has no text.
var errLate = errors.New("its time was over before its text was written")

// write asks the provider for a draft. While the provider wants to be left alone,
// or its breaker is open, the turn waits: that is no failure of the turn, and
// uses up none of its attempts. An errLate says that its time is over.
func (g *Generator) write(ctx context.Context, t *chorusv1.Turn, s *scene) (string, error) {
	messages, err := g.prompts.Render(s.Scene)
	if err != nil {
		return "", fail.AsPermanent(err)
	}
	request := llm.Request{Scene: s.Scene, Messages: messages, MaxTokens: g.cfg.MaxTokens, Temperature: g.cfg.Temperature}
	has, cancel := context.WithDeadline(ctx, t.GetExpiresAt().AsTime())
	defer cancel()
	for {
		r, err := g.ask(has, request)
		if err == nil {
			return r.Text, nil
		}
		wait := g.wait(err)
		if wait > 0 {
			sleep(has, wait)
		}
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case has.Err() != nil:
			return "", fmt.Errorf("%w: %w", errLate, err)
		case wait <= 0:
			// None is permanent for the turn: a key may be corrected, another draft
			// may not be filtered.
			return "", fail.AsTransient(err)
		}
	}
}

// wait is how long to leave the provider alone after a failure; 0 if it didn't
// ask for it.
func (g *Generator) wait(err error) time.Duration {
	var failed *llm.Error
	switch {
	case errors.Is(err, circuitbreaker.ErrOpen):
		return max(g.breaker.RemainingDelay(), breakerLook)
	case errors.Is(err, errPaused):
		return max(g.pause.left(), time.Millisecond) // it may just have ended
	case errors.As(err, &failed) && failed.RetryAfter > 0:
		g.pause.atLeast(failed.RetryAfter)
		return failed.RetryAfter
	}
	return 0
}

// breakerLook is how long a turn waits at least for an open breaker, which may be
// about to let one more turn through than it has room for.
const breakerLook = 200 * time.Millisecond

// errPaused is why a provider that wants to be left alone is not asked.
var errPaused = errors.New("the provider wants to be left alone")

// ask makes one call, when a worker is free.
func (g *Generator) ask(ctx context.Context, r llm.Request) (llm.Response, error) {
	if err := g.workers.Acquire(ctx, 1); err != nil {
		return llm.Response{}, fmt.Errorf("no worker was free: %w", err)
	}
	defer g.workers.Release(1)
	if g.pause.left() > 0 {
		return llm.Response{}, errPaused
	}
	began := time.Now()
	answer, err := failsafe.With(g.breaker).WithContext(ctx).Get(func() (llm.Response, error) { return g.call(ctx, r) })
	g.Metrics.wrote(answer, err, time.Since(began))
	return answer, err //nolint:wrapcheck // says whose it is
}

// call bounds a call. That the provider took too long is its failure; that the
// turn's time is over, or the process', is not.
func (g *Generator) call(ctx context.Context, r llm.Request) (llm.Response, error) {
	calling, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	answer, err := g.Provider.Generate(calling, r)
	if err != nil && calling.Err() != nil && ctx.Err() == nil {
		return answer, fmt.Errorf("%w: no text within %v", llm.ErrTransient, g.cfg.Timeout)
	}
	return answer, err
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// newBreaker opens when the provider is ill, or will have nothing of us. One
// good draft closes it again.
func newBreaker(cfg Config, log *zap.Logger) circuitbreaker.CircuitBreaker[llm.Response] {
	return circuitbreaker.NewBuilder[llm.Response]().
		HandleIf(func(_ llm.Response, err error) bool { return ill(err) }).
		WithFailureThreshold(uint(cfg.BreakerFailures)).
		WithSuccessThreshold(1).
		WithDelay(cfg.BreakerDelay).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			log.Warn("breaker of the text provider", zap.Stringer("from", e.OldState), zap.Stringer("to", e.NewState))
		}).
		Build()
}

// ill tells failures that the next request will have too from what a provider
// says about one request. A rate limit has its own answer.
func ill(err error) bool {
	if errors.Is(err, llm.ErrTransient) {
		return true
	}
	var failed *llm.Error
	if !errors.As(err, &failed) || !errors.Is(err, llm.ErrPermanent) {
		return false
	}
	switch failed.Status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound:
		return true // a wrong key, no credit, no such model
	case http.StatusTooManyRequests:
		return true // OpenAI's way to say that there is no credit left
	}
	return false
}

// pause is until when the provider wants to be left alone. All turns keep to it,
// so that one answer is enough. It is safe for concurrent use.
type pause struct{ until atomic.Int64 } // Unix nanoseconds

func (p *pause) atLeast(d time.Duration) {
	until := time.Now().Add(d).UnixNano()
	for {
		have := p.until.Load()
		if have >= until || p.until.CompareAndSwap(have, until) {
			return
		}
	}
}

func (p *pause) left() time.Duration { return time.Until(time.Unix(0, p.until.Load())) }
