package cache_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// short is Redis' time-out in production.
const short = 10 * time.Millisecond

// failures is the number of time-outs after which Redis isn't used.
const failures = 3

// Whatever Redis does, callers get their values after a few time-outs in all. Redis is used
// again when it works.
func TestRedisIsNeverInTheWay(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*testenv.Cache) (end func()){
		"hangs": func(c *testenv.Cache) func() { c.Pause(); return c.Resume },
		"dies":  func(c *testenv.Cache) func() { c.Kill(); return c.Restart },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.RedisServer(t)
			s := newSource()
			r := newReplica(t, server.URL(), s, 100*time.Millisecond)
			r.listen()
			for i := id(1); i <= 100; i++ {
				s.set(i, page{"some", int(i)})
			}
			r.want(1, page{"some", 1})
			end := fault(server)
			began := time.Now()
			for i := id(2); i <= 100; i++ {
				r.want(i, page{"some", int(i)})
			}
			if took := time.Since(began); took > 10*failures*100*time.Millisecond {
				t.Errorf("99 values took %v, want %d time-outs of 100ms", took, failures)
			}
			if r.Shared() {
				t.Error("Redis is in use")
			}
			end()
			eventually(t, "Redis is in use again", r.Shared)
		})
	}
}

// Changes while Redis is unreachable are applied before it is used again.
func TestWhatRedisMissedIsMadeUpFor(t *testing.T) {
	t.Parallel()
	for name, tag := range map[string]cache.Tag{"a key": changed, "a kind": {Kind: "test.page"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.RedisServer(t)
			s := newSource()
			s.set(1, page{"old", 1})
			here, there := newReplica(t, server.URL(), s, short), newReplica(t, server.URL(), s, short)
			here.listen()
			there.listen()
			eventually(t, "Redis has it", func() bool {
				here.Drop(t.Context(), changed)
				here.want(1, page{"old", 1})
				return client(t, server.URL()).Exists(t.Context(), cache.Place("test.page", 1, 1)).Val() == 1
			})
			server.Pause()
			s.set(1, page{"new", 2})
			here.hear(tag)
			there.hear(tag)
			server.Resume()
			for _, r := range []*replica{here, there} {
				eventually(t, "Redis is in use again", r.Shared)
				r.Drop(t.Context()) // no tags
				r.want(1, page{"new", 2})
			}
			late := newReplica(t, server.URL(), s, short)
			late.listen()
			late.want(1, page{"new", 2})
		})
	}
}

// A full Redis keeps its values, stores no new ones, and still deletes.
func TestAFullRedis(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t)
	s := newSource()
	s.set(1, page{"old", 1})
	s.set(2, page{"two", 1})
	here, there := newReplica(t, url, s, patience), newReplica(t, url, s, patience)
	here.listen()
	there.listen()
	here.want(1, page{"old", 1})
	if err := client(t, url).ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	there.want(1, page{"old", 1})
	if got := there.metric("chorus_cache_hits_total", "l2"); got != 1 {
		t.Errorf("%v hits in a full Redis, want 1", got)
	}
	for range 2 * failures {
		here.want(2, page{"two", 1})
		here.Drop(t.Context(), cache.Tag{Kind: "test.page", ID: 2})
	}
	if !here.Shared() {
		t.Error("a full Redis is not used any more")
	}
	s.set(1, page{"new", 2})
	here.hear(changed)
	there.hear(changed)
	here.want(1, page{"new", 2})
	there.want(1, page{"new", 2})
	if err := client(t, url).ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	here.Drop(t.Context(), changed)
	here.want(1, page{"new", 2})
	late := newReplica(t, url, s, patience)
	late.listen()
	late.want(1, page{"new", 2})
	if got := late.metric("chorus_cache_hits_total", "l2"); got != 1 {
		t.Errorf("%v hits in Redis, want 1", got)
	}
}

// A foreign value at a value's key is ignored.
func TestRubbish(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t)
	c := client(t, url)
	s := newSource()
	s.set(1, page{"one", 1})
	r := newReplica(t, url, s, patience)
	r.listen()
	r.want(1, page{"one", 1})
	place := cache.Place("test.page", 1, 1)
	good := c.Get(t.Context(), place).Val()
	for _, bad := range []string{"", "V", "V{}", good[:9], good[:9] + "{", good[:9] + `{"Text":7}`, "X" + good[1:], "N", "L", "Laaaaaaaa"} {
		if err := c.Set(t.Context(), place, bad, 0).Err(); err != nil {
			t.Fatal(err)
		}
		r.hear() // without a change: Redis is asked after the process has dropped its values
		fresh := newReplica(t, url, s, patience)
		fresh.listen()
		fresh.want(1, page{"one", 1})
	}
	if err := c.Del(t.Context(), place).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.LPush(t.Context(), place, "a list").Err(); err != nil {
		t.Fatal(err)
	}
	fresh := newReplica(t, url, s, patience)
	fresh.listen()
	fresh.want(1, page{"one", 1})
}

