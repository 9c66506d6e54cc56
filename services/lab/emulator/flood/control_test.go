package flood_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

const (
	bot   = 7
	group = -100
)

// clock is a time that only a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func bucket(tokens float64, per time.Duration, burst int) flood.Bucket {
	return flood.Bucket{Tokens: tokens, Per: jsontime.Duration(per), Burst: burst}
}

// ask makes n calls at once and counts those let through without a wait.
func ask(c *flood.Control, n int, act flood.Act, bot, chat int64) int {
	through := 0

	for range n {
		if c.Ask(act, bot, chat) == (flood.Verdict{}) {
			through++
		}
	}

	return through
}

func TestTelegramsLimits(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name string
		act  flood.Act
		chat func(i int) int64
		want int // of 100 calls at once
	}{
		{"messages in a group", flood.Message, func(int) int64 { return group }, 3},
		{"messages in a private chat", flood.Message, func(int) int64 { return 5 }, 3},
		{"messages in many groups", flood.Message, func(i int) int64 { return int64(-i - 1) }, 30},
		{"reactions in a group", flood.Reaction, func(int) int64 { return group }, 10},
		{"edits in a group", flood.Edit, func(int) int64 { return group }, 20},
		{"others", flood.Other, func(int) int64 { return group }, 30},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			c := flood.New(flood.Default(), newClock().Now)

			through := 0
			for i := range 100 {
				through += ask(c, 1, tt.act, bot, tt.chat(i))
			}

			if through != tt.want {
				t.Errorf("%d calls got through, want %d", through, tt.want)
			}

			if got := ask(c, 1, tt.act, bot+1, tt.chat(0)); got != 1 {
				t.Error("another bot is held back too")
			}
		})
	}
}

func TestAGroupTakesTwentyMessagesAMinute(t *testing.T) {
	t.Parallel()

	time0 := newClock()
	c := flood.New(flood.Default(), time0.Now)

	sent := 0

	for range 60 {
		sent += ask(c, 1, flood.Message, bot, group)
		time0.now = time0.now.Add(time.Second)
	}

	// 20 at once and the 20 of the minute; the last second is not over.
	if sent < 38 || sent > 40 {
		t.Errorf("%d messages in the first minute, want 40 at most and nearly", sent)
	}

	sent = 0

	for range 60 {
		sent += ask(c, 1, flood.Message, bot, group)
		time0.now = time0.now.Add(time.Second)
	}

	if sent < 19 || sent > 20 {
		t.Errorf("%d messages in the second minute, want 20", sent)
	}
}

