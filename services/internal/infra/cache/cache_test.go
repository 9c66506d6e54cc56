package cache_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// patience limits every wait of a test.
const patience = 30 * time.Second

type (
	id   int64
	page struct {
		Text    string
		Version int
	}
)

// source is the caches' source. It counts its reads.
type source struct {
	mu    sync.Mutex
	rows  map[id]page
	reads atomic.Int64
	keys  atomic.Int64
	// during, if set, is called after a read, before it returns.
	during func()
	fails  error
}

func newSource() *source { return &source{rows: map[id]page{}} }

func (s *source) set(key id, p page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[key] = p
}

func (s *source) load(_ context.Context, keys []id) (map[id]page, error) {
	s.reads.Add(1)
	s.keys.Add(int64(len(keys)))
	s.mu.Lock()
	found := map[id]page{}
	for _, key := range keys {
		if p, ok := s.rows[key]; ok {
			found[key] = p
		}
	}
	during, fails := s.during, s.fails
	s.mu.Unlock()
	if during != nil {
		during()
	}
	return found, fails
}

func (s *source) spec() cache.Spec[id, page] {
	return cache.Spec[id, page]{Name: "test.page", Version: 1, TTL: time.Minute, Load: s.load}
}

// replica is one process' cache.
type replica struct {
	*cache.Cache

	t       testing.TB
	pages   *cache.Kind[id, page]
	metrics *prometheus.Registry
	stop    func()
}

// newReplica returns a cache that receives only the announcements that the test makes. url
// may be empty.
func newReplica(t testing.TB, url string, s *source, timeout time.Duration) *replica {
	t.Helper()
	var client *redis.Client
	if url != "" {
		var err error
		if client, err = redisdb.Open(redisdb.Config{URL: url, Timeout: timeout}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
	}
	r := &replica{t: t, metrics: prometheus.NewRegistry()}
	r.Cache = cache.NewHasty(cache.DefaultConfig(), client, 20*time.Millisecond, cache.NewMetrics(r.metrics), zap.NewNop())
	r.pages = cache.NewKind(r.Cache, s.spec())
	r.stop = testenv.Background(t, r.Run)
	return r
}

// listen announces regularly that nothing has changed, until end is called. The test
// announces changes itself.
func (r *replica) listen() (end func()) {
	r.hear()
	return testenv.Background(r.t, func(ctx context.Context) error {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				r.Heard(ctx, time.Now())
			}
		}
	})
}

// hear announces that only the given tags have changed.
func (r *replica) hear(tags ...cache.Tag) { r.Heard(r.t.Context(), time.Now(), tags...) }

func (r *replica) want(key id, want page) {
	r.t.Helper()
	got, found, err := r.pages.Get(r.t.Context(), key)
	if err != nil || !found || got != want {
		r.t.Errorf("got %+v, %v, %v; want %+v", got, found, err, want)
	}
}

func (r *replica) metric(name string, labels ...string) float64 {
	r.t.Helper()
	return sum(r.t, r.metrics, name, labels...)
}

func sum(t testing.TB, g prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var total float64
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			values := []string{}
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(values, l) }) {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return total
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	testenv.Eventually(t, what, func() (string, bool) { return "", holds() })
}

// each runs a test with Redis and without.
func each(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Parallel()
	t.Run("process", func(t *testing.T) { t.Parallel(); test(t, "") })
	t.Run("redis", func(t *testing.T) { t.Parallel(); test(t, testenv.Redis(t)) })
}

func TestAValueIsReadOnce(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		t.Helper()
		s := newSource()
		s.set(1, page{"one", 1})
		r := newReplica(t, url, s, patience)
		r.listen()
		for range 3 {
			r.want(1, page{"one", 1})
		}
		if got := s.reads.Load(); got != 1 {
			t.Errorf("%d reads, want 1", got)
		}
	})
}

func TestThatThereIsNoneIsKnown(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		t.Helper()
		s := newSource()
		r := newReplica(t, url, s, patience)
		r.listen()
		for range 3 {
			if got, found, err := r.pages.Get(t.Context(), 1); found || err != nil {
				t.Errorf("got %+v, %v, %v; want none", got, found, err)
			}
		}
		if got := s.reads.Load(); got != 1 {
			t.Errorf("%d reads, want 1", got)
		}
		s.set(1, page{"one", 1})
		r.hear(cache.Tag{Kind: "test.page", ID: 1})
		r.want(1, page{"one", 1})
	})
}

