// Package chain asks text providers one after the other until one writes the text. It keeps each
// provider to its limits and budgets, pauses a provider that is throttled or fails, and records
// every call.
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

// Ledger records calls and knows what was spent.
type Ledger interface {
	Record(c usage.Call)
	// Spent returns a provider's use on the day of now.
	Spent(provider string, now time.Time) usage.Spent
}

// Deps holds the dependencies of a Chain.
type Deps struct {
	Ledger Ledger
	// Replicas returns the number of processes that share the limits per minute; nil means one.
	Replicas func() int
	// Now returns the time that defines the days of budgets; nil means this process' clock.
	Now     func() time.Time
	Metrics *Metrics
	Log     *zap.Logger
}

var _ llm.Provider = (*Chain)(nil)

// Chain asks its providers in order. It is safe for concurrent use.
type Chain struct {
	Deps
	links []*link
	// Calls that continue after their caller has left.
	loads   sync.WaitGroup
	running context.Context //nolint:containedctx // ends these calls when the chain is closed
	stop    context.CancelFunc
	warned  sync.Map // time of the last warning, by provider and advice
}

// ErrUnavailable reports that no provider takes a call now, and that the caller doesn't wait.
var ErrUnavailable = errors.New("no text provider takes a call now")

// ErrRefused reports that every provider was asked and refused this request. Asking again can't
// help.
var ErrRefused = errors.New("no text provider can write this")

// New returns a chain of at least one link. The caller must close it.
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

// Generate returns the text of the first provider that can write it. A provider that is at its
// limit, paused, busy or failing is skipped at once; if a call fails, the next provider is asked.
// While none takes a call, the request waits until one does or the context ends. A background
// request doesn't wait, and leaves a part of each budget to the others.
//
// The error is the context's, with the reasons why there was no text until then, or, if every
// provider that was asked failed, what they said. No error is permanent for the caller: a key may
// be corrected, and another draft may not be filtered.
func (c *Chain) Generate(ctx context.Context, r llm.Request) (llm.Response, error) {
	var acquired *link // a worker of this link was waited for
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

// tries is the result of one round over the links.
type tries struct {
	done, failed bool
	said         []error
	refused      []*refusal // by link; nil for a link that was asked
	refusals     int        // number of asked links that can't answer this request
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

// try asks the links once, in order. It holds a worker of the acquired link and releases it.
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
			// An answer, not a failure: it says when to come back.
			t.refused[i] = &refusal{reason: reasonPaused, wait: max(k.throttle.left(time.Now()), time.Millisecond)}
			t.said = append(t.said, err)
		default:
			t.failed = true
			if alwaysFails(err) {
				t.refusals++
			}
			t.said = append(t.said, err)
		}
	}
	return llm.Response{}, t
}

// maxLeftOut limits how often a request is repeated without a part of it.
const maxLeftOut = 5

// again reports whether the provider refused a part of the request that it leaves out from now on.
// It also warns, at most once in warnEvery, of failures that the operator can fix.
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

// warnEvery is the shortest interval between equal warnings.
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

// alwaysFails reports whether the same request must fail again whatever the state of the provider:
// it was refused for its content, or the model thinks until its limit of tokens.
func alwaysFails(err error) bool {
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

// take records a call and returns the record. If the provider doesn't report the tokens, they are
// estimated, so that budgets still hold.
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

// busyLook is the wait for a busy provider before another busy one is checked.
const busyLook = time.Second

// wait waits until one of the links may take a call. If this is a busy link, it returns the link
// with a worker acquired. Releasing the worker to check the limits first would wake all waiting
// requests each time a worker is free.
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
			return nil, nil //nolint:nilnil // check the limits again
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	// The request that has waited longest gets the worker.
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
	return nil, nil //nolint:nilnil // time to check the other links
}

// Model reports whether one of the providers has a model. Others write texts and answer no other
// request.
func (c *Chain) Model() bool {
	for _, k := range c.links {
		if _, without := k.Provider.(interface{ Templates() }); !without {
			return true
		}
	}
	return false
}

// charsPerToken estimates the length of a token in a prompt.
const charsPerToken = 4

func tokens(s string) int { return (utf8.RuneCountInString(s) + charsPerToken - 1) / charsPerToken }

func estimate(r llm.Request) (n int) {
	for _, m := range r.Messages {
		n += tokens(m.Content)
	}
	return n
}

// outcome returns the outcome of a call in one word.
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

// String explains the refusal to people.
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
