package limit_test

import (
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// clock is a clock that only the test advances.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func rates(rt *rapid.T, name string, most time.Duration) limit.Rate {
	every := rapid.Int64Range(int64(most/500), int64(most)).Draw(rt, name+" every")
	burst := rapid.IntRange(1, 30).Draw(rt, name+" burst")
	margin := rapid.Int64Range(0, int64(most)).Draw(rt, name+" margin")
	return limit.NewRate(1, time.Duration(every), burst, time.Duration(margin))
}

// talker is a lane with messages to send that obeys the limiter.
type talker struct {
	limiter limit.Limiter
	call    limit.Call
	ready   time.Time // when it asks next
	left    int
	asked   int
}

// play runs talkers on a clock until all messages are sent, and returns when each call was
// made.
func play(rt *rapid.T, c *clock, talkers []*talker) map[*talker][]granted {
	said := make(map[*talker][]granted)
	for {
		var next *talker
		for _, t := range talkers {
			if t.left > 0 && (next == nil || t.ready.Before(next.ready)) {
				next = t
			}
		}
		if next == nil {
			return said
		}
		c.now = next.ready
		v, err := next.limiter.Reserve(rt.Context(), next.call, limit.LongestQueue)
		if err != nil {
			rt.Fatal(err)
		}
		next.asked++
		next.ready = c.now.Add(v.Wait)
		switch {
		case v.Granted:
			said[next] = append(said[next], granted{Least: next.ready, Most: next.ready})
			next.left--
			next.asked = 0
		case next.asked > 1:
			rt.Fatalf("a lane that waited as told is told to wait %v more", v.Wait)
		}
	}
}

// However lanes and replicas alternate, no window has more calls than its bucket allows,
// every lane that waits as told is granted its calls, and no time is wasted.
func TestLanesThatDoAsTheyAreTold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		replicas := rapid.IntRange(1, 4).Draw(rt, "replicas")
		ofBot, second, minute := rates(rt, "bot", 50*time.Millisecond), rates(rt, "second", time.Second), rates(rt, "minute", 3*time.Second)
		c := newClock()
		began := c.now
		var talkers []*talker
		for range replicas {
			l := limit.NewLocalAt(time.Second, func() int { return replicas }, c.Now)
			for range rapid.IntRange(1, 8).Draw(rt, "lanes") {
				talkers = append(talkers, &talker{
					limiter: l, left: rapid.IntRange(1, 25).Draw(rt, "messages"),
					call:  limit.Call{Bot: 1, Chat: int64(len(talkers)), OfBot: ofBot, InChat: []limit.Rate{second, minute}},
					ready: began.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(rt, "late"))),
				})
			}
		}
		var all []granted
		for talker, calls := range play(rt, c, talkers) {
			all = append(all, calls...)
			for _, r := range talker.call.InChat {
				if wrong := excess(calls, r); wrong != "" {
					rt.Fatalf("chat %d: %s", talker.call.Chat, wrong)
				}
			}
		}
		// Shares are at least one token, so the replicas together may have as many tokens
		// at once as there are replicas.
		most := ofBot
		if share := ofBot.Share(replicas); share.Ahead == 0 {
			most.Ahead = max(most.Ahead, time.Duration(replicas-1)*most.Every)
		}
		if wrong := excess(all, most); wrong != "" {
			rt.Fatalf("the bot: %s", wrong)
		}
	})
}

// A single lane gets all tokens of its buckets.
func TestALaneIsNotHeldBackForNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := newClock()
		lane := &talker{
			limiter: limit.NewLocalAt(time.Second, nil, c.Now), left: rapid.IntRange(1, 100).Draw(rt, "messages"), ready: c.now,
			call: limit.Call{Bot: 1, Chat: 1, OfBot: rates(rt, "bot", time.Second), InChat: []limit.Rate{rates(rt, "second", time.Second), rates(rt, "minute", time.Second)}},
		}
		n, began := lane.left, c.now
		var best time.Duration
		for _, r := range append(lane.call.InChat, lane.call.OfBot) {
			best = max(best, time.Duration(n-1)*r.Every-r.Ahead)
		}
		calls := play(rt, c, []*talker{lane})[lane]
		if took := calls[n-1].Most.Sub(began); took != best {
			rt.Fatalf("%d calls took %v, want %v", n, took, best)
		}
	})
}