func TestManyAreReadAtOnce(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		t.Helper()
		s := newSource()
		want := map[id]page{}
		for i := id(1); i <= 9; i++ {
			want[i] = page{"some", int(i)}
			s.set(i, want[i])
		}
		r := newReplica(t, url, s, patience)
		r.listen()
		r.want(1, want[1])
		got, err := r.pages.GetAll(t.Context(), append(slices.Collect(maps.Keys(want)), 100))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if s.reads.Load() != 2 || s.keys.Load() != 10 {
			t.Errorf("%d reads of %d keys, want 2 of 10", s.reads.Load(), s.keys.Load())
		}
	})
}

func TestAnErrorIsTheSourcesAndNotCached(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		t.Helper()
		s := newSource()
		s.set(1, page{"one", 1})
		s.fails = errors.New("it is away")
		r := newReplica(t, url, s, patience)
		r.listen()
		if _, _, err := r.pages.Get(t.Context(), 1); !errors.Is(err, s.fails) {
			t.Errorf("got %v, want %v", err, s.fails)
		}
		s.fails = nil
		r.want(1, page{"one", 1})
	})
}

// A thousand callers that miss the same value concurrently cause one read.
func TestMissesAreCoalesced(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		t.Helper()
		const callers = 1000
		s := newSource()
		s.set(1, page{"one", 1})
		r := newReplica(t, url, s, patience)
		r.listen()
		var waiting atomic.Int64
		s.during = func() {
			eventually(t, "all callers have come", func() bool { return waiting.Load() == callers })
		}
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				waiting.Add(1)
				r.want(1, page{"one", 1})
			})
		}
		all.Wait()
		if got := s.reads.Load(); got != 1 {
			t.Errorf("%d reads, want 1", got)
		}
	})
}

// A value that one replica has read is found in Redis by the others.
func TestReplicasShare(t *testing.T) {
	t.Parallel()
	s := newSource()
	s.set(1, page{"one", 1})
	url := testenv.Redis(t)
	here, there := newReplica(t, url, s, patience), newReplica(t, url, s, patience)
	here.listen()
	there.listen()
	here.want(1, page{"one", 1})
	there.want(1, page{"one", 1})
	if got := s.reads.Load(); got != 1 {
		t.Errorf("%d reads, want 1", got)
	}
	if got := there.metric("chorus_cache_hits_total", "l2"); got != 1 {
		t.Errorf("%v hits in Redis, want 1", got)
	}
}

func TestWhatATagIsAbout(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		t.Helper()
		for _, tag := range []cache.Tag{{}, {Kind: "test"}, {Kind: "test.page"}, {Kind: "test", ID: 1}, {Kind: "test.page", ID: 1}} {
			s := newSource()
			r := newReplica(t, url, s, patience)
			r.listen()
			r.hear(cache.Tag{})
			for version := range 2 {
				s.set(1, page{tag.String(), version})
				r.hear(tag)
				r.want(1, page{tag.String(), version})
			}
		}
		s := newSource()
		s.set(1, page{"old", 1})
		r := newReplica(t, url, s, patience)
		r.listen()
		r.hear(cache.Tag{})
		r.want(1, page{"old", 1})
		s.set(1, page{"new", 2})
		r.hear(cache.Tag{Kind: "other"}, cache.Tag{Kind: "test.pages", ID: 1}, cache.Tag{Kind: "tes"}, cache.Tag{Kind: "test.page", ID: 2})
		r.want(1, page{"old", 1})
	})
}

func TestParseTag(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]cache.Tag{
		"*": {}, "bot": {Kind: "bot"}, "bot.persona": {Kind: "bot.persona"}, "bot.persona:12": {Kind: "bot.persona", ID: 12},
	} {
		got, err := cache.ParseTag(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: got %+v (%s), %v; want %+v", text, got, got, err, want)
		}
	}
	for _, text := range []string{"", ":1", "Bot", "bot.", "bot:", "bot:0", "bot:-1", "bot:x", "bot*"} {
		if got, err := cache.ParseTag(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newSource()
	s.set(1, page{"one", 1})
	r := newReplica(t, testenv.Redis(t), s, patience)
	r.listen()
	r.want(1, page{"one", 1})
	r.want(1, page{"one", 1})
	r.hear(cache.Tag{Kind: "test.page", ID: 1})
	problems, err := testutil.GatherAndLint(r.metrics)
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	for name, want := range map[string]float64{
		"chorus_cache_hits_total":          1,
		"chorus_cache_misses_total":        2, // one per layer
		"chorus_cache_load_seconds":        1,
		"chorus_cache_invalidations_total": 1,
		"chorus_cache_errors_total":        0,
		"chorus_cache_connected":           1,
		"chorus_cache_shared":              1,
	} {
		if got := r.metric(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}