func TestShortWaitsAreSilent(t *testing.T) {
	t.Parallel()

	limits := flood.Limits{Chat: bucket(1, time.Second, 1), SilentWait: jsontime.Duration(3 * time.Second)}
	c := flood.New(limits, newClock().Now)

	var got []flood.Verdict
	for range 6 {
		got = append(got, c.Ask(flood.Message, bot, group))
	}

	want := []flood.Verdict{{}, {Wait: time.Second}, {Wait: 2 * time.Second}, {Wait: 3 * time.Second}, {RetryAfter: 4}, {RetryAfter: 4}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSetFillsTheBucketsAndUnlimitedLetsAllThrough(t *testing.T) {
	t.Parallel()

	c := flood.New(flood.Default(), newClock().Now)
	ask(c, 100, flood.Message, bot, group)

	if err := c.Set(flood.Default()); err != nil {
		t.Fatal(err)
	}

	if got := ask(c, 10, flood.Message, bot, group); got != 3 {
		t.Errorf("after Set %d calls got through, want 3", got)
	}

	if err := c.Set(flood.Limits{Unlimited: true, Bot: bucket(1, time.Hour, 1)}); err != nil {
		t.Fatal(err)
	}

	if got := ask(c, 1000, flood.Message, bot, group); got != 1000 {
		t.Errorf("unlimited let %d of 1000 through", got)
	}

	if err := c.Set(flood.Limits{}); err != nil {
		t.Fatal(err)
	}

	if got := ask(c, 1000, flood.Message, bot, group); got != 1000 {
		t.Errorf("buckets without tokens let %d of 1000 through", got)
	}
}

func TestWrongLimitsSayWhatIsAllowed(t *testing.T) {
	t.Parallel()

	second := time.Second
	tests := []struct {
		limits flood.Limits
		want   string
	}{
		{flood.Limits{Bot: bucket(-1, second, 1)}, "bot.tokens: -1 is not allowed, must be between 0 (no limit) and 1000000"},
		{flood.Limits{Chat: bucket(1, 0, 1)}, "chat.per: 0s is not allowed, must be positive"},
		{flood.Limits{Group: bucket(1, second, 0)}, "group.burst: 0 is not allowed, must be 1 or more"},
		{flood.Limits{Reaction: bucket(2e6, second, 1)}, "reaction.tokens: 2e+06 is not allowed"},
		{flood.Limits{SilentWait: jsontime.Duration(2 * time.Hour)}, "silent_wait: 2h0m0s is not allowed, must be between 0s and 1h"},
	}
	for _, tt := range tests {
		c := flood.New(flood.Default(), time.Now)
		if err := c.Set(tt.limits); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}

		if diff := cmp.Diff(flood.Default(), c.Limits()); diff != "" {
			t.Errorf("the limits were changed: %s", diff)
		}
	}

	for name, limits := range map[string]flood.Limits{"default": flood.Default(), "telegram": flood.Telegram()} {
		if err := limits.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// In any period, a bucket lets through at most its rate and the burst, however calls arrive.
func TestABucketNeverGivesMoreThanItsRate(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(rt *rapid.T) {
		tokens := rapid.Float64Range(0.1, 50).Draw(rt, "tokens")
		per := time.Duration(rapid.Int64Range(int64(100*time.Millisecond), int64(time.Minute)).Draw(rt, "per"))
		burst := rapid.IntRange(1, 10).Draw(rt, "burst")
		silent := time.Duration(rapid.Int64Range(0, int64(8*time.Second)).Draw(rt, "silent"))

		time0 := newClock()
		c := flood.New(flood.Limits{Chat: bucket(tokens, per, burst), SilentWait: jsontime.Duration(silent)}, time0.Now)

		var done []time.Time // when calls were carried out

		for range rapid.IntRange(1, 60).Draw(rt, "calls") {
			time0.now = time0.now.Add(time.Duration(rapid.Int64Range(0, int64(per)).Draw(rt, "gap")))

			v := c.Ask(flood.Message, bot, group)
			if v.Wait > silent || (v.Wait > 0 && v.RetryAfter > 0) {
				rt.Fatalf("verdict %+v with a silent wait of %s", v, silent)
			}

			if v.RetryAfter == 0 {
				done = append(done, time0.now.Add(v.Wait))
			}
		}

		for i := range done {
			for j := i; j < len(done); j++ {
				stretch := done[j].Sub(done[i]).Seconds()
				most := stretch*tokens/per.Seconds() + float64(burst) + 1e-6

				if n := float64(j - i + 1); n > most {
					rt.Fatalf("%v calls within %vs, want %v at most", n, stretch, most)
				}
			}
		}
	})
}

// A refused call costs nothing, and the time that it is told is enough.
func TestWhoWaitsAsToldGetsThrough(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(rt *rapid.T) {
		limits := flood.Limits{
			Bot:   bucket(rapid.Float64Range(0.1, 50).Draw(rt, "bot"), time.Second, rapid.IntRange(1, 30).Draw(rt, "bot burst")),
			Chat:  bucket(rapid.Float64Range(0.1, 5).Draw(rt, "chat"), time.Second, rapid.IntRange(1, 5).Draw(rt, "chat burst")),
			Group: bucket(rapid.Float64Range(1, 60).Draw(rt, "group"), time.Minute, rapid.IntRange(1, 20).Draw(rt, "group burst")),
		}
		time0 := newClock()
		c := flood.New(limits, time0.Now)

		for range rapid.IntRange(1, 40).Draw(rt, "messages") {
			v := c.Ask(flood.Message, bot, group)

			for range rapid.IntRange(0, 5).Draw(rt, "impatience") {
				if v.RetryAfter > 0 && c.Ask(flood.Message, bot, group).RetryAfter == 0 {
					rt.Fatalf("a call got through %ds too early", v.RetryAfter)
				}
			}

			if v.RetryAfter == 0 {
				continue
			}

			time0.now = time0.now.Add(time.Duration(v.RetryAfter) * time.Second)

			if again := c.Ask(flood.Message, bot, group); again.RetryAfter > 0 {
				rt.Fatalf("told to wait %ds and then %ds more", v.RetryAfter, again.RetryAfter)
			}
		}
	})
}
