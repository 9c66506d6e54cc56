// Package chain asks text providers one after the other: the first that may be
// asked and can write. It keeps each to its limits and budgets, leaves alone who
// asks for that or is ill, and takes every call down.
package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// Ledger knows what was spent.
type Ledger interface {
	Record(c usage.Call)
	// Spent is what a provider was used for on the day of now.
	Spent(provider string, now time.Time) usage.Spent
}

// Deps is what a chain works with.
type Deps struct {
	Ledger Ledger
	// Replicas is how many processes share the limits per minute; nil is one.
	Replicas func() int
	// Now is the clock that budgets' days are of; nil for this process'.
	Now     func() time.Time
	Metrics *Metrics
	Log     *zap.Logger
}

var _ llm.Provider = (*Chain)(nil)

// Chain asks its providers in their order. It is safe for concurrent use.
type Chain struct {
	Deps
	links []*link
	// Calls that go on when nobody waits for them any more.
	loads   sync.WaitGroup
	running context.Context //nolint:containedctx // the life of those calls, which is that of the chain
	stop    context.CancelFunc
	warned  sync.Map // the time of the last warning about a provider, by its name
}

// ErrUnavailable says that no provider takes a call now, and that the caller did
// not want to wait.
var ErrUnavailable = errors.New("no text provider takes a call now")

// ErrRefused says that all providers were asked, and none can answer this request as it
// is: to ask again is in vain.
var ErrRefused = errors.New("no text provider can write this")

// New makes a chain of at least one link. Close it.
func New(links []Link, deps Deps) *Chain {
	if deps.Replicas == nil {
		deps.Replicas = func() int { return 1 }
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	deps.Metrics = cmp.Or(deps.Metrics, NewMetrics(nil))
	c := &Chain{Deps: deps}
	deps.Metrics.spending(links, deps.Ledger, deps.Now)
	c.running, c.stop = context.WithCancel(context.Background())
	for _, l := range links {
		c.links = append(c.links, newLink(l, deps))
	}
	return c
}

// Generate gives the text of the first provider that can write it. One that is
// at its limit, is paused, busy or ill is passed over at once, and one that fails
// is followed by the next. While none takes a call the request waits, until one
// may or the context ends; one in the background waits for nothing, and leaves a part
// of each budget to the others.
//
// The error is that of the context, with why there was no text until then, or
// what the providers said if all that were asked have failed; none of the
// errors is permanent for the caller: a key may be corrected, another draft may
// not be filtered.
func (c *Chain) Generate(ctx context.Context, r llm.Request) (llm.Response, error) {
	var acquired *link // whose worker was waited for
	for {
		answer, t := c.try(ctx, r, acquired)
		switch {
		case t.done:
			return answer, nil
		case ctx.Err() != nil:
			return answer, t.late(ctx.Err())
		case t.failed:
			return answer, t.err()
		case r.About.Purpose.Background():
			return answer, fmt.Errorf("%w: %w", ErrUnavailable, t.err())
		}
		var err error
		if acquired, err = c.wait(ctx, t); err != nil {
			return llm.Response{}, t.late(err)
		}
	}
}

// tries is how one round over the links went.
type tries struct {
	done, failed bool
	said         []error
	refused      []*refusal // of each link, nil for those that were asked
	refusals     int        // of those that were asked, how many can't answer this request
}

func (t *tries) err() error {
	if t.refusals > 0 && t.refusals == len(t.refused) {
		return fmt.Errorf("%w: %w", ErrRefused, oneLine(t.said))
	}
	return oneLine(t.said)
}

func (t *tries) late(end error) error {
	if len(t.said) == 0 {
		return end
	}
	return fmt.Errorf("%w: %w", t.err(), end)
}

func oneLine(errs []error) error {
	format := strings.TrimSuffix(strings.Repeat("%w; ", len(errs)), "; ")
	args := make([]any, len(errs))
	for i, err := range errs {
		args[i] = err
	}
	return fmt.Errorf(format, args...)
}

// try goes through the links once. It has a worker of the acquired one,
// which it releases.
func (c *Chain) try(ctx context.Context, r llm.Request, acquired *link) (llm.Response, *tries) {
	if acquired != nil {
		defer acquired.workers.ReleasePermit()
	}
	t := &tries{refused: make([]*refusal, len(c.links))}
	for i, k := range c.links {
		if ctx.Err() != nil {
			break
		}
		answer, refused, err := c.ask(ctx, k, r, k == acquired)
		for range maxLeftOut {
			if !c.again(k, err) {
				break
			}
			answer, refused, err = c.ask(ctx, k, r, k == acquired)
		}
		switch {
		case refused != nil:
			c.Metrics.refused(k.Name, refused.reason)
			t.refused[i] = refused
			t.said = append(t.said, fmt.Errorf("%s: %s", k.Name, refused))
		case err == nil:
			t.done = true
			return answer, t
		case fail.ClassOf(err) == fail.Throttled:
			// An answer, and not a failure: it says when to come back.
			t.refused[i] = &refusal{reason: reasonPaused, wait: max(k.throttle.left(time.Now()), time.Millisecond)}
			t.said = append(t.said, err)
		default:
			t.failed = true
			if inVain(err) {
				t.refusals++
			}
			t.said = append(t.said, err)
		}
	}
	return llm.Response{}, t
}

// maxLeftOut bounds how often one request is made again without a part of it.
const maxLeftOut = 5

// again tells whether a provider refused a part of the request, which it leaves out
// from then on. Of any failure that somebody can do something about it warns, once in a
// while.
func (c *Chain) again(k *link, err error) bool {
	var failed *llm.Error
	if !errors.As(err, &failed) {
		return false
	}
	if failed.Advice != "" && c.warns(k.Name+failed.Advice) {
		what := "a text provider refuses"
		switch {
		case failed.Again:
			what = "a text provider refuses a part of requests: it is asked again without"
		case failed.Answered:
			what = "a text provider answers without a text"
		}
		c.Log.Warn(what, zap.String("provider", k.Name), zap.String("what_to_do", failed.Advice), zap.Error(err))
	}
	return failed.Again
}

// warnEvery is how often the same is told at most.
const warnEvery = time.Minute

func (c *Chain) warns(about string) bool {
	now := time.Now()
	last, known := c.warned.Load(about)
	at, _ := last.(time.Time)
	if known && now.Sub(at) < warnEvery {
		return false
	}
	c.warned.Store(about, now)
	return true
}

// inVain tells failures that the same request will have again, whatever the provider
// is about: it is refused for what is in it, or the model thinks until it must stop.
func inVain(err error) bool {
	var failed *llm.Error
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return failed.Class == fail.Permanent
	}
	return failed.Code == llm.CodeThinking
}