// The script decides like the local limiter, to the microsecond.
func TestTheScriptAgreesWithTheModel(t *testing.T) {
	t.Parallel()
	r := limit.NewRedis(client(t, testenv.Redis(t)), time.Second)
	var bots atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		c := newClock()
		model := limit.NewLocalAt(time.Second, nil, c.Now)
		bot := bots.Add(1)
		ofBot, first, second := rates(rt, "bot", time.Millisecond), rates(rt, "first", time.Millisecond), rates(rt, "second", 5*time.Millisecond)
		for range rapid.IntRange(1, 60).Draw(rt, "calls") {
			call := limit.Call{Bot: bot, Chat: rapid.Int64Range(-2, 2).Draw(rt, "chat"), OfBot: ofBot}
			call.InChat = []limit.Rate{first, second}[:rapid.IntRange(0, 2).Draw(rt, "buckets")]
			most := time.Duration(rapid.IntRange(0, 5000).Draw(rt, "most")) * time.Microsecond
			got, at, err := r.ReserveAt(rt.Context(), call, most)
			if err != nil {
				rt.Fatal(err)
			}
			c.now = at
			if want, _ := model.Reserve(rt.Context(), call, most); got != want {
				rt.Fatalf("Redis says %+v, the model %+v", got, want)
			}
		}
	})
}

// A cool-down lasts as long as the longest request: for the bot in the chat, and everywhere
// after two close together.
func TestCoolDownsAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		const window = 5 * time.Second
		c := newClock()
		l := limit.NewLocalAt(window, nil, c.Now)
		type lane struct{ bot, chat int64 }
		last, until, botUntil := map[lane]time.Time{}, map[lane]time.Time{}, map[int64]time.Time{}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			c.now = c.now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(rt, "gap")) * time.Millisecond)
			at := lane{rapid.Int64Range(1, 2).Draw(rt, "bot"), rapid.Int64Range(1, 3).Draw(rt, "chat")}
			length := time.Duration(rapid.IntRange(1, 90).Draw(rt, "length")) * time.Second
			if err := l.Cool(rt.Context(), at.bot, at.chat, length); err != nil {
				rt.Fatal(err)
			}
			last[at] = c.now
			until[at] = latest(until[at], c.now.Add(length))
			for other, when := range last {
				if other.bot == at.bot && other.chat != at.chat && c.now.Sub(when) <= window {
					botUntil[at.bot] = latest(botUntil[at.bot], latest(until[at], until[other]))
				}
			}
			for bot := int64(1); bot <= 2; bot++ {
				for chat := int64(1); chat <= 4; chat++ {
					want := max(latest(botUntil[bot], until[lane{bot, chat}]).Sub(c.now), 0)
					if got, _ := l.Cooling(rt.Context(), bot, chat); got != want {
						rt.Fatalf("bot %d in chat %d is held back for %v, want %v", bot, chat, got, want)
					}
				}
			}
		}
	})
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func TestTheProcessForgetsWhatIsOver(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := limit.NewLocalAt(time.Second, nil, c.Now)
	rate := limit.NewRate(1, time.Second, 1, 0)
	for i := range int64(200_000) {
		if v, _ := l.Reserve(t.Context(), limit.Call{Bot: i % 1000, Chat: i, OfBot: limit.Rate{Every: time.Microsecond}, InChat: []limit.Rate{rate}}, 0); !v.Granted {
			t.Fatalf("call %d: %+v", i, v)
		}
		c.now = c.now.Add(time.Millisecond)
	}
	// A second needs a thousand, and as many may have passed and not been swept yet.
	if size := l.Size(); size > 6000 {
		t.Errorf("%d instants are remembered, want about 2000", size)
	}
}
