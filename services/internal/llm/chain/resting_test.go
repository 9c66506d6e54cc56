package chain_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
)

// A provider that gives useless answers many times in a row rests like one that fails, whatever the
// answers are. The rests get longer after each trial, up to a limit, and a trial is one call. The
// log has one line for the beginning and one for the end; the usage has the end of the rest.
func TestWhoGivesNothingOfUseRests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failure llm.Error
		calls   int
		outcome string
	}{
		"it fails":                    {down, 5, "transient"},
		"its answers are empty":       {llm.Error{Class: fail.Transient, Status: 200, Code: llm.CodeEmpty, Reason: "the answer is empty"}, 5, "empty"},
		"it thinks until it must end": {llm.Error{Class: fail.Transient, Status: 200, Code: llm.CodeThinking, Answered: true}, 10, "thinking"},
		"it calls tools":              {llm.Error{Class: fail.Transient, Status: 200, Answered: true}, 10, "transient"},
		"it refuses":                  {llm.Error{Class: fail.Permanent, Status: 200, Code: "refusal", Answered: true}, 10, "permanent"},
		"it takes no such request":    {llm.Error{Class: fail.Permanent, Status: 400}, 10, "permanent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &ledger{}
				s := fails("only", c.failure)
				well := writes("only").do
				core, seen := observer.New(zap.WarnLevel)
				limits := chain.DefaultLimits()
				k := chain.New([]chain.Link{{Name: "only", Model: "m", Provider: s, Limits: limits}}, chain.Deps{Ledger: l, Log: zap.New(core)})
				began := time.Now()
				lines := func(of string) (n int) {
					for _, e := range seen.All() {
						if strings.Contains(e.Message, of) {
							n++
						}
					}
					return n
				}
				// A turn every ten seconds, for two hours.
				for time.Since(began) < 2*time.Hour {
					_, _ = ask(k, 9*time.Second)
					time.Sleep(10*time.Second - time.Since(began)%(10*time.Second)) //nolint:forbidigo // in a bubble
				}
				tries := s.calls() - c.calls
				if tries < 4 || tries > 7 { // after 2, 4, 8, 16, 30, 30 minutes
					t.Errorf("%d calls after the first %d", tries, c.calls)
				}
				last := l.calls[len(l.calls)-1]
				if last.Outcome != c.outcome || last.Model != "m" || time.Until(last.RestsUntil) <= 0 || time.Until(last.RestsUntil) > 30*time.Minute {
					t.Errorf("the account has %+v", last)
				}
				if n := lines("it rests"); n != 1 || lines("as usual again") != 0 {
					t.Errorf("%d lines of the beginning, %d of the end", n, lines("as usual again"))
				}
				s.do = well
				time.Sleep(30 * time.Minute) //nolint:forbidigo // in a bubble
				want(t, k, "by only")
				if n := lines("as usual again"); n != 1 {
					t.Errorf("%d lines of the end", n)
				}
				if at := l.calls[len(l.calls)-1].RestsUntil; !at.IsZero() || len(k.Breakers()) != 0 {
					t.Errorf("it rests until %v, %v", at, k.Breakers())
				}
			})
		})
	}
}

// A useless answer now and then is no reason to rest.
func TestWhoWritesNowAndThenDoesNotRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := writes("only")
		write := s.do
		s.do = func(ctx context.Context, n int) (llm.Response, error) {
			if n%9 == 0 {
				return write(ctx, n)
			}
			return llm.Response{}, &llm.Error{Class: fail.Transient, Provider: "only", Status: 200, Code: llm.CodeThinking, Answered: true}
		}
		c := of(&ledger{}, nil, s)
		for range 90 {
			if _, err := ask(c, time.Second); err != nil && !errors.Is(err, chain.ErrRefused) {
				t.Fatal(err)
			}
		}
		if s.calls() != 90 {
			t.Errorf("%d calls", s.calls())
		}
	})
}
