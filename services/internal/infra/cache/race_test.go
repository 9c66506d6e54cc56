package cache_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

var changed = cache.Tag{Kind: "test.page", ID: 1}

// A slow reader reads the old value. Meanwhile a new one is committed and announced
// everywhere. Both layers refuse to store the reader's value, which would otherwise be
// returned until its TTL ends.
func TestASlowReaderStoresNothingOld(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(t *testing.T, r race){
		"its own process hears of the change": func(_ *testing.T, r race) {
			r.slow.hear(changed)
		},
		"a change of the kind": func(_ *testing.T, r race) {
			r.slow.hear(cache.Tag{Kind: "test"})
			r.other.hear(cache.Tag{Kind: "test"})
		},
		"another process hears of it first": func(_ *testing.T, r race) {
			r.other.hear(changed)
			r.slow.hear(changed)
		},
		"another process has put the new value": func(_ *testing.T, r race) {
			r.other.hear(changed)
			r.other.want(1, page{"new", 2})
			r.slow.hear(changed)
		},
		"Redis has lost everything": func(t *testing.T, r race) {
			t.Helper()
			r.other.hear(changed)
			if err := r.client.FlushAll(t.Context()).Err(); err != nil {
				t.Error(err)
			}
			r.slow.hear(changed)
		},
		// The missing lease is enough: nothing needs to remember the change.
		"Redis has lost everything, and another reader its lease": func(t *testing.T, r race) {
			t.Helper()
			r.slow.hear(changed)
			if err := r.client.FlushAll(t.Context()).Err(); err != nil {
				t.Error(err)
			}
			r.other.hear(changed)
			r.other.want(2, page{"other", 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := testenv.Redis(t)
			s := newSource()
			s.set(1, page{"old", 1})
			s.set(2, page{"other", 1})
			r := race{slow: newReplica(t, url, s, patience), other: newReplica(t, url, s, patience), client: client(t, url)}
			r.slow.listen()
			r.other.listen()
			s.during = func() {
				s.mu.Lock()
				s.during = nil
				s.mu.Unlock()
				s.set(1, page{"new", 2})
				meanwhile(t, r)
			}
			// This value may be as old as the call.
			if _, _, err := r.slow.pages.Get(t.Context(), 1); err != nil {
				t.Error(err)
			}
			r.slow.want(1, page{"new", 2})
			r.other.want(1, page{"new", 2})
			late := newReplica(t, url, s, patience)
			late.listen()
			late.want(1, page{"new", 2})
		})
	}
}

type race struct {
	slow, other *replica
	client      *redis.Client
}

func client(t testing.TB, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opts)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The same without Redis, for the process' own layer.
func TestASlowReaderStoresNothingOldInTheProcess(t *testing.T) {
	t.Parallel()
	for _, tag := range []cache.Tag{changed, {Kind: "test"}, {}} {
		s := newSource()
		s.set(1, page{"old", 1})
		r := newReplica(t, "", s, patience)
		r.listen()
		s.during = func() {
			s.mu.Lock()
			s.during = nil
			s.mu.Unlock()
			s.set(1, page{"new", 2})
			r.hear(tag)
		}
		if _, err := r.pages.GetAll(t.Context(), []id{1, 2}); err != nil {
			t.Error(err)
		}
		r.want(1, page{"new", 2})
	}
}
