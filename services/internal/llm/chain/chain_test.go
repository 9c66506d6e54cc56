package chain_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a provider whose answers the test sets.
type script struct {
	name string
	do   func(ctx context.Context, n int) (llm.Response, error)

	mu    sync.Mutex
	times []time.Time
}

func (s *script) Generate(ctx context.Context, _ llm.Request) (llm.Response, error) {
	s.mu.Lock()
	s.times = append(s.times, time.Now())
	n := len(s.times)
	s.mu.Unlock()
	return s.do(ctx, n)
}

func (s *script) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

// ledger keeps calls in memory.
type ledger struct {
	mu    sync.Mutex
	calls []usage.Call
}

func (l *ledger) Record(c usage.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
}

func (l *ledger) Spent(provider string, now time.Time) (s usage.Spent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if c.Provider == provider && usage.Day(c.At).Equal(usage.Day(now)) {
			s.Tokens += int64(c.PromptTokens + c.CompletionTokens)
			s.Cost += c.Cost
		}
	}
	return s
}

func writes(name string) *script {
	return &script{name: name, do: func(context.Context, int) (llm.Response, error) {
		return llm.Response{Text: "by " + name, Model: "m", Usage: llm.Usage{PromptTokens: 80, CompletionTokens: 20}}, nil
	}}
}

func fails(name string, err llm.Error) *script {
	return &script{name: name, do: func(context.Context, int) (llm.Response, error) {
		failure := err
		failure.Provider = name
		return llm.Response{}, &failure
	}}
}

func takes(name string, d time.Duration) *script {
	s := writes(name)
	write := s.do
	s.do = func(ctx context.Context, n int) (llm.Response, error) {
		select {
		case <-time.After(d):
			return write(ctx, n)
		case <-ctx.Done():
			return llm.Response{}, ctx.Err()
		}
	}
	return s
}

func of(l *ledger, change func(i int, l *chain.Limits), scripts ...*script) *chain.Chain {
	var links []chain.Link
	for i, s := range scripts {
		limits := chain.DefaultLimits()
		if change != nil {
			change(i, &limits)
		}
		links = append(links, chain.Link{Name: s.name, Provider: s, Limits: limits})
	}
	return chain.New(links, chain.Deps{Ledger: l, Log: zap.NewNop()})
}

func ask(c *chain.Chain, within time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	r, err := c.Generate(ctx, llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Content: "Hello"}}})
	return r.Text, err
}

func want(t *testing.T, c *chain.Chain, text string) {
	t.Helper()
	if got, err := ask(c, time.Minute); err != nil || got != text {
		t.Errorf("got %q, %v, want %q", got, err, text)
	}
}

// down is a failure that opens breakers.
var down = llm.Error{Class: fail.Transient, Status: 500}

func TestTheNextIsAskedAtOnce(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]llm.Error{
		"a rate limit":       {Class: fail.Throttled, Status: 429, RetryAfter: time.Minute},
		"a server error":     down,
		"a wrong key":        {Class: fail.Permanent, Status: 401},
		"a content filter":   {Class: fail.Permanent, Status: 200, Code: "content_filter"},
		"no credit any more": {Class: fail.Permanent, Status: 429, Code: "insufficient_quota"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &ledger{}
				first := fails("first", failure)
				c := of(l, nil, first, writes("second"))
				began := time.Now()
				want(t, c, "by second")
				if took := time.Since(began); took != 0 {
					t.Errorf("took %v", took)
				}
				if len(l.calls) != 2 || l.calls[0].Outcome == usage.Written || l.calls[1].Outcome != usage.Written || l.calls[1].Model != "m" {
					t.Errorf("the ledger has %+v", l.calls)
				}
			})
		})
	}
}

func TestRetryAfterIsObeyedAndOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := writes("first")
		write := first.do
		first.do = func(ctx context.Context, n int) (llm.Response, error) {
			if n == 1 {
				return llm.Response{}, &llm.Error{Class: fail.Throttled, Provider: "first", RetryAfter: 10 * time.Second}
			}
			return write(ctx, n)
		}
		c := of(&ledger{}, nil, first, writes("second"))
		want(t, c, "by second")
		want(t, c, "by second")
		if n := first.calls(); n != 1 {
			t.Errorf("%d calls to one that wants to be left alone", n)
		}
		time.Sleep(10 * time.Second) //nolint:forbidigo // in a bubble
		want(t, c, "by first")
	})
}

func TestWhatHeadersSayIsObeyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := writes("first")
		first.do = func(context.Context, int) (llm.Response, error) {
			return llm.Response{Text: "by first", Limits: llm.Limits{Requests: llm.Limit{Known: true, Remaining: 0, Reset: 7 * time.Second}}}, nil
		}
		c := of(&ledger{}, nil, first, writes("second"))
		want(t, c, "by first")
		want(t, c, "by second")
		time.Sleep(7 * time.Second) //nolint:forbidigo // in a bubble
		want(t, c, "by first")
	})
}

func TestTheBreakerOpensTriesAndCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ill bool
		first := writes("first")
		write := first.do
		first.do = func(ctx context.Context, n int) (llm.Response, error) {
			if ill {
				return llm.Response{}, &llm.Error{Class: fail.Transient, Provider: "first", Status: 500}
			}
			return write(ctx, n)
		}
		c := of(&ledger{}, nil, first, writes("second"))
		ill = true
		for range 8 {
			want(t, c, "by second")
		}
		if n := first.calls(); n != 5 {
			t.Errorf("%d calls until the breaker opened, want 5", n)
		}
		time.Sleep(119 * time.Second) //nolint:forbidigo // in a bubble
		want(t, c, "by second")
		time.Sleep(time.Second) //nolint:forbidigo // in a bubble
		want(t, c, "by second") // the trial fails
		want(t, c, "by second")
		if n := first.calls(); n != 6 {
			t.Errorf("%d calls, want one trial", n)
		}
		ill = false
		time.Sleep(239 * time.Second) //nolint:forbidigo // in a bubble
		want(t, c, "by second")       // each pause is twice as long as the one before
		time.Sleep(time.Second)       //nolint:forbidigo // in a bubble
		for range 3 {
			want(t, c, "by first")
		}
	})
}

func TestATrialThatIsGivenUpDoesNotKeepTheBreakerHalfOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := true
		first := takes("first", time.Hour)
		slow, quick := first.do, writes("first").do
		first.do = func(ctx context.Context, n int) (llm.Response, error) {
			switch {
			case n == 1:
				return llm.Response{}, &llm.Error{Class: fail.Transient, Provider: "first"}
			case hang:
				return slow(ctx, n)
			}
			return quick(ctx, n)
		}
		c := of(&ledger{}, func(_ int, l *chain.Limits) { l.BreakerFailures, l.BreakerDelay = 1, 10*time.Second }, first)
		if _, err := ask(c, time.Second); fail.ClassOf(err) != fail.Transient {
			t.Fatal(err)
		}
		if _, err := ask(c, 12*time.Second); !errors.Is(err, context.DeadlineExceeded) { // it waits 10 s and tries for 2
			t.Fatal(err)
		}
		hang = false
		want(t, c, "by first")
	})
}

func TestBudgetsHoldUntilMidnight(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(l *chain.Limits){
		"of tokens": func(l *chain.Limits) { l.DailyTokens = 250 },
		"of money":  func(l *chain.Limits) { l.DailyCost, l.PromptPrice, l.CompletionPrice = 0.0025, 10, 10 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := of(&ledger{}, func(i int, l *chain.Limits) {
					if i == 0 {
						change(l)
					}
				}, writes("first"), writes("second"))
				for range 3 { // 100 tokens each
					want(t, c, "by first")
				}
				want(t, c, "by second")
				time.Sleep(24 * time.Hour) //nolint:forbidigo // in a bubble
				want(t, c, "by first")
			})
		})
	}
}

func TestBackgroundLeavesBudgetAndWaitsForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := of(&ledger{}, func(_ int, l *chain.Limits) { l.DailyTokens = 500 }, writes("first"))
		background := func() error {
			_, err := c.Generate(t.Context(), llm.Request{About: llm.About{Purpose: llm.PurposeMemory}})
			return err
		}
		for range 4 {
			if err := background(); err != nil {
				t.Fatal(err)
			}
		}
		if err := background(); !errors.Is(err, chain.ErrUnavailable) || !strings.Contains(err.Error(), "budget") {
			t.Errorf("got %v", err)
		}
		want(t, c, "by first")
	})
}

func TestATimeOutIsTheProvidersFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		c := of(l, func(_ int, l *chain.Limits) { l.Timeout = 3 * time.Second }, takes("first", time.Hour), writes("second"))
		began := time.Now()
		want(t, c, "by second")
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		if l.calls[0].Outcome != "transient" || l.calls[0].Latency != 3*time.Second {
			t.Errorf("the ledger has %+v", l.calls[0])
		}
	})
}

func TestWhoWaitsGetsAWorkerInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := of(&ledger{}, func(_ int, l *chain.Limits) { l.Workers = 2 }, takes("first", 10*time.Second))
		began := time.Now()
		var done sync.WaitGroup
		for range 6 {
			done.Go(func() { want(t, c, "by first") })
		}
		done.Wait()
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("six calls of two workers took %v", took)
		}
	})
}

