package flood

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Act is what a call does, as far as limits are concerned.
type Act string

// The acts. Others than these are only limited per bot.
const (
	Message  Act = "message"
	Reaction Act = "reaction"
	Edit     Act = "edit"
	Other    Act = "other"
)

// Verdict is what flood control says to a call.
type Verdict struct {
	// Wait is to be waited out before the call is carried out.
	Wait time.Duration
	// RetryAfter, in whole seconds, refuses the call; 0 lets it through.
	RetryAfter int
}

// Control applies limits. It is safe for concurrent use.
type Control struct {
	now func() time.Time

	mu      sync.Mutex
	limits  Limits
	buckets map[key]*rate.Limiter
}

type key struct {
	kind string
	bot  int64
	chat int64
}

// New makes a flood control on a clock. The limits must be valid.
func New(limits Limits, now func() time.Time) *Control {
	return &Control{now: now, limits: limits, buckets: map[key]*rate.Limiter{}}
}

// Limits returns the limits in force.
func (c *Control) Limits() Limits {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limits
}

// Set changes the limits and fills all buckets.
func (c *Control) Set(l Limits) error {
	if err := l.Validate(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = l
	c.buckets = map[key]*rate.Limiter{}
	return nil
}

// Ask takes a token from each bucket that the act needs. A refused call takes
// none, so that whoever waits as told gets through.
func (c *Control) Ask(act Act, bot, chat int64) Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limits.Unlimited {
		return Verdict{}
	}
	now := c.now()
	var (
		wait  time.Duration
		taken []*rate.Reservation
	)
	for _, bucket := range c.needed(act, bot, chat) {
		r := bucket.ReserveN(now, 1)
		taken = append(taken, r)
		wait = max(wait, r.DelayFrom(now))
	}
	if wait <= time.Duration(c.limits.SilentWait) {
		return Verdict{Wait: wait}
	}
	for _, r := range taken {
		r.CancelAt(now)
	}
	return Verdict{RetryAfter: max(1, int(math.Ceil(wait.Seconds())))}
}

func (c *Control) needed(act Act, bot, chat int64) []*rate.Limiter {
	buckets := []*rate.Limiter{c.bucket(key{"bot", bot, 0}, c.limits.Bot)}
	switch act {
	case Message:
		buckets = append(buckets, c.bucket(key{"chat", bot, chat}, c.limits.Chat))
		if chat < 0 {
			buckets = append(buckets, c.bucket(key{"group", bot, chat}, c.limits.Group))
		}
	case Reaction:
		buckets = append(buckets, c.bucket(key{"reaction", bot, chat}, c.limits.Reaction))
	case Edit:
		buckets = append(buckets, c.bucket(key{"edit", bot, chat}, c.limits.Edit))
	case Other:
	}
	return buckets
}

func (c *Control) bucket(k key, b Bucket) *rate.Limiter {
	limiter, ok := c.buckets[k]
	if !ok {
		limiter = b.limiter()
		c.buckets[k] = limiter
	}
	return limiter
}
