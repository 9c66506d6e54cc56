package limit_test

import (
	"bufio"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// replica is a shared limiter with readable metrics.
type replica struct {
	*limit.Shared

	t       *testing.T
	metrics *prometheus.Registry
}

// short is the time-out of production. On a busy machine some calls are then decided
// without Redis, which these tests allow.
const short = 50 * time.Millisecond

func newReplica(t *testing.T, url string, replicas int, timeout time.Duration) *replica {
	t.Helper()
	r := &replica{t: t, metrics: prometheus.NewRegistry()}
	local := limit.NewLocal(time.Second, func() int { return replicas })
	r.Shared = limit.NewShared(limit.NewRedis(client(t, url), time.Second), local, timeout, limit.NewMetrics(r.metrics), testenv.Logger(t))
	return r
}

// sum returns the sum of a counter's or gauge's series.
func (r *replica) sum(name string) float64 {
	r.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return total
}

// becomes makes calls until limits are shared, or aren't, and returns the longest duration
// of a call.
func (r *replica) becomes(isShared bool) (longest time.Duration) {
	r.t.Helper()
	want := 0.0
	if isShared {
		want = 1
	}
	deadline := time.Now().Add(patience)
	for chat := int64(0); r.sum("chorus_limit_shared") != want; chat++ {
		began := time.Now()
		if _, err := r.Reserve(r.t.Context(), ample(chat), limit.LongestQueue); err != nil {
			r.t.Fatal(err)
		}
		longest = max(longest, time.Since(began))
		if began.After(deadline) {
			r.t.Fatalf("the limits never became shared=%v", isShared)
		}
		pause(10 * time.Millisecond)
	}
	return longest
}

func pause(d time.Duration) { <-time.After(d) }

// ample returns a call that its limits never refuse.
func ample(chat int64) limit.Call {
	return limit.Call{Bot: 99, Chat: chat, OfBot: limit.NewRate(1000, time.Millisecond, 100_000, 0)}
}

// loaded is the time that a call may take beyond its time-out on a busy machine.
const loaded = 2 * time.Second

func TestRedisComesAndGoes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ away, back func(*testenv.Cache) }{
		"killed and restarted": {(*testenv.Cache).Kill, (*testenv.Cache).Restart},
		"paused and resumed":   {(*testenv.Cache).Pause, (*testenv.Cache).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.RedisServer(t)
			r := newReplica(t, server.URL(), 2, short)
			r.becomes(true)
			test.away(server)
			if longest := r.becomes(false); longest > short+loaded {
				t.Errorf("a call was held up for %v, want %v at most", longest, short)
			}
			// From now on one probe a second waits for Redis, and no other call.
			began, failures := time.Now(), r.sum("chorus_limit_redis_failures_total")
			for chat := range int64(1000) {
				if v, err := r.Reserve(t.Context(), ample(chat), 0); err != nil || !v.Granted {
					t.Fatalf("without Redis: %+v, %v", v, err)
				}
			}
			probes := r.sum("chorus_limit_redis_failures_total") - failures
			if most := time.Since(began).Seconds() + 1; probes > most {
				t.Errorf("%v calls waited for Redis in %v", probes, time.Since(began))
			}
			test.back(server)
			r.becomes(true)
		})
	}
}

func TestWhatRedisSaysMayBeRubbish(t *testing.T) {
	t.Parallel()
	t.Run("a bucket that is no number", func(t *testing.T) {
		t.Parallel()
		url := testenv.Redis(t)
		if err := client(t, url).Set(t.Context(), "chorus:limit:{99}:bucket", "full", 0).Err(); err != nil {
			t.Fatal(err)
		}
		newReplica(t, url, 1, short).becomes(false)
	})
	t.Run("a bucket of another type", func(t *testing.T) {
		t.Parallel()
		url := testenv.Redis(t)
		if err := client(t, url).LPush(t.Context(), "chorus:limit:{99}:bucket", "full").Err(); err != nil {
			t.Fatal(err)
		}
		newReplica(t, url, 1, short).becomes(false)
	})
	t.Run("a bucket from a clock that was put back", func(t *testing.T) {
		t.Parallel()
		url := testenv.Redis(t)
		c := client(t, url)
		if err := c.Set(t.Context(), "chorus:limit:{99}:bucket", time.Now().Add(time.Hour).UnixMicro(), 0).Err(); err != nil {
			t.Fatal(err)
		}
		v, err := limit.NewRedis(c, time.Second).Reserve(t.Context(), ample(1), 0)
		if err != nil || !v.Granted {
			t.Errorf("%+v, %v; want the bucket to start anew", v, err)
		}
	})
	for name, answer := range map[string]string{"not Redis": "HTTP/1.1 400 Bad Request\r\n\r\n", "no numbers": "*1\r\n$4\r\nfull\r\n", "too few": "*1\r\n:1\r\n", "a negative wait": "*5\r\n:1\r\n:-5\r\n:0\r\n:0\r\n:0\r\n", "silence": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newReplica(t, "redis://"+liar(t, answer), 1, short).becomes(false)
		})
	}
}

