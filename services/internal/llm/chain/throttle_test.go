package chain_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// A provider that doesn't say how long to wait is asked after 1, 2, 4 and up to 60 seconds, by one
// of the waiting calls; the others follow once it answers.
func TestAThrottleWithoutAWaitBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const throttled = 9
		s := fails("only", llm.Error{Class: fail.Throttled, Status: 429})
		refuse, answer := s.do, takes("only", time.Second).do
		s.do = func(ctx context.Context, n int) (llm.Response, error) {
			if n <= throttled {
				return refuse(ctx, n)
			}
			return answer(ctx, n)
		}
		c := of(&ledger{}, nil, s)
		var all sync.WaitGroup
		all.Go(func() { _, _ = ask(c, time.Hour) })
		synctest.Wait()
		for range 7 {
			all.Go(func() { _, _ = ask(c, time.Hour) })
		}
		all.Wait()
		var gaps []time.Duration
		for i := 1; i <= throttled; i++ {
			gaps = append(gaps, s.times[i].Sub(s.times[i-1]).Round(time.Second))
		}
		for i, want := range []int{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			if gaps[i] != time.Duration(want)*time.Second {
				t.Errorf("waits %v", gaps)
				break
			}
		}
		if n := s.calls(); n != throttled+8 {
			t.Errorf("%d calls for 8 texts and %d refusals", n, throttled)
		}
		for _, at := range s.times[throttled+1:] {
			if at.Sub(s.times[throttled]) < time.Second {
				t.Errorf("asked again before the first answer was there")
			}
		}
	})
}

// Calls that were in flight when the first was throttled don't lengthen the wait.
func TestOneBurstIsOneStepOfTheBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := takes("only", time.Second)
		answer := s.do
		s.do = func(ctx context.Context, n int) (llm.Response, error) {
			r, err := answer(ctx, n)
			if n <= 8 {
				return llm.Response{}, &llm.Error{Class: fail.Throttled, Provider: "only", Status: 429}
			}
			return r, err
		}
		c := of(&ledger{}, nil, s)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { want(t, c, "by only") })
		}
		all.Wait()
		if wait := s.times[8].Sub(s.times[7]); wait > 3*time.Second {
			t.Errorf("8 refusals at once cost a wait of %v", wait)
		}
	})
}

// After an answer, headers about days, and instants, are ignored.
func TestAFarResetAfterAnAnswerIsNoPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := writes("only")
		s.do = func(context.Context, int) (llm.Response, error) {
			return llm.Response{Text: "by only", Limits: llm.Limits{Requests: llm.Limit{Known: true, Reset: 5 * time.Minute}}}, nil
		}
		c := of(&ledger{}, nil, s, writes("second"))
		want(t, c, "by only")
		want(t, c, "by only")
	})
}

// A model that only thinks has not failed; the turn must not be tried again.
func TestThoughtsAreNoIllnessAndCost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		thinks := fails("only", llm.Error{Class: fail.Transient, Status: 200, Code: llm.CodeThinking, Answered: true, Usage: llm.Usage{PromptTokens: 10, CompletionTokens: 300}})
		c := of(l, func(_ int, l *chain.Limits) { l.PromptPrice, l.CompletionPrice = 1, 2 }, thinks)
		for range 10 {
			if _, err := ask(c, time.Minute); !errors.Is(err, chain.ErrRefused) {
				t.Fatal(err)
			}
		}
		if thinks.calls() != 10 {
			t.Errorf("%d calls: the breaker opened", thinks.calls())
		}
		if got := l.calls[0]; got.CompletionTokens != 300 || got.Cost == 0 {
			t.Errorf("the account has %+v", got)
		}
		ill := of(l, nil, thinks, fails("second", down))
		if _, err := ask(ill, time.Minute); errors.Is(err, chain.ErrRefused) {
			t.Errorf("%v: the second may be well again", err)
		}
	})
}

