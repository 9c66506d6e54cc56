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
	// loadTimeout limits reading the source, independently of the callers' contexts.
	loadTimeout = 10 * time.Second
	// maxMisses limits the values of one load.
	maxMisses = 200
)

// Spec describes a kind of values.
type Spec[K Key, V any] struct {
	// Name is the kind's name, such as bot.persona.
	Name string
	// Version is the version of V's JSON encoding. Raise it with every change of V.
	Version int
	// TTL is the maximum age of a value if the announcement of its change was lost. Each
	// layer keeps the value for half of it. This process keeps it slightly shorter, at
	// random, so that values don't all expire at once.
	TTL time.Duration
	// Private keeps the values out of Redis.
	Private bool
	// Load reads values from the source and leaves out missing ones. That a value is
	// missing is cached, too.
	Load func(ctx context.Context, keys []K) (map[K]V, error)
}

// Kind caches the values of a kind. It is safe for concurrent use. Callers share values and
// must not change what they point to.
type Kind[K Key, V any] struct {
	cache *Cache
	spec  Spec[K, V]
	gen   string
	local *otter.Cache[K, *entry]
	count *counters
	// sweeps is incremented before a tag without a key is dropped.
	sweeps atomic.Int64
	// loading counts readers with a miss.
	loading atomic.Int32
	// misses combines concurrent loads of single values.
	misses *batch.Group[K, *entry]
}

// entry is a value, or the fact that the source has none. It isn't generic, because otter
// would be compiled for each kind.
type entry struct {
	value any // of type V, if found
	found bool
	size  uint32
	ttl   time.Duration
	// ahead is when to refresh the value in the background, in nanoseconds since the Unix
	// epoch; 0 for never. The reader that starts the refresh sets refreshing.
	ahead      int64
	refreshing atomic.Bool
}

// NewKind adds a kind to a cache. A second one of the same name panics.
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
		// Refreshing starts in refresh, not here. But without a calculator, otter refreshes
		// nothing.
		RefreshCalculator: otter.RefreshWriting[K, *entry](LongestTTL),
		OnAtomicDeletion: func(e otter.DeletionEvent[K, *entry]) {
			if e.Cause == otter.CauseOverflow {
				k.count.evictions.Inc()
			}
		},
		// A reader that has just loaded a value also runs otter's maintenance, which takes
		// less time than starting a goroutine for it. A hit must not be burdened with it.
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

// Get returns a value. found is false if the source has none. An error is the source's;
// then nothing is cached. Callers that miss values during a load wait for the next one,
// which loads all of theirs. So a miss waits for at most two time-outs of Redis.
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
		// The value may have been stored after the sweep, see drop.
		k.local.Invalidate(key)
	}
	value, _ = e.value.(V)
	return value, e.found, nil
}

// refresh reads a value again in the background. Otter's own check at every hit, whether a
// refresh is due, costs as much as the hit.
func (k *Kind[K, V]) refresh(ctx context.Context, key K, e *entry) {
	if e.refreshing.CompareAndSwap(false, true) {
		k.cache.beside(func() { k.local.Refresh(ctx, key, (*loader[K, V])(k)) })
	}
}

// GetAll returns many values, with one round trip to each layer for all misses. Values that
// the source doesn't have aren't in the map.
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
	if len(missing) == 1 { // joins the load of other readers' misses
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

// loader implements otter's loaders for a kind.
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

// shared reports whether Redis is used for this kind.
func (k *Kind[K, V]) shared() bool { return !k.spec.Private && k.cache.Shared() }

// read reads values from the source, and returns them with their encodings.
func (k *Kind[K, V]) read(ctx context.Context, keys []K) (entries map[K]*entry, texts [][]byte, err error) {
	// Checked before the read: an announcement that is lost during it may concern the
	// value.
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

// overhead is the approximate size of an entry without its value, in bytes.
const overhead = 128

// entry returns an empty entry with its lifetime in this process.
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

// drop removes one key, or all keys. Otter doesn't store the result of a load of the key
// that is under way. InvalidateAll doesn't know keys of first loads under way: their
// readers see the sweep count change and remove what they have stored.
func (k *Kind[K, V]) drop(t Tag) {
	if t.ID != 0 {
		k.local.Invalidate(K(t.ID))
		return
	}
	k.sweeps.Add(1)
	k.local.InvalidateAll()
}

func (k *Kind[K, V]) stop() { k.local.StopAllGoroutines() }

// quiet discards otter's log. A failed load returns its error to the reader, and a failed
// refresh is tried again.
type quiet struct{}

func (quiet) Warn(context.Context, string, error)  {}
func (quiet) Error(context.Context, string, error) {}