// ask makes a call if the link takes one.
func (c *Chain) ask(ctx context.Context, k *link, r llm.Request, acquired bool) (answer llm.Response, refused *refusal, err error) {
	if refused := k.idle(time.Now(), r.About.Purpose.Background()); refused != nil {
		return answer, refused, nil
	}
	if !acquired {
		if !k.workers.TryAcquirePermit() {
			return answer, &refusal{reason: reasonBusy, wait: busyLook, full: true}, nil
		}
		defer k.workers.ReleasePermit()
	}
	prompt := estimate(r)
	round, refused := k.enter(prompt)
	if refused != nil {
		return answer, refused, nil
	}
	began, at := time.Now(), c.Now()
	run := func(ctx context.Context, timeout time.Duration) (llm.Response, error) {
		answer, err := k.call(ctx, r, timeout, round)
		call := usage.Call{
			About: r.About, At: at, Provider: k.Name, Model: k.Model, Latency: time.Since(began), Outcome: outcome(ctx, err),
		}
		if left := k.resting.left(time.Now()); err != nil && left > 0 {
			call.RestsUntil = c.Now().Add(left)
		}
		traceCall(ctx, c.take(k, call, &answer, err, prompt), err)
		return answer, err
	}
	if k.Limits.LoadTimeout > k.Limits.Timeout && k.load.begin(began) {
		return c.untilLoaded(ctx, k, run)
	}
	answer, err = run(ctx, k.Limits.Timeout)
	if failed := (*llm.Error)(nil); errors.As(err, &failed) && failed.Code == codeLoading {
		return answer, &refusal{reason: reasonLoading, wait: busyLook}, nil
	}
	return answer, nil, err
}

