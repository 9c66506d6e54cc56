package cache_test

import (
	"context"
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// keys is small, so that readers and writers meet.
const keys = 3

// member is a replica with the versions that it may return.
type member struct {
	*replica

	link *testenv.Link
	// floor is the latest announced version of each key: the replica may not return older
	// ones.
	floor [keys]atomic.Int64
}

// world is several replicas with constant readers.
type world struct {
	t       *testing.T
	source  *source
	url     string
	members []*member
	version [keys]int64
	wrong   chan string
	stops   []func() // readers and announcements
}

// Whatever happens to Redis, and whatever replicas read in the meantime: a replica never
// returns a value older than an announced change. Constant reads make sure that each change
// meets cached values.
func TestNoReplicaGivesOldValuesAway(t *testing.T) {
	t.Parallel()
	// Each run takes half a second with real servers, so the default is fewer runs than
	// usual; -rapid.checks sets more.
	if checks := flag.Lookup("rapid.checks").Value; checks.String() == "100" {
		if err := checks.Set("15"); err != nil {
			t.Fatal(err)
		}
	}
	url := testenv.Redis(t)
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, url, 2)
		defer w.end()
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				for range rapid.IntRange(1, 10).Draw(rt, "writes") {
					w.write(rapid.IntRange(0, keys-1).Draw(rt, "key"), w.order(rt), w.tag(rt))
				}
			},
			"cut":     func(rt *rapid.T) { w.draw(rt).link.Cut() },
			"freeze":  func(rt *rapid.T) { w.draw(rt).link.Freeze() },
			"restore": func(rt *rapid.T) { w.draw(rt).link.Restore() },
			"lose": func(rt *rapid.T) {
				if err := client(t, w.url).FlushAll(t.Context()).Err(); err != nil {
					rt.Fatal(err)
				}
			},
			"in use again": func(*rapid.T) { w.heal() },
			"":             func(rt *rapid.T) { w.check(rt) },
		})
	})
}

func newWorld(t *testing.T, url string, replicas int) *world {
	t.Helper()
	if err := client(t, url).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, url: url, source: newSource(), wrong: make(chan string, 1)}
	for key := range keys {
		w.source.set(id(key+1), page{})
	}
	w.source.during = func() { // long enough for a change in between
		timer := time.NewTimer(time.Millisecond)
		defer timer.Stop()
		<-timer.C
	}
	for range replicas {
		link := testenv.Proxy(t, url)
		m := &member{replica: newReplica(t, link.URL(), w.source, short), link: link}
		w.stops = append(w.stops, m.listen())
		w.members = append(w.members, m)
		for key := range keys {
			w.stops = append(w.stops, testenv.Background(t, func(ctx context.Context) error { return w.read(ctx, m, key) }))
		}
	}
	return w
}

// read reads one key of one replica until the context ends.
func (w *world) read(ctx context.Context, m *member, key int) error {
	pace := time.NewTicker(200 * time.Microsecond)
	defer pace.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		<-pace.C
		floor := m.floor[key].Load()
		got, found, err := m.pages.Get(context.WithoutCancel(ctx), id(key+1))
		if err != nil {
			return err
		}
		if !found || int64(got.Version) < floor {
			select {
			case w.wrong <- fmt.Sprintf("key %d: got version %d (%v) after %d was heard of", key, got.Version, found, floor):
			default:
			}
		}
		if n%2 == 0 {
			m.pages.Forget(id(key + 1)) // a reader without misses would meet no race
		}
	}
	return nil
}

// write commits a new version and announces it to the replicas, one after the other, in the
// given order.
func (w *world) write(key int, order []int, tag cache.Tag) {
	w.version[key]++
	v := w.version[key]
	w.source.set(id(key+1), page{Version: int(v)})
	if tag.ID != 0 {
		tag.ID = int64(key + 1)
	}
	for _, i := range order {
		m := w.members[i]
		m.hear(tag)
		m.floor[key].Store(v)
	}
}

func (w *world) order(rt *rapid.T) []int {
	order := make([]int, len(w.members))
	for i := range order {
		order[i] = i
	}
	return rapid.Permutation(order).Draw(rt, "order")
}

func (*world) tag(rt *rapid.T) cache.Tag {
	return rapid.SampledFrom([]cache.Tag{{Kind: "test.page", ID: 1}, {Kind: "test.page"}, {}}).Draw(rt, "tag")
}

func (w *world) draw(rt *rapid.T) *member {
	return w.members[rapid.IntRange(0, len(w.members)-1).Draw(rt, "replica")]
}

// heal restores all links and waits until Redis is used again.
func (w *world) heal() {
	for _, m := range w.members {
		m.link.Restore()
		eventually(w.t, "Redis is in use again", m.Shared)
	}
}

func (w *world) check(rt *rapid.T) {
	select {
	case what := <-w.wrong:
		rt.Fatal(what)
	default:
	}
}

func (w *world) end() {
	for _, stop := range w.stops {
		stop()
	}
	for _, m := range w.members {
		m.link.Restore() // a hanging dial would outlive the test
		m.stop()
	}
}
