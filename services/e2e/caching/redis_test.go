package caching_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// experience holds the planning times and the delays of changes during a fault of Redis.
type experience struct {
	planning []time.Duration // the planner's transactions, the shortest first
	late     []time.Duration // from a change until the last service sees it, the shortest first
}

func (o *experience) add(more experience) {
	o.planning, o.late = append(o.planning, more.planning...), append(o.late, more.late...)
	slices.Sort(o.planning)
	slices.Sort(o.late)
}

// worst returns the 99th percentile.
func worst(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return all[len(all)*99/100]
}

// faults are failures of Redis, each for a length of time.
var faults = []struct {
	name  string
	begin func(t testing.TB, c *testenv.Cache)
	end   func(t testing.TB, c *testenv.Cache)
}{
	{"dies", func(_ testing.TB, c *testenv.Cache) { c.Kill() }, func(_ testing.TB, c *testenv.Cache) { c.Restart() }},
	{"stands still", func(_ testing.TB, c *testenv.Cache) { c.Pause() }, func(_ testing.TB, c *testenv.Cache) { c.Resume() }},
	{"starts again", func(_ testing.TB, c *testenv.Cache) { c.Restart() }, func(testing.TB, *testenv.Cache) {}},
	{
		"is full",
		func(t testing.TB, c *testenv.Cache) { limitMemory(t, c, "1") },
		func(t testing.TB, c *testenv.Cache) { limitMemory(t, c, "0") },
	},
}

func limitMemory(t testing.TB, c *testenv.Cache, most string) {
	t.Helper()
	opts, err := redis.ParseURL(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	defer client.Close()
	if err := client.ConfigSet(t.Context(), "maxmemory", most).Err(); err != nil {
		t.Fatal(err)
	}
}

// during measures the fixture during a fault and for a length of time.
func (fx *fixture) during(length time.Duration, begin, end func()) experience {
	fx.t.Helper()
	fx.services["planner"].asked.transactions()
	begin()
	var o experience
	for until := time.Now().Add(length); time.Now().Before(until); {
		o.late = append(o.late, fx.change())
	}
	end()
	o.planning = fx.services["planner"].asked.transactions()
	slices.Sort(o.late)
	return o
}

// change changes a bot, and returns the time until the last service has seen it.
func (fx *fixture) change() time.Duration {
	fx.t.Helper()
	fx.version++
	hint := strconv.Itoa(fx.version)
	bot := rostercache.BotID(fx.number(`UPDATE personas SET hint = $1 WHERE bot_id = (SELECT min(bot_id) FROM cast_members) RETURNING bot_id`, hint))
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(fx.t.Context(), time.Minute)
	defer cancel()
	for _, s := range fx.services {
		for {
			p, _, err := s.roster.Persona(ctx, bot)
			if err != nil {
				fx.t.Fatal(err)
			}
			if p.Hint == hint {
				break
			}
			<-tick.C
		}
	}
	return time.Since(began)
}

// Whatever Redis does during a play, no turn fails, and every change is seen in time.
// Afterwards Redis is used again.
func TestRedisFailsInTheMiddleOfAPlay(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, true)
	fx.play(30)
	for _, f := range faults {
		o := fx.during(500*time.Millisecond, func() { f.begin(t, fx.redis) }, func() { f.end(t, fx.redis) })
		if late := worst(o.late); late > cache.Short {
			t.Errorf("when Redis %s, a change is seen after %v, want %v at most", f.name, late, cache.Short)
		}
		for name, s := range fx.services {
			testenv.Eventually(t, name+" uses Redis again", func() (string, bool) { return "", s.cache.Shared() })
		}
	}
	fx.play(20)
	fx.stop()
	if why := fx.whyFailed(); why != "" {
		t.Errorf("turns failed: %s", why)
	}
}

// BenchmarkRedisFails prints the times of planning and of changes while Redis fails,
// compared to times without faults. One of these precedes each fault, so that other load on
// the machine affects both.
func BenchmarkRedisFails(b *testing.B) {
	const length = 30 * time.Second
	for b.Loop() {
		fx := newFixture(b, true)
		fx.play(60)
		nothing := func() {}
		var calm, faulty experience
		for _, f := range faults {
			calm.add(fx.during(length, nothing, nothing))
			faulty.add(fx.during(length, func() { f.begin(b, fx.redis) }, func() { f.end(b, fx.redis) }))
		}
		fx.stop()
		if why := fx.whyFailed(); why != "" {
			fmt.Printf("turns failed: %s\n", why)
		}
		fmt.Printf("figure cache.planning_p99_calm_ms %.2f ms\n", worst(calm.planning).Seconds()*1000)
		fmt.Printf("figure cache.planning_p99_faults_ratio %.2f ratio\n", worst(faulty.planning).Seconds()/worst(calm.planning).Seconds())
		fmt.Printf("figure cache.stale_p99_calm_ms %.1f ms\n", worst(calm.late).Seconds()*1000)
		fmt.Printf("figure cache.stale_p99_faults_ms %.1f ms\n", worst(faulty.late).Seconds()*1000)
		fmt.Printf("figure cache.failed_turns_in_faults %.0f turns\n", fx.number(turnsFailed))
	}
}
