package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/goccy/go-json"
	"github.com/maypok86/otter/v2"

	"github.com/chorus-cast/chorus/services/internal/infra/batch"
)

const (
	// loadTimeout bounds reading the source, whoever waits for it.
	loadTimeout = 10 * time.Second
	// maxMisses is how many values are loaded together.
	maxMisses = 200
)

// Spec describes a kind of values.
type Spec[K Key, V any] struct {
	// Name is the kind's, such as bot.persona.
	Name string
	// Version is that of V as JSON. Whoever changes V raises it.
	Version int
	// TTL is the age at which no value is given away any more, should the
	// announcement of its change have been lost. Each layer holds it for half of
	// that, and this process for somewhat less, so that not all is read anew at
	// once.
	TTL time.Duration
	// Private values stay in this process.
	Private bool
	// Load reads values from the source; what the source does not have, it leaves
	// out, and that is cached, too.
	Load func(ctx context.Context, keys []K) (map[K]V, error)
}

// Kind caches the values of a kind. It is safe for concurrent use. Values are
// shared between all who get them: nobody may change what they refer to.
type Kind[K Key, V any] struct {
	cache *Cache
	spec  Spec[K, V]
	gen   string
	local *otter.Cache[K, *entry]
	count *counters
	// sweeps rises before a tag without a key is dropped here.
	sweeps atomic.Int64
	// loading is how many readers miss something.
	loading atomic.Int32
	// misses are loads of single values, made together.
	misses *batch.Group[K, *entry]
}

// entry is what a source has for a key, or that it has nothing. It is of no type of
// its own for each kind: the library would be compiled for each, too.
type entry struct {
	value any // of the kind's type, if found
	found bool
	size  uint32
	ttl   time.Duration
	// ahead is when the value is read anew while it is given away, in nanoseconds
	// of the Unix epoch; 0 for never. Refreshing is set by whom begins to.
	ahead      int64
	refreshing atomic.Bool
}

// NewKind adds a kind to a cache. Another of the same name panics.
func NewKind[K Key, V any](c *Cache, spec Spec[K, V]) *Kind[K, V] {
	if !validKind(spec.Name) || spec.TTL < Short || spec.TTL > LongestTTL {
		panic(fmt.Sprintf("cache: kind %q with a TTL of %v", spec.Name, spec.TTL))
	}
	k := &Kind[K, V]{cache: c, spec: spec, gen: generation(spec.Name, spec.Version)}
	k.count = c.metrics.of(spec.Name, func() float64 { return float64(k.local.EstimatedSize()) }, func() float64 { return float64(k.local.WeightedSize()) })
	k.misses = batch.New(batch.Config{Max: maxMisses, Calls: 1, Timeout: loadTimeout}, k.loadEach)
	k.local = otter.Must(&otter.Options[K, *entry]{
		MaximumWeight:    uint64(c.cfg.Size) << 20, //nolint:gosec // it is positive
		Weigher:          func(_ K, e *entry) uint32 { return e.size },
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[K, *entry]) time.Duration { return e.Value.ttl }),
		// Never by itself, see refresh; without one, it refreshes nothing at all.
		RefreshCalculator: otter.RefreshWriting[K, *entry](LongestTTL),
		OnAtomicDeletion: func(e otter.DeletionEvent[K, *entry]) {
			if e.Cause == otter.CauseOverflow {
				k.count.evictions.Inc()
			}
		},
		// Whoever has just loaded a value does the upkeep, which takes less than to
		// start a goroutine for it; a hit takes less than either.
		Executor: func(upkeep func()) {
			if k.loading.Load() > 0 {
				upkeep()
				return
			}
			c.upkeep(upkeep)
		},
		Clock:  c.clock(),
		Logger: quiet{},
	})
	c.add(k)
	return k
}

// Get gets a value. Found is false if the source has none. An error is the
// source's; then nothing is cached. Callers that miss values while a load is under way
// wait for the next, which is for all of them. So it costs two time-outs of Redis at
// most.
func (k *Kind[K, V]) Get(ctx context.Context, key K) (value V, found bool, err error) {
	if e, ok := k.local.GetIfPresent(key); ok {
		k.count.hit(1)
		if e.ahead != 0 && k.cache.clock().NowNano() > e.ahead {
			k.refresh(ctx, key, e)
		}
		value, _ = e.value.(V)
		return value, e.found, nil
	}
	k.count.localMisses.Inc()
	k.loading.Add(1)
	defer k.loading.Add(-1)
	sweeps := k.sweeps.Load()
	e, err := k.local.Get(ctx, key, (*loader[K, V])(k))
	if err != nil {
		return value, false, fmt.Errorf("%s %d: %w", k.spec.Name, key, err)
	}
	if k.sweeps.Load() != sweeps {
		// It may have been stored after the sweep came by, see drop.
		k.local.Invalidate(key)
	}
	value, _ = e.value.(V)
	return value, e.found, nil
}

// refresh reads a value anew beside its readers. What the library does at every
// hit to find out when to, costs as much as the hit.
func (k *Kind[K, V]) refresh(ctx context.Context, key K, e *entry) {
	if e.refreshing.CompareAndSwap(false, true) {
		k.cache.beside(func() { k.local.Refresh(ctx, key, (*loader[K, V])(k)) })
	}
}