// take takes a call down. Where a provider does not say how many tokens it was,
// they are estimated, so that budgets hold all the same. It returns the whole call.
func (c *Chain) take(k *link, call usage.Call, answer *llm.Response, err error, prompt int) usage.Call {
	used := llm.Usage{}
	var failed *llm.Error
	switch {
	case call.Outcome == usage.Written:
		if answer.Usage.PromptTokens == 0 && !answer.Offline {
			answer.Usage.PromptTokens, answer.Usage.CompletionTokens = prompt, tokens(answer.Text)
		}
		answer.Provider = k.Name
		call.Model, used = answer.Model, answer.Usage
	case errors.As(err, &failed):
		used = failed.Usage // thoughts cost as much as texts
	}
	if used.PromptTokens+used.CompletionTokens > 0 {
		call.PromptTokens, call.CompletionTokens = used.PromptTokens, used.CompletionTokens
		call.Cost = k.Limits.Cost(call.PromptTokens, call.CompletionTokens)
		k.tokens.owe(call.PromptTokens + call.CompletionTokens - prompt - int(k.usual.Load()))
	}
	c.Ledger.Record(call)
	c.Metrics.called(call)
	c.watch(k, call.At)
	return call
}

// watch warns, once a day, when a budget is nearly used up.
func (c *Chain) watch(k *link, now time.Time) {
	if !k.Limits.budgeted() {
		return
	}
	share := k.Limits.Share(c.Ledger.Spent(k.Name, now))
	day := usage.Day(now).Unix()
	if share < NearlySpent || k.warned.Swap(day) == day {
		return
	}
	c.Log.Warn("most of a provider's budget for the day (UTC) is used up; beyond it, the provider is not asked before midnight",
		zap.String("provider", k.Name), zap.Int("percent", int(share*percent)))
}

const percent = 100

// busyLook is how long a busy provider is waited for before another busy one is
// looked at again.
const busyLook = time.Second

// wait waits until one of the links may take a call. It returns the link whose
// worker it then has, if it is one that was busy: to release the worker for a
// look at the limits would wake all who wait, each time one is free.
func (c *Chain) wait(ctx context.Context, t *tries) (acquired *link, err error) {
	soonest := time.Duration(-1)
	for i, r := range t.refused {
		switch {
		case r == nil:
			continue
		case r.full && acquired == nil:
			acquired = c.links[i]
			continue
		}
		if soonest < 0 || r.wait < soonest {
			soonest = r.wait
		}
	}
	if acquired == nil {
		timer := time.NewTimer(soonest)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil, nil //nolint:nilnil // the limits are to be looked at
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	// Whoever waits longest comes first.
	if soonest < 0 {
		err = acquired.workers.AcquirePermit(ctx)
	} else {
		err = acquired.workers.AcquirePermitWithMaxWait(ctx, soonest)
	}
	switch {
	case err == nil:
		return acquired, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, nil //nolint:nilnil // it is time to look at the others
}

// Model tells whether there is a provider with a model: those without one write
// texts, and can be asked nothing else.
func (c *Chain) Model() bool {
	for _, k := range c.links {
		if _, without := k.Provider.(interface{ Templates() }); !without {
			return true
		}
	}
	return false
}

// charsPerToken is how long a token is, about, in what models are asked.
const charsPerToken = 4

func tokens(s string) int { return (utf8.RuneCountInString(s) + charsPerToken - 1) / charsPerToken }

func estimate(r llm.Request) (n int) {
	for _, m := range r.Messages {
		n += tokens(m.Content)
	}
	return n
}

// outcome is how a call went, in a word.
func outcome(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return usage.Written
	case ctx.Err() != nil:
		return usage.GivenUp
	}
	switch failed := (*llm.Error)(nil); {
	case errors.As(err, &failed) && failed.Code == llm.CodeThinking:
		return usage.Thought
	case failed != nil && failed.Code == llm.CodeEmpty:
		return usage.Empty
	}
	return fail.ClassOf(err).String()
}

// String says why there is no call, for people.
func (r *refusal) String() string {
	switch r.reason {
	case reasonBudget:
		return "its budget for the day is used up"
	case reasonPaused:
		return "it wants to be left alone for " + r.wait.Round(time.Second).String()
	case reasonBreaker:
		return "its breaker is open"
	case reasonLoading:
		return "it has not answered its first call yet: it may be loading its model"
	case reasonRate:
		return "its limit per minute is reached"
	}
	return "no worker is free"
}