// However many requests wait, a free worker goes to one of them; the others aren't woken to check
// the limits.
func TestAFreeWorkerWakesOneOfThoseWhoWait(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]*script{"alone": nil, "with another that is busy": takes("second", 24*time.Hour)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const waiting = 200
				scripts := []*script{takes("first", 100*time.Millisecond)}
				looks := waiting // one each, and one more per second if there is another provider
				if second != nil {
					scripts = append(scripts, second)
					looks = 2 * waiting * (waiting/10 + 2)
				}
				registry := prometheus.NewRegistry()
				var links []chain.Link
				for _, s := range scripts {
					limits := chain.DefaultLimits()
					limits.Workers, limits.Timeout = 1, 24*time.Hour
					links = append(links, chain.Link{Name: s.name, Provider: s, Limits: limits})
				}
				c := chain.New(links, chain.Deps{Ledger: &ledger{}, Metrics: chain.NewMetrics(registry), Log: zap.NewNop()})
				ctx, stop := context.WithCancel(t.Context())
				var done, idle sync.WaitGroup
				if second != nil {
					for range 2 { // one of them has the second to itself
						idle.Go(func() { _, _ = c.Generate(ctx, llm.Request{}) })
					}
					synctest.Wait()
				}
				for range waiting {
					done.Go(func() { want(t, c, "by first") })
				}
				done.Wait()
				stop()
				idle.Wait()
				if n := passedOver(t, registry); n > looks {
					t.Errorf("%d calls looked for a worker %d times, want %d at most", waiting, n, looks)
				}
			})
		})
	}
}

func passedOver(t *testing.T, r *prometheus.Registry) (n int) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "chorus_llm_passed_over_total" {
				n += int(m.GetCounter().GetValue())
			}
		}
	}
	return n
}

func TestAllAtTheirLimitWaitAndExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := fails("first", down)
		second := writes("second")
		c := of(&ledger{}, func(i int, l *chain.Limits) {
			l.BreakerFailures = 1
			if i == 1 {
				l.RequestsPerMinute = 1
			}
		}, first, second)
		want(t, c, "by second")
		_, err := ask(c, 10*time.Second)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "first: its breaker is open; second: its limit per minute is reached") {
			t.Errorf("got %v", err)
		}
		began := time.Now()
		want(t, c, "by second")
		if took := time.Since(began); took > time.Minute {
			t.Errorf("waited %v for the limit", took)
		}
	})
}

func TestNoMinuteHasMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 200).Draw(rt, "limit")
		gap := time.Duration(rapid.IntRange(1, 3000).Draw(rt, "gap")) * time.Millisecond
		synctest.Test(t, func(t *testing.T) {
			s := writes("only")
			c := of(&ledger{}, func(_ int, l *chain.Limits) { l.RequestsPerMinute = limit }, s)
			for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
				if _, err := ask(c, time.Hour); err != nil {
					t.Fatal(err)
				}
				time.Sleep(gap) //nolint:forbidigo // in a bubble
			}
			for i := range s.times {
				n := 0
				for _, at := range s.times[i:] {
					if at.Sub(s.times[i]) < time.Minute {
						n++
					}
				}
				if n > limit {
					t.Fatalf("%d calls in a minute, %d are allowed", n, limit)
				}
			}
		})
	})
}

func TestALongWaitForTokensIsPaidOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := writes("only") // 100 tokens per call
		c := of(&ledger{}, func(_ int, l *chain.Limits) { l.TokensPerMinute = 1000 }, s)
		for range 40 {
			if _, err := ask(c, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		// 4,000 tokens: the burst, and then the flow of a minute each.
		if took := s.times[len(s.times)-1].Sub(s.times[0]); took < 3*time.Minute || took > 6*time.Minute {
			t.Errorf("40 calls of 100 tokens took %v at 1000 a minute", took)
		}
	})
}

func TestLimitsMistakesAreNamed(t *testing.T) {
	t.Parallel()
	if err := chain.DefaultLimits().Validate(); err != nil {
		t.Error(err)
	}
	for key, change := range map[string]func(*chain.Limits){
		"workers:":             func(l *chain.Limits) { l.Workers = 0 },
		"timeout:":             func(l *chain.Limits) { l.Timeout = 0 },
		"requests_per_minute:": func(l *chain.Limits) { l.RequestsPerMinute = -1 },
		"tokens_per_minute:":   func(l *chain.Limits) { l.TokensPerMinute = -1 },
		"daily_tokens:":        func(l *chain.Limits) { l.DailyTokens = -1 },
		"daily_cost:":          func(l *chain.Limits) { l.DailyCost = 1 },
		"breaker_failures:":    func(l *chain.Limits) { l.BreakerFailures = 0 },
		"breaker_delay:":       func(l *chain.Limits) { l.BreakerDelay = 0 },
	} {
		l := chain.DefaultLimits()
		change(&l)
		if err := l.Validate(); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s %v", key, err)
		}
	}
}
