package cache

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
)

//go:embed put.lua
var putScript string

const (
	breakerFailures = 3
	breakerDelay    = time.Second
	// recoverTimeout limits a background attempt to use Redis again.
	recoverTimeout = time.Second
	// dropTimeout limits the wait of an invalidation for Redis. The processes' own layers
	// are dropped after it.
	dropTimeout = 50 * time.Millisecond
	// leaseTTL is the time for a reader to read the source.
	leaseTTL = 5 * time.Second
	// maxAtOnce limits the commands of one round trip.
	maxAtOnce = 1000
	// maxUntold limits the stored keys. Beyond it, all of Redis is invalidated.
	maxUntold = 20_000
	tokenSize = 8
)

// First bytes of values in Redis.
const (
	isValue = 'V' // then the generation, then the encoded value
	isNone  = 'N' // then the generation: the source has no value
	isLease = 'L' // then a reader's token
)

// shared is the layer in Redis. While Redis doesn't respond, it isn't used, and changes are
// stored. They are applied before Redis is used again.
type shared struct {
	client  *redis.Client
	breaker circuitbreaker.CircuitBreaker[any]
	metrics *Metrics
	log     *zap.Logger
	outages *outage.Log

	// everything returns the keys of all kinds' generations.
	everything func() []string

	suspended, dialed atomic.Bool
	wake              chan struct{} // signals either to recover

	// lost is the reason of the last failure.
	lost atomic.Pointer[error]

	mu sync.Mutex
	// untold holds the keys to delete before Redis is used again.
	untold map[string]struct{}
}

func newShared(client *redis.Client, delay time.Duration, everything func() []string, metrics *Metrics, log *zap.Logger) *shared {
	s := &shared{
		client: client, metrics: metrics, log: log, everything: everything,
		wake: make(chan struct{}, 1), untold: map[string]struct{}{},
	}
	s.outages = outage.New(log, "Redis can't be used: values are cached in this process only", "Redis answers: values are shared")
	client.AddHook(dialing{s})
	s.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(breakerFailures).
		WithSuccessThreshold(1).
		WithDelay(delay).
		OnOpen(func(circuitbreaker.StateChangedEvent) { s.suspend(s.reason()) }).
		Build()
	s.metrics.shares(true)
	return s
}

func (s *shared) usable() bool { return !s.suspended.Load() }

func (s *shared) suspend(err error) {
	if s.suspended.Swap(true) {
		return
	}
	s.metrics.shares(false)
	s.outages.Note(errors.New(redisdb.Explain(err).Found))
	s.awake()
}

// reason returns the reason of the last failure.
func (s *shared) reason() error {
	if err := s.lost.Load(); err != nil {
		return *err
	}
	return errRubbish
}

func (s *shared) awake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// failed records an error. A full Redis refuses writes at once and still serves its values,
// so it stays in use.
func (s *shared) failed(kind string, err error) {
	s.metrics.failed(kind)
	s.log.Debug("Redis failed", zap.String("kind", kind), zap.Error(err))
	if full(err) {
		return
	}
	s.lost.Store(&err)
	s.breaker.RecordFailure()
	// An error reply will probably be the same next time, and successful reads in between
	// must not hide it. So from now on only the background task tries.
	if refused := redis.Error(nil); errors.As(err, &refused) {
		s.suspend(err)
		s.breaker.Open()
	}
}

func full(err error) bool { return redis.HasErrorPrefix(err, "OOM") }

var (
	errRubbish = errors.New("a Redis that is no Redis")
	errAnother = errors.New("another Redis answers than before, and may not know of changes")
)

// get reads a generation and its values in one round trip. A value is "" if it is missing,
// of another generation, or a lease.
func (s *shared) get(ctx context.Context, gen string, places []string) ([]string, error) {
	reply, err := s.client.MGet(ctx, append([]string{gen}, places...)...).Result()
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	if len(reply) != len(places)+1 {
		return nil, fmt.Errorf("%w: %d values, want %d", errRubbish, len(reply), len(places)+1)
	}
	s.breaker.RecordSuccess()
	return current(reply, len(places)), nil
}

// current returns the values of a reply that starts with their generation; "" for values of
// another generation and for leases.
func current(reply []any, n int) []string {
	values := make([]string, n)
	if len(reply) != n+1 {
		return values
	}
	gen, _ := reply[0].(string)
	for i := range values {
		value, _ := reply[i+1].(string)
		if len(gen) == tokenSize && len(value) > tokenSize && value[0] != isLease && value[1:1+tokenSize] == gen {
			values[i] = value
		}
	}
	return values
}

// leases is the right to store values that are read from now on.
type leases struct {
	gen, generation string
	token           string
	held            []bool
}

