package limit_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/limit"
)

// window is the window of the limiters under test.
const window = time.Second

// long is longer than any test takes.
const long = time.Hour

// slack is the additional time allowed on a busy machine.
const slack = 10 * time.Second

// conform tests a limiter. open returns limiters that share their counts, as replicas do;
// one may be returned more than once.
func conform(t *testing.T, open func(t *testing.T, replicas int) []limit.Limiter) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, []limit.Limiter){
		"a burst goes through and the next waits": burst,
		"what is refused takes nothing":           refused,
		"lanes queue for a bot's tokens":          queue,
		"bots and chats are told apart":           apart,
		"who waits as told gets through":          waits,
		"no window has too many":                  windows,
		"a cool-down ends when it should":         cool,
		"a cool-down is never shortened":          prolong,
		"two chats cool the bot":                  twoChats,
		"two chats long apart do not":             longApart,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const replicas = 3
			test(t, open(t, replicas))
		})
	}
}

func rate(every time.Duration, burst int) limit.Rate {
	return limit.NewRate(1, every, burst, 0)
}

func call(bot, chat int64, ofBot limit.Rate, inChat ...limit.Rate) limit.Call {
	return limit.Call{Bot: bot, Chat: chat, OfBot: ofBot, InChat: inChat}
}

func reserve(t *testing.T, l limit.Limiter, c limit.Call, most time.Duration) limit.Verdict {
	t.Helper()
	v, err := l.Reserve(t.Context(), c, most)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// count returns how many of n calls are granted at once.
func count(t *testing.T, limiters []limit.Limiter, n int, c limit.Call) int {
	t.Helper()
	granted := 0
	for i := range n {
		if reserve(t, limiters[i%len(limiters)], c, 0).Granted {
			granted++
		}
	}
	return granted
}

func within(t *testing.T, what string, got, least, most time.Duration) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("%s: %v, want %v to %v", what, got, least, most)
	}
}

// pass waits for a duration.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func burst(t *testing.T, ls []limit.Limiter) {
	t.Helper()
	c := call(1, 1, rate(long, 5), rate(long, 3))
	if got := count(t, ls, 10, c); got != 3 {
		t.Errorf("%d of 10 calls got through, want the burst of 3", got)
	}
	v := reserve(t, ls[0], c, 0)
	if v.Granted {
		t.Error("granted beyond the burst")
	}
	within(t, "the wait", v.Wait, long-slack, long)
}

func refused(t *testing.T, ls []limit.Limiter) {
	t.Helper()
	full := call(1, 1, rate(long, 5), rate(long, 10), rate(long, 1))
	if got := count(t, ls, 20, full); got != 1 {
		t.Fatalf("%d of 20 calls got through, want 1", got)
	}
	// Neither the bot's bucket nor the chat's first one lost a token.
	if got := count(t, ls, 20, call(1, 1, rate(long, 5), rate(long, 10))); got != 4 {
		t.Errorf("%d calls without the tight bucket got through, want 4", got)
	}
	// The other way round: the bot's bucket is empty and the chat's bucket is full.
	other := call(1, 2, rate(long, 5), rate(long, 1))
	if got := count(t, ls, 5, other); got != 0 {
		t.Errorf("%d calls got through, want none", got)
	}
	other.OfBot = rate(long, 6)
	if got := count(t, ls, 5, other); got != 1 {
		t.Errorf("%d calls got through, want 1", got)
	}
}

func queue(t *testing.T, ls []limit.Limiter) {
	t.Helper()
	const every = 4 * time.Second
	var last time.Duration
	for i := range 10 {
		began := time.Now()
		v := reserve(t, ls[i%len(ls)], call(1, int64(i), rate(every, 1), rate(long, 1)), limit.LongestQueue)
		took := time.Since(began)
		switch {
		case !v.Granted:
			t.Fatalf("call %d: refused, want a place in the queue", i)
		case i == 0:
			within(t, "the first wait", v.Wait, 0, 0)
		default:
			within(t, fmt.Sprintf("the distance of call %d", i), v.Wait-last, every-took-time.Second, every)
		}
		last = v.Wait
	}
	// A call whose wait would exceed maxWait gets no place in the queue.
	v := reserve(t, ls[0], call(1, 100, rate(every, 1)), every)
	if v.Granted {
		t.Errorf("granted with a wait of %v, want at most %v", v.Wait, every)
	}
	if again := reserve(t, ls[1], call(1, 101, rate(every, 1)), every); again.Wait > v.Wait {
		t.Errorf("the refused call lengthened the queue from %v to %v", v.Wait, again.Wait)
	}
}

func apart(t *testing.T, ls []limit.Limiter) {
	t.Helper()
	for bot := int64(1); bot <= 3; bot++ {
		for chat := int64(-2); chat <= 0; chat++ {
			if got := count(t, ls, 5, call(bot, chat, rate(long, 9), rate(long, 3))); got != 3 {
				t.Errorf("bot %d, chat %d: %d calls, want 3", bot, chat, got)
			}
		}
		if got := count(t, ls, 5, call(bot, 7, rate(long, 9), rate(long, 3))); got != 0 {
			t.Errorf("bot %d: %d calls beyond its limit", bot, got)
		}
	}
}

