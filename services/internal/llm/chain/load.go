package chain

import (
	"context"
	"sync"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// loadedFor is the time that a model is assumed to stay loaded after an answer. Ollama unloads a
// model after five minutes without a call.
const loadedFor = 4 * time.Minute

// codeLoading is the Code of calls that were given up while the loading call was in flight.
const codeLoading = "loading"

// load tracks whether a provider may have to load its model, which can take minutes. Some servers
// stop loading when the caller leaves. So the first call to a provider that hasn't answered for a
// while, the loading call, is made to its end even if its caller leaves. It is safe for concurrent
// use.
type load struct {
	mu    sync.Mutex
	last  time.Time // time of the last answer
	began time.Time // start of the loading call; zero if there is none
}

// begin reports whether a call that starts now is the loading call. If so, the caller must call
// end.
func (l *load) begin(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.began.IsZero() || now.Sub(l.last) < loadedFor {
		return false
	}
	l.began = now
	return true
}

func (l *load) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.began = time.Time{}
}

func (l *load) answered(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = now
}

func (l *load) underWay() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.began.IsZero()
}

// outlasts reports whether the loading call has taken longer than timeout, and when it began.
func (l *load) outlasts(now time.Time, timeout time.Duration) (began time.Time, is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.began, !l.began.IsZero() && now.Sub(l.began) >= timeout
}

// untilLoaded makes the loading call. The caller waits for it as for any other; the call continues
// if the caller leaves.
func (c *Chain) untilLoaded(
	ctx context.Context, k *link, run func(ctx context.Context, timeout time.Duration) (llm.Response, error),
) (answer llm.Response, refused *refusal, err error) {
	type outcome struct {
		answer llm.Response
		err    error
	}
	calling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(c.running, cancel)
	done := make(chan outcome, 1)
	c.loads.Go(func() {
		defer cancel()
		defer unhook()
		defer k.load.end()
		answer, err := run(calling, k.Limits.LoadTimeout)
		done <- outcome{answer, err}
	})
	timer := time.NewTimer(k.Limits.Timeout)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.answer, nil, o.err
	case <-timer.C:
		return answer, &refusal{reason: reasonLoading, wait: busyLook}, nil
	case <-ctx.Done():
		return answer, nil, ctx.Err()
	}
}

// Close ends the calls whose callers have left, and waits for them.
func (c *Chain) Close() {
	c.stop()
	c.loads.Wait()
}