// A server that doesn't speak Redis' protocol isn't used.
func TestNoRedisAtAll(t *testing.T) {
	t.Parallel()
	s := newSource()
	s.set(1, page{"one", 1})
	r := newReplica(t, "redis://"+echo(t), s, 100*time.Millisecond)
	r.listen()
	for range failures + 1 {
		r.want(1, page{"one", 1})
		r.Drop(t.Context(), changed)
	}
	if r.Shared() {
		t.Error("it is used")
	}
}

// echo starts a server that answers each line with itself.
func echo(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			serving.Go(func() {
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					_, _ = conn.Write(append(lines.Bytes(), '\r', '\n'))
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return listener.Addr().String()
}

// After a failover, the new server has missed a change.
func TestAnotherServerIsNotBelieved(t *testing.T) {
	t.Parallel()
	first, second := testenv.Redis(t), testenv.Redis(t)
	s := newSource()
	s.set(1, page{"old", 1})
	old := newReplica(t, second, s, patience)
	old.listen()
	old.want(1, page{"old", 1}) // the second server has it

	var target atomic.Pointer[string]
	target.Store(&first)
	opts, err := redis.ParseURL(first)
	if err != nil {
		t.Fatal(err)
	}
	opts.MaxRetries, opts.ContextTimeoutEnabled = -1, true
	opts.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
		to, _ := redis.ParseURL(*target.Load())
		var d net.Dialer
		return d.DialContext(ctx, network, to.Addr)
	}
	c := redis.NewClient(opts)
	t.Cleanup(func() { _ = c.Close() })
	r := &replica{t: t, metrics: prometheus.NewRegistry()}
	r.Cache = cache.New(cache.Config{Size: 1}, c, cache.NewMetrics(r.metrics), zap.NewNop())
	r.pages = cache.NewKind(r.Cache, s.spec())
	testenv.Background(t, r.Run)
	r.listen()
	s.set(1, page{"new", 2})
	r.hear(changed) // dropped in the first server
	r.want(1, page{"new", 2})
	target.Store(&second)
	// End the connections to the first server.
	if err := client(t, first).ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second server has forgotten what it had", func() bool {
		_, _, err := r.pages.Get(t.Context(), 2) // dials
		r.Drop(t.Context(), cache.Tag{Kind: "test.page", ID: 2})
		gen := client(t, second).Get(t.Context(), "chorus:cache:test.page.1").Val()
		value := client(t, second).Get(t.Context(), cache.Place("test.page", 1, 1)).Val()
		return err == nil && (len(value) < 9 || value[1:9] != gen)
	})
	r.want(1, page{"new", 2})
}

// A process without announcements returns no value older than Short, and keeps new values
// for a second.
func TestWithoutAnnouncements(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.set(1, page{"old", 1})
		r := newReplica(t, "", s, short)
		defer r.stop()
		r.hear()
		r.want(1, page{"old", 1})
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		r.hear()
		s.set(1, page{"new", 2})
		r.want(1, page{"old", 1})
		time.Sleep(cache.Short) //nolint:forbidigo // the bubble's clock
		if r.Connected() {
			t.Error("it takes itself for connected")
		}
		r.want(1, page{"new", 2})
		s.set(1, page{"newer", 3})
		time.Sleep(cache.Short / 4) //nolint:forbidigo // the bubble's clock
		r.want(1, page{"new", 2})
		time.Sleep(cache.Short) //nolint:forbidigo // the bubble's clock
		r.want(1, page{"newer", 3})
		r.hear(changed)
		if !r.Connected() {
			t.Error("it does not take itself for connected again")
		}
	})
}

// Used values are read again before they expire, and readers don't wait.
func TestRefreshAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.set(1, page{"old", 1})
		r := newReplica(t, "", s, short)
		defer r.stop()
		defer r.listen()()
		r.want(1, page{"old", 1})
		s.set(1, page{"new", 2})                      // unannounced
		s.during = func() { time.Sleep(time.Second) } //nolint:forbidigo // the bubble's clock
		time.Sleep(25 * time.Second)                  //nolint:forbidigo // 5/6 of half the TTL
		began := time.Now()
		r.want(1, page{"old", 1})
		if took := time.Since(began); took > 0 {
			t.Errorf("a reader waited for %v", took)
		}
		time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's clock
		r.want(1, page{"new", 2})
		if got := s.reads.Load(); got != 2 {
			t.Errorf("%d reads, want 2", got)
		}
	})
}

// A caller that gives up doesn't fail the others.
func TestACallerGivesUp(t *testing.T) {
	t.Parallel()
	s := newSource()
	s.set(1, page{"one", 1})
	r := newReplica(t, "", s, short)
	r.listen()
	ctx, cancel := context.WithCancel(t.Context())
	s.during = cancel
	if _, _, err := r.pages.Get(ctx, 1); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	r.want(1, page{"one", 1})
	if got := s.reads.Load(); got != 1 {
		t.Errorf("%d reads, want 1", got)
	}
}
