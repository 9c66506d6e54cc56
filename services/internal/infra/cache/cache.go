// Package cache caches values that are read often and changed rarely. It has two layers:
// one in this process, and one in Redis that all processes share. The database stays the
// source of truth. The cache never blocks it: if Redis is missing, hangs, is full or
// returns garbage, the cache works with the first layer alone.
//
// # Correctness
//
// A cached value is dropped in every process and in Redis when its change is announced,
// usually within 100 ms of the commit. A process that doesn't receive announcements keeps
// values for at most Short, and doesn't use Redis.
//
// A slow reader could read the old value and store it after somebody has committed and
// announced a new one. So both layers issue a token before the source is read. An
// invalidation removes the token, and without it nothing is stored. In the process, otter's
// record of the load is the token. In Redis it is a lease: a placeholder for the value to
// come. The token must be present to store a value. So a Redis that loses its data, or
// evicts the lease, may refuse a valid value, but never stores an outdated one.
//
// Values are dropped from Redis before they are dropped from the process, so that no old
// value comes back from Redis. If dropping from Redis fails, Redis isn't used until it
// succeeds.
//
// Never cache what must be exact: rows of the journal, clocks, and counts behind limits.
package cache

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

// Short is the maximum age of values in a process that doesn't receive announcements.
const Short = 2 * time.Second

// LongestTTL limits the TTL of all kinds. A starting process reads all changes of the last
// half of it, which is how long Redis keeps a value.
const LongestTTL = 20 * time.Minute

const (
	// lease is the time after an announcement for which all changes count as known.
	lease = 1800 * time.Millisecond
	// shortTTL is the lifetime of a value that was read without announcements.
	shortTTL = time.Second
)

// Cache holds what the kinds of values share: Redis, the announcements and the metrics. It
// is safe for concurrent use.
type Cache struct {
	cfg     Config
	log     *zap.Logger
	metrics *Metrics
	shared  *shared // nil without Redis

	began     time.Time
	heard     atomic.Int64 // the last time when all changes were known, since began
	now       atomic.Int64 // the time of that announcement, since began
	connected atomic.Bool
	over      *time.Timer    // fires when the lease may have expired
	work      sync.WaitGroup // running refreshes

	mu     sync.Mutex
	kinds  []layer
	closed bool
}

// clock is otter's clock. Reading the time costs more than a hit. So while changes are
// announced, it returns the time of the last announcement, usually less than a second old;
// otherwise the current time.
type clock struct {
	untimed

	c *Cache
}

func (c *Cache) clock() clock { return clock{c: c} }

// NowNano returns the time in nanoseconds since the Unix epoch.
func (k clock) NowNano() int64 {
	if k.c.connected.Load() {
		return k.c.began.UnixNano() + k.c.now.Load()
	}
	return k.c.began.UnixNano() + int64(time.Since(k.c.began))
}

// layer is a kind, independent of its type parameters.
type layer interface {
	kind() string
	// places returns the Redis keys that a tag covers.
	places(t Tag) []string
	// drop removes what a tag covers from this process.
	drop(t Tag)
	stop()
}

// New returns a cache. client and metrics may be nil. The client's time-outs limit how long
// a reader waits for a hanging Redis: a context for each read would cost half as much as
// everything else here. Without Run, values live for at most Short.
func New(cfg Config, client *redis.Client, metrics *Metrics, log *zap.Logger) *Cache {
	return newCache(cfg, client, breakerDelay, metrics, log)
}

func newCache(cfg Config, client *redis.Client, delay time.Duration, metrics *Metrics, log *zap.Logger) *Cache {
	metrics = cmp.Or(metrics, NewMetrics(nil))
	c := &Cache{cfg: cfg, log: log, metrics: metrics, began: time.Now(), over: time.NewTimer(lease)}
	if client != nil {
		c.shared = newShared(client, delay, c.generations, metrics, log)
	}
	return c
}

// Run maintains the cache until the context ends. It drops everything when announcements
// stop, and checks whether a failed Redis works again.
func (c *Cache) Run(ctx context.Context) error {
	defer c.Close()
	var redisBack sync.WaitGroup
	defer redisBack.Wait()
	if c.shared != nil {
		redisBack.Go(func() { c.shared.recover(ctx) })
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.over.C:
			if c.connected.Load() && c.sinceHeard() >= lease {
				c.lost()
			}
		}
	}
}