// acquire takes leases for places without a value. held is false for places where another
// reader has the lease.
func (s *shared) acquire(ctx context.Context, gen string, places []string) (leases, error) {
	l := leases{gen: gen, token: string(isLease) + token(), held: make([]bool, len(places))}
	pipe := s.client.Pipeline()
	_ = pipe.SetNX(ctx, gen, token(), 0)
	generation := pipe.Get(ctx, gen)
	taken := make([]*redis.BoolCmd, len(places))
	for i, p := range places {
		taken[i] = pipe.SetNX(ctx, p, l.token, leaseTTL)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return leases{}, fmt.Errorf("lease: %w", err)
	}
	l.generation = generation.Val()
	for i := range taken {
		l.held[i] = taken[i].Val()
	}
	return l, nil
}

// put stores values whose leases are still held, and returns how many were refused.
func (s *shared) put(ctx context.Context, l leases, places, values []string, ttl time.Duration) (refused int, err error) {
	pipe := s.client.Pipeline()
	var done []*redis.Cmd
	for i, p := range places {
		if l.held[i] {
			done = append(done, pipe.Eval(ctx, putScript, []string{p, l.gen}, l.token, l.generation, values[i], ttl.Milliseconds()))
		}
	}
	if len(done) == 0 {
		return 0, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, fmt.Errorf("put: %w", err)
	}
	for _, cmd := range done {
		if n, err := cmd.Int(); err == nil && n == 0 {
			refused++
		}
	}
	return refused, nil
}

// drop deletes values. If that fails, Redis isn't used until they are deleted.
func (s *shared) drop(ctx context.Context, places []string) {
	if len(places) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.usable() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
		defer cancel()
		err := s.deletes(ctx, places)
		if err == nil {
			return
		}
		s.suspend(err)
		s.breaker.Open()
	}
	s.note(places)
}

// note stores keys to delete later. The caller holds the lock.
func (s *shared) note(places []string) {
	for _, p := range places {
		s.untold[p] = struct{}{}
	}
	if len(s.untold) > maxUntold {
		clear(s.untold)
		for _, gen := range s.everything() {
			s.untold[gen] = struct{}{}
		}
	}
}

func (s *shared) deletes(ctx context.Context, places []string) error {
	for len(places) > 0 {
		n := min(len(places), maxAtOnce)
		// Not UNLINK: DEL is the command that a memory limit refuses least.
		if err := s.client.Del(ctx, places[:n]...).Err(); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		places = places[n:]
	}
	return nil
}

// try runs all operations of readers and invalidations, with its own keys.
func (s *shared) try(ctx context.Context) error {
	gen, places := generation("try", 1), []string{place("try", 1, 1), place("try", 1, 2)}
	l, err := s.acquire(ctx, gen, places)
	if err != nil {
		return err
	}
	if _, err := s.put(ctx, l, places, places, leaseTTL); err != nil {
		return err
	}
	if _, err := s.get(ctx, gen, places); err != nil {
		return err
	}
	return s.deletes(ctx, append(places, gen))
}

// Try runs all of a cache's operations on Redis once, with its own keys. It returns the
// reason why Redis can't be used.
func Try(ctx context.Context, client *redis.Client) error {
	s := newShared(client, breakerDelay, nil, NewMetrics(nil), zap.NewNop())
	if err := client.Info(ctx, "server").Err(); err != nil {
		return fmt.Errorf("ask which server it is: %w", err)
	}
	return s.try(ctx)
}

func token() string {
	b := make([]byte, tokenSize)
	_, _ = rand.Read(b) // never fails
	return string(b)
}

// Peeked is Redis' content for a key.
type Peeked struct {
	// Found is false if Redis has nothing that a process would use. None says that Redis
	// has recorded that the source has no value.
	Found, None bool
	// Text is the value as JSON.
	Text []byte
	// Left is the value's remaining lifetime in Redis.
	Left time.Duration
}

// Peek reads a value from Redis without loading it, for operators.
func Peek(ctx context.Context, client *redis.Client, kind string, version int, id int64) (Peeked, error) {
	at := place(kind, version, id)
	pipe := client.Pipeline()
	both := pipe.MGet(ctx, generation(kind, version), at)
	left := pipe.PTTL(ctx, at)
	if _, err := pipe.Exec(ctx); err != nil {
		return Peeked{}, fmt.Errorf("ask Redis: %w", err)
	}
	value := current(both.Val(), 1)[0]
	if value == "" {
		return Peeked{}, nil
	}
	return Peeked{Found: true, None: value[0] == isNone, Text: []byte(value[1+tokenSize:]), Left: left.Val()}, nil
}