// A part that a provider refuses is left out of a second request at once.
func TestARefusedPartIsLeftOutAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		first := writes("first")
		answer := first.do
		first.do = func(ctx context.Context, n int) (llm.Response, error) {
			if n <= 3 {
				return llm.Response{}, &llm.Error{Class: fail.Transient, Provider: "first", Status: 400, Answered: true, Again: true}
			}
			return answer(ctx, n)
		}
		want(t, of(l, nil, first, writes("second")), "by first")
		if len(l.calls) != 4 {
			t.Errorf("the account has %d calls, want each of four", len(l.calls))
		}
		stubborn := fails("first", llm.Error{Class: fail.Transient, Status: 400, Answered: true, Again: true})
		want(t, of(l, nil, stubborn, writes("second")), "by second")
		if n := stubborn.calls(); n > 6 {
			t.Errorf("%d calls", n)
		}
	})
}

// A model takes 100 s to load, and its server stops loading when the caller leaves.
func TestAColdModelIsLoaded(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]bool{"with a second": true, "alone": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const loads = 100 * time.Second
				l := &ledger{}
				var loaded atomic.Bool
				first := writes("first")
				answer := first.do
				first.do = func(ctx context.Context, n int) (llm.Response, error) {
					if loaded.Load() {
						return answer(ctx, n)
					}
					select {
					case <-time.After(loads):
						loaded.Store(true)
						return answer(ctx, n)
					case <-ctx.Done():
						return llm.Response{}, ctx.Err()
					}
				}
				scripts := []*script{first}
				if second {
					scripts = append(scripts, writes("second"))
				}
				c := of(l, func(i int, l *chain.Limits) {
					l.BreakerFailures = 2
					if i == 0 {
						l.LoadTimeout = 5 * time.Minute
					}
				}, scripts...)
				defer c.Close()
				began := time.Now()
				_, err := ask(c, 20*time.Second) // a turn that ends before the timeout
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				var all sync.WaitGroup
				for range 5 { // other turns while it loads
					all.Go(func() {
						got, err := ask(c, 5*time.Minute)
						if err != nil || second && got != "by second" || !second && got != "by first" {
							t.Errorf("got %q, %v", got, err)
						}
					})
				}
				all.Wait()
				if took := time.Since(began); second && took > 51*time.Second || took > loads+2*time.Second {
					t.Errorf("took %v", took)
				}
				if second {
					calls := first.calls()
					want(t, c, "by second") // at once, while it still loads
					if first.calls() != calls {
						t.Error("asked again while it loads")
					}
					time.Sleep(loads - time.Since(began) + time.Second) //nolint:forbidigo // in a bubble
				}
				want(t, c, "by first")
				got := l.calls[0]
				for _, call := range l.calls {
					if call.Latency == loads {
						got = call
					}
				}
				if got.Latency != loads || got.Outcome != usage.Written || got.CompletionTokens == 0 {
					t.Errorf("the call that loaded is not on the account: %+v", l.calls)
				}
			})
		})
	}
}

func TestAModelThatNeverLoadsIsAnIllness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := takes("first", time.Hour)
		c := of(&ledger{}, func(_ int, l *chain.Limits) { l.LoadTimeout, l.BreakerFailures = 5*time.Minute, 1 }, first)
		defer c.Close()
		_, err := ask(c, 6*time.Minute)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "its breaker is open") || first.calls() != 1 {
			t.Errorf("got %v after %d calls", err, first.calls())
		}
	})
}

func TestCloseEndsTheCallThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		s := takes("first", time.Hour)
		c := chain.New([]chain.Link{{Name: "first", Provider: s, Limits: chain.Limits{
			Workers: 1, Timeout: time.Second, LoadTimeout: time.Hour, BreakerFailures: 1, BreakerDelay: time.Minute,
		}}}, chain.Deps{Ledger: l, Log: zap.NewNop()})
		if _, err := ask(c, 5500*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "loading its model") {
			t.Error(err)
		}
		c.Close()
		if len(l.calls) != 1 || l.calls[0].Outcome != "given_up" {
			t.Errorf("the account has %+v", l.calls)
		}
	})
}