// GetAll gets many values, with one round trip to each layer for all that it
// misses. What the source does not have is not in the map.
func (k *Kind[K, V]) GetAll(ctx context.Context, keys []K) (map[K]V, error) {
	values := make(map[K]V, len(keys))
	var missing []K
	for _, key := range keys {
		e, ok := k.local.GetIfPresent(key)
		switch {
		case !ok:
			missing = append(missing, key)
			continue
		case e.ahead != 0 && k.cache.clock().NowNano() > e.ahead:
			k.refresh(ctx, key, e)
		}
		if e.found {
			values[key], _ = e.value.(V)
		}
	}
	k.count.hit(len(keys) - len(missing))
	if len(missing) == 0 {
		return values, nil
	}
	if len(missing) == 1 { // it is read with what others miss
		value, found, err := k.Get(ctx, missing[0])
		if found {
			values[missing[0]] = value
		}
		return values, err
	}
	k.count.localMisses.Add(float64(len(missing)))
	k.loading.Add(1)
	defer k.loading.Add(-1)
	sweeps := k.sweeps.Load()
	entries, err := k.local.BulkGet(ctx, missing, (*loader[K, V])(k))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.spec.Name, err)
	}
	for key, e := range entries {
		if k.sweeps.Load() != sweeps {
			k.local.Invalidate(key)
		}
		if e.found {
			values[key], _ = e.value.(V)
		}
	}
	return values, nil
}

// loader is a kind as otter's loader of what it misses.
type loader[K Key, V any] Kind[K, V]

// Load loads one value.
func (l *loader[K, V]) Load(ctx context.Context, key K) (*entry, error) {
	return l.misses.Do(ctx, key)
}

// Reload loads one value before it expires.
func (l *loader[K, V]) Reload(ctx context.Context, key K, _ *entry) (*entry, error) {
	return l.Load(ctx, key)
}

// BulkLoad loads many values.
func (l *loader[K, V]) BulkLoad(ctx context.Context, keys []K) (map[K]*entry, error) {
	return (*Kind[K, V])(l).loadAll(ctx, keys)
}

// BulkReload loads many values before they expire.
func (l *loader[K, V]) BulkReload(ctx context.Context, keys []K, _ []*entry) (map[K]*entry, error) {
	return l.BulkLoad(ctx, keys)
}

// shared tells whether values are looked for in Redis.
func (k *Kind[K, V]) shared() bool { return !k.spec.Private && k.cache.Shared() }

// read reads values from the source, and gives their encodings with them.
func (k *Kind[K, V]) read(ctx context.Context, keys []K) (entries map[K]*entry, texts [][]byte, err error) {
	// Asked first: a value is as good as its beginning.
	connected := k.cache.Connected()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	values, err := k.spec.Load(ctx, keys)
	k.count.loaded(time.Since(began), err)
	if err != nil {
		return nil, nil, err
	}
	entries, texts = make(map[K]*entry, len(keys)), make([][]byte, len(keys))
	for i, key := range keys {
		e := k.entry(connected)
		if value, found := values[key]; found {
			e.value, e.found = value, true
			if texts[i], err = json.Marshal(value); err != nil {
				return nil, nil, fmt.Errorf("encode: %w", err)
			}
		}
		e.size = overhead + uint32(len(texts[i])) //nolint:gosec // far from it
		entries[key] = e
	}
	return entries, texts, nil
}

// overhead is about what an entry takes beside its value, in bytes.
const overhead = 128

// entry is an empty one, with the time that it stays in this process.
func (k *Kind[K, V]) entry(connected bool) *entry {
	if !connected {
		return &entry{ttl: shortTTL}
	}
	half := k.spec.TTL / 2
	ttl := half - rand.N(half/10)
	return &entry{ttl: ttl, ahead: k.cache.clock().NowNano() + int64(ttl*4/5)}
}

func (k *Kind[K, V]) kind() string { return k.spec.Name }

func (k *Kind[K, V]) place(id int64) string { return k.gen + ":" + strconv.FormatInt(id, 10) }

func (k *Kind[K, V]) places(t Tag) []string {
	switch {
	case k.spec.Private || !t.about(k.spec.Name):
		return nil
	case t.ID == 0:
		return []string{k.gen}
	}
	return []string{k.place(t.ID)}
}

// drop forgets one key, or all of them. A load of the key that is under way is
// not stored. Loads of keys that nobody knows yet are not found here: their
// readers see that there was a sweep, and forget what they stored.
func (k *Kind[K, V]) drop(t Tag) {
	if t.ID != 0 {
		k.local.Invalidate(K(t.ID))
		return
	}
	k.sweeps.Add(1)
	k.local.InvalidateAll()
}

func (k *Kind[K, V]) stop() { k.local.StopAllGoroutines() }

// quiet has nothing to say: a load that fails is its reader's, and one that was
// to be early is tried again.
type quiet struct{}

func (quiet) Warn(context.Context, string, error)  {}
func (quiet) Error(context.Context, string, error) {}