// liar starts a server that responds to every line that may end a command.
func liar(t *testing.T, answer string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if _, err := conn.Write([]byte(answer)); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

// Replicas that lose Redis and later find it emptied exceed the limit by at most a call or
// two each: they can't know each other's queues.
func TestAnOutageIsNoReasonForMore(t *testing.T) {
	t.Parallel()
	const replicas, lanes, every, burst = 3, 4, 10 * time.Millisecond, 20
	server := testenv.RedisServer(t)
	c := func(chat int64) limit.Call {
		return limit.Call{Bot: 1, Chat: chat, OfBot: limit.NewRate(1, every, burst, 0)}
	}
	var mu sync.Mutex
	var calls []granted
	stop := make(chan struct{})
	var talking sync.WaitGroup
	all := make([]*replica, replicas)
	for i := range all {
		r := newReplica(t, server.URL(), replicas, patience)
		all[i] = r
		for lane := range lanes {
			talking.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					least := time.Now()
					v, err := r.Reserve(t.Context(), c(int64(i*lanes+lane)), limit.LongestQueue)
					if err != nil {
						t.Error(err)
						return
					}
					most := time.Now()
					pause(v.Wait)
					if v.Granted {
						mu.Lock()
						calls = append(calls, granted{Least: least.Add(v.Wait), Most: most.Add(v.Wait)})
						mu.Unlock()
					}
				}
			})
		}
	}
	pause(300 * time.Millisecond)
	server.Kill()
	for _, r := range all {
		r.becomes(false)
	}
	pause(300 * time.Millisecond)
	server.Restart()
	for _, r := range all {
		r.becomes(true)
	}
	pause(1500 * time.Millisecond)
	close(stop)
	talking.Wait()
	if len(calls) < 60 {
		t.Errorf("only %d calls", len(calls))
	}
	if wrong := excess(calls, limit.Rate{Every: every, Ahead: (burst - 1 + 2*replicas) * every}); wrong != "" {
		t.Error(wrong)
	}
}

func TestACoolDownOutlivesRedis(t *testing.T) {
	t.Parallel()
	server := testenv.RedisServer(t)
	here, there := newReplica(t, server.URL(), 2, patience), newReplica(t, server.URL(), 2, patience)
	here.becomes(true)
	there.becomes(true)
	if err := here.Cool(t.Context(), 1, 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	if v, err := there.Reserve(t.Context(), limit.Call{Bot: 1, Chat: 1, OfBot: limit.NewRate(1, time.Second, 1, 0)}, 0); err != nil || v.Granted {
		t.Fatalf("%+v, %v; want it refused", v, err)
	}
	server.Kill()
	for _, r := range []*replica{here, there} {
		r.becomes(false)
		if left, err := r.Cooling(t.Context(), 1, 1); err != nil || left < time.Hour-patience {
			t.Errorf("without Redis the bot is held back for %v, %v; want an hour", left, err)
		}
	}
	// A cool-down during the outage holds in its own process.
	if err := here.Cool(t.Context(), 2, 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	if left, _ := here.Cooling(t.Context(), 2, 1); left == 0 {
		t.Error("a cool-down without Redis is forgotten")
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := newReplica(t, testenv.Redis(t), 1, patience)
	once := limit.Call{Bot: 1, Chat: 1, OfBot: limit.NewRate(1, time.Hour, 1, 0)}
	for range 2 {
		if _, err := r.Reserve(t.Context(), once, 0); err != nil {
			t.Fatal(err)
		}
	}
	problems, err := testutil.GatherAndLint(r.metrics)
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if got := r.sum("chorus_limit_reservations_total"); got != 2 {
		t.Errorf("%v reservations, want 2", got)
	}
}