func (c *Cache) sinceHeard() time.Duration {
	return time.Since(c.began) - time.Duration(c.heard.Load())
}

// Heard reports that all changes committed before at are known: changes lists those not
// dropped yet, and Heard drops them. Reads that begin after it return no older value.
func (c *Cache) Heard(ctx context.Context, at time.Time, changes ...Tag) {
	c.Drop(ctx, changes...)
	c.heard.Store(int64(at.Sub(c.began)))
	c.now.Store(int64(time.Since(c.began)))
	left := lease - c.sinceHeard()
	c.over.Reset(max(left, 0))
	if left > 0 && !c.connected.Swap(true) {
		c.metrics.hears(true)
		c.log.Info("changes are announced: values are cached for as long as they hold")
	}
}

// lost drops everything, because changes may have been missed.
func (c *Cache) lost() {
	c.connected.Store(false)
	c.metrics.hears(false)
	for _, k := range c.all() {
		k.drop(Tag{})
	}
	c.log.Warn("changes are not announced: values are cached for a second only, and none in Redis", zap.Duration("silent", c.sinceHeard()))
}

// Drop removes what the tags cover from Redis and from this process. Other processes only
// learn of it by an announcement.
func (c *Cache) Drop(ctx context.Context, changes ...Tag) {
	if len(changes) == 0 {
		return
	}
	kinds := c.all()
	if c.shared != nil {
		var places []string
		for _, t := range changes {
			for _, k := range kinds {
				places = append(places, k.places(t)...)
			}
		}
		c.shared.drop(ctx, places)
	}
	for _, t := range changes {
		for _, k := range kinds {
			if t.about(k.kind()) {
				k.drop(t)
				c.metrics.invalidated(k.kind())
			}
		}
	}
}

// Connected reports whether this process receives announcements.
func (c *Cache) Connected() bool { return c.connected.Load() }

// Shared reports whether Redis is in use.
func (c *Cache) Shared() bool { return c.shared != nil && c.connected.Load() && c.shared.usable() }

func (c *Cache) generations() []string {
	var places []string
	for _, k := range c.all() {
		places = append(places, k.places(Tag{})...)
	}
	return places
}

func (c *Cache) all() []layer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kinds
}

func (c *Cache) add(k layer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.kinds {
		if other.kind() == k.kind() {
			panic("cache: there are two kinds " + k.kind())
		}
	}
	// A copy, because readers may be iterating over the old slice.
	c.kinds = append(append([]layer(nil), c.kinds...), k)
}

// beside runs a task in the background. After Close it doesn't run the task.
func (c *Cache) beside(task func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.work.Go(task)
	}
}

// upkeep runs a maintenance task of a kind in the background. After Close the caller runs
// it.
func (c *Cache) upkeep(task func()) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.work.Go(task)
	}
	c.mu.Unlock()
	if closed {
		task()
	}
}

// Close ends all goroutines, as the end of Run does. Readers still get values.
func (c *Cache) Close() {
	c.connected.Store(false)
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.work.Wait()
	for _, k := range c.all() {
		k.stop()
	}
	c.over.Stop()
}

// Config limits the memory of a cache and the time for Redis.
type Config struct {
	Size    int           `config:"size" min:"1" max:"4096" doc:"MiB that values of one kind may take in a process, as they are encoded; what is used least makes room"`
	Timeout time.Duration `config:"timeout" min:"1ms" max:"1s" doc:"how long a value from Redis is waited for before the database is asked"`
}

// DefaultConfig returns settings for several ten thousand bots.
func DefaultConfig() Config { return Config{Size: 32, Timeout: 10 * time.Millisecond} }

// Validate returns all mistakes, joined.
func (c Config) Validate() error { return config.Check(c) }

// Clock is a clock for otter's caches. It makes otter not look for expired values each
// second, which would wake idle processes. Reads find out that values have expired, and the
// size limit counts them like all others.
type Clock struct{ untimed }

// NowNano returns the time in nanoseconds since the Unix epoch.
func (Clock) NowNano() int64 { return time.Now().UnixNano() }

// untimed is a clock that never ticks.
type untimed struct{}

// Tick returns nil, which never delivers.
func (untimed) Tick(time.Duration) <-chan time.Time { return nil }
