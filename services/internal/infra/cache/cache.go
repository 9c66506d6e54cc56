// Package cache keeps what is read often and changed seldom, in two layers: one
// in this process, and one in Redis that all processes share. The database stays
// the truth, and the cache is never in its way: without Redis, or with one that
// hangs, is full or answers rubbish, there is the first layer alone.
//
// # It is right
//
// Whatever is cached is dropped, in every process and in Redis, once a change of
// it is announced: within 100 ms of the commit, as a rule. A process that does
// not hear the announcements holds nothing for longer than Short, and does not
// believe Redis.
//
// A reader can be slow: it reads the old value, somebody commits a new one and
// drops what is cached, and only then does the reader store what it read. So
// both layers issue a token before the source is read, an invalidation takes
// the token away, and without it nothing is stored. In the process, otter's
// record of the load is the token; in Redis it is a lease, a value that stands in
// for the one to come. Because the token is a thing that must be there, and not a
// mark of what was dropped, a Redis that loses everything, or that evicts the
// lease, refuses what it should have kept, and never keeps what it should have
// refused.
//
// Redis is dropped from before the process is, so that nothing old can come back
// from there. When Redis can't be told, it is not used again before it has been.
//
// Never cached is what must be exact: rows of the journal, clocks, counts that
// limit something.
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

// Short is how old a value can be at most that a process gives away which does
// not hear of changes.
const Short = 2 * time.Second

// LongestTTL is that of any kind. Whoever starts asks which changes there were
// for at least half of it, which is how long Redis keeps a value.
const LongestTTL = 20 * time.Minute

const (
	// lease is how long an announcement holds that all changes until then are
	// known.
	lease = 1800 * time.Millisecond
	// shortTTL is how long a value lives that was read without announcements.
	shortTTL = time.Second
)

// Cache is what the kinds of values share: Redis, the announcements and the
// metrics. It is safe for concurrent use.
type Cache struct {
	cfg     Config
	log     *zap.Logger
	metrics *Metrics
	shared  *shared // nil without Redis

	began     time.Time
	heard     atomic.Int64 // when all changes were last known, after began
	now       atomic.Int64 // when that was told, after began
	connected atomic.Bool
	over      *time.Timer    // fires when what was heard may no longer hold
	work      sync.WaitGroup // refreshes under way

	mu     sync.Mutex
	kinds  []layer
	closed bool
}

// clock tells otter the time. To read it costs more than a hit, so it is read when changes
// are announced, once a second as a rule, and each time where they are not.
type clock struct {
	untimed

	c *Cache
}

func (c *Cache) clock() clock { return clock{c: c} }

// NowNano is the time in nanoseconds since the Unix epoch.
func (k clock) NowNano() int64 {
	if k.c.connected.Load() {
		return k.c.began.UnixNano() + k.c.now.Load()
	}
	return k.c.began.UnixNano() + int64(time.Since(k.c.began))
}

// layer is a kind without its types.
type layer interface {
	kind() string
	// places are the Redis keys of what a tag is about.
	places(t Tag) []string
	// drop forgets in this process what a tag is about.
	drop(t Tag)
	stop()
}

// New makes a cache. The client may be nil, the metrics too. Its time-outs bound
// what a reader loses to a Redis that hangs: a context of its own for each read
// would cost as much as half the others do here. Run has to run for values to be
// held for longer than Short.
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

// Run looks after the cache until the context ends: it forgets everything when
// no announcement says any more that all changes are known, and looks whether a
// Redis that failed is back.
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

// Heard says that all changes committed until at, except the given ones, have
// been dropped before, and drops these. Once it is back, a reader that begins to
// read sees no older value.
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

// lost forgets all that can't be known to hold any more.
func (c *Cache) lost() {
	c.connected.Store(false)
	c.metrics.hears(false)
	for _, k := range c.all() {
		k.drop(Tag{})
	}
	c.log.Warn("changes are not announced: values are cached for a second only, and none in Redis", zap.Duration("silent", c.sinceHeard()))
}

// Drop forgets what the tags are about, in Redis and in this process. Other
// processes hear of it only by an announcement.
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

// Connected tells whether this process hears of changes.
func (c *Cache) Connected() bool { return c.connected.Load() }

// Shared tells whether Redis is in use.
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
	// A copy, because others go through the old one.
	c.kinds = append(append([]layer(nil), c.kinds...), k)
}

// beside runs a task beside the readers; after the end, not at all.
func (c *Cache) beside(task func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.work.Go(task)
	}
}

// upkeep runs what keeps a kind in order, which must be run in any case. After the
// end, readers do it themselves.
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

// Config says how much a cache may take, of memory and of time.
type Config struct {
	Size    int           `config:"size" min:"1" max:"4096" doc:"MiB that values of one kind may take in a process, as they are encoded; what is used least makes room"`
	Timeout time.Duration `config:"timeout" min:"1ms" max:"1s" doc:"how long a value from Redis is waited for before the database is asked"`
}

// DefaultConfig is good for some ten thousand bots.
func DefaultConfig() Config { return Config{Size: 32, Timeout: 10 * time.Millisecond} }

// Validate joins everything that is wrong.
func (c Config) Validate() error { return config.Check(c) }

// Clock is the time for otter's caches. It has none look for expired values each second,
// which wakes a process that has nothing to do: who reads finds them expired, and their
// number is bounded like that of all others.
type Clock struct{ untimed }

// NowNano is the time in nanoseconds since the Unix epoch.
func (Clock) NowNano() int64 { return time.Now().UnixNano() }

// untimed is a clock that never ticks.
type untimed struct{}

// Tick never does.
func (untimed) Tick(time.Duration) <-chan time.Time { return nil }