// drain makes every lane call as allowed, and returns the calls.
func drain(t *testing.T, ls []limit.Limiter, lanes, calls int, ofBot limit.Rate, inChat ...limit.Rate) (all []granted) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for chat := range lanes {
		wg.Go(func() {
			l := ls[chat%len(ls)] // each chat belongs to one replica
			for range calls {
				// The chat's bucket refuses at most once; then the call has a place in the
				// bot's queue.
				for asked := 1; ; asked++ {
					least := time.Now()
					v, err := l.Reserve(t.Context(), call(1, int64(chat), ofBot, inChat...), limit.LongestQueue)
					most := time.Now()
					if err != nil || asked > 2 {
						t.Errorf("asked %d times, waited as told and was not let through: %v", asked, err)
						return
					}
					pass(t.Context(), v.Wait)
					if v.Granted {
						mu.Lock()
						all = append(all, granted{least.Add(v.Wait), most.Add(v.Wait)})
						mu.Unlock()
						break
					}
				}
			}
		})
	}
	wg.Wait()
	return all
}

func waits(t *testing.T, ls []limit.Limiter) {
	t.Helper()
	const lanes, calls = 6, 5
	all := drain(t, ls, lanes, calls, rate(3*time.Millisecond, 4), rate(15*time.Millisecond, 1), rate(20*time.Millisecond, 3))
	if len(all) != lanes*calls {
		t.Errorf("%d calls got through, want all %d", len(all), lanes*calls)
	}
}

func windows(t *testing.T, ls []limit.Limiter) {
	t.Helper()
	const every, burst = 2 * time.Millisecond, 5
	all := drain(t, ls, 8, 20, rate(every, burst))
	if wrong := excess(all, rate(every, burst)); wrong != "" {
		t.Error(wrong)
	}
}

func cool(t *testing.T, ls []limit.Limiter) {
	t.Helper()
	const length = 150 * time.Millisecond
	c := call(1, 1, rate(time.Microsecond, 100))
	began := time.Now()
	if err := ls[0].Cool(t.Context(), 1, 1, length); err != nil {
		t.Fatal(err)
	}
	cooled := time.Now()
	for _, l := range ls {
		asked := time.Now()
		left, err := l.Cooling(t.Context(), 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		// On a busy machine the cool-down may be over already.
		within(t, "what is left", left, length-time.Since(began)-time.Millisecond, max(length-asked.Sub(cooled), 0)+time.Millisecond)
	}
	v := reserve(t, ls[1], c, long)
	if v.Granted && time.Since(began) < length {
		t.Error("a call was granted while the bot cools")
	}
	// Redis stores these times in milliseconds. A replica that finds Redis unresponsive
	// also waits for a token of its share.
	for range 3 {
		pass(t.Context(), v.Wait+time.Millisecond)
		if v = reserve(t, ls[2], c, long); v.Granted {
			break
		}
	}
	if !v.Granted || time.Since(began) < length {
		t.Errorf("after %v: %+v, want granted, and not before %v", time.Since(began), v, length)
	}
	for bot, chat := range map[int64]int64{1: 2, 2: 1} {
		if v := reserve(t, ls[0], call(bot, chat, rate(long, 1)), 0); !v.Granted {
			t.Errorf("bot %d is held back in chat %d", bot, chat)
		}
	}
}

func cooling(t *testing.T, l limit.Limiter, bot, chat int64) time.Duration {
	t.Helper()
	left, err := l.Cooling(t.Context(), bot, chat)
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// coolAll cools bot 1 in a chat several times.
func coolAll(t *testing.T, l limit.Limiter, chat int64, lengths ...time.Duration) {
	t.Helper()
	for _, length := range lengths {
		if err := l.Cool(t.Context(), 1, chat, length); err != nil {
			t.Fatal(err)
		}
	}
}

func prolong(t *testing.T, ls []limit.Limiter) {
	t.Helper()
	coolAll(t, ls[0], 1, time.Minute, long, time.Minute, 0, -time.Second)
	within(t, "what is left", cooling(t, ls[1], 1, 1), long-slack, long)
	if left := cooling(t, ls[2], 1, 2); left > 0 {
		t.Errorf("one chat that cools again and again holds the bot back for %v in another", left)
	}
}

func twoChats(t *testing.T, ls []limit.Limiter) {
	t.Helper()
	coolAll(t, ls[0], 1, 2*time.Hour)
	coolAll(t, ls[1], 2, time.Hour)
	for _, l := range ls {
		for chat := int64(1); chat <= 4; chat++ {
			within(t, fmt.Sprintf("what is left in chat %d", chat), cooling(t, l, 1, chat), 2*time.Hour-slack, 2*time.Hour)
		}
		if left := cooling(t, l, 2, 1); left > 0 {
			t.Errorf("another bot is held back for %v", left)
		}
	}
}

func longApart(t *testing.T, ls []limit.Limiter) {
	t.Helper()
	coolAll(t, ls[0], 1, long)
	pass(t.Context(), 2*window)
	coolAll(t, ls[1], 2, long)
	if left := cooling(t, ls[2], 1, 3); left > 0 {
		t.Errorf("the bot is held back for %v", left)
	}
}
