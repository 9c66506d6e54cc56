// Package flood is Telegram's flood control: token buckets per bot, per chat
// and per group, short waits that the server sits out in silence, and "retry
// after" beyond them.
package flood

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

// Act is the kind of a call for the limits.
type Act string

// The acts. Others than these are only limited per bot.
const (
	Message  Act = "message"
	Reaction Act = "reaction"
	Edit     Act = "edit"
	Other    Act = "other"
)

// Verdict is the decision of flood control about a call.
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

// Ask takes a token from each bucket that the act needs. A refused call takes none, so that a
// client that waits as told gets through.
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

// Bucket limits a rate: Tokens per Per, and Burst at once. No tokens mean no limit.
type Bucket struct {
	Tokens float64           `json:"tokens"`
	Per    jsontime.Duration `json:"per"`
	Burst  int               `json:"burst"`
}

// Limits are all buckets. The numbers for messages are from Telegram's FAQ; Telegram publishes
// none for reactions.
type Limits struct {
	// Unlimited turns all buckets off.
	Unlimited bool `json:"unlimited"`
	// Bot limits all actions of a bot.
	Bot Bucket `json:"bot"`
	// Chat limits the messages of a bot in one chat.
	Chat Bucket `json:"chat"`
	// Group limits the messages of a bot in one group over a longer time.
	Group Bucket `json:"group"`
	// Reaction limits the reactions of a bot in one chat.
	Reaction Bucket `json:"reaction"`
	// Edit limits the edits of a bot in one chat.
	Edit Bucket `json:"edit"`
	// SilentWait is the longest time that a call is kept waiting instead of refused. On
	// Telegram it is 8 s; 0 refuses at once.
	SilentWait jsontime.Duration `json:"silent_wait"`
}

// Telegram returns what is known of Telegram's own limits.
func Telegram() Limits {
	second, minute := jsontime.Duration(time.Second), jsontime.Duration(time.Minute)
	return Limits{
		Bot:        Bucket{Tokens: 30, Per: second, Burst: 30},
		Chat:       Bucket{Tokens: 1, Per: second, Burst: 3},
		Group:      Bucket{Tokens: 20, Per: minute, Burst: 20},
		Reaction:   Bucket{Tokens: 1, Per: second, Burst: 10},
		Edit:       Bucket{Tokens: 20, Per: minute, Burst: 20},
		SilentWait: jsontime.Duration(8 * time.Second),
	}
}

// Default are Telegram's limits without the silent wait, so that what is
// refused is refused at once.
func Default() Limits {
	l := Telegram()
	l.SilentWait = 0
	return l
}

// Validate reports everything that is wrong, each with the field's name, the
// value and what is allowed.
func (l Limits) Validate() error {
	var errs []error
	for _, b := range []struct {
		name string
		Bucket
	}{{"bot", l.Bot}, {"chat", l.Chat}, {"group", l.Group}, {"reaction", l.Reaction}, {"edit", l.Edit}} {
		if !(b.Tokens >= 0 && b.Tokens <= 1e6) {
			errs = append(errs, fmt.Errorf("%s.tokens: %s is not allowed, must be between 0 (no limit) and 1000000", b.name, strconv.FormatFloat(b.Tokens, 'g', -1, 64)))
		}
		if b.Tokens > 0 && b.Per <= 0 {
			errs = append(errs, fmt.Errorf("%s.per: %s is not allowed, must be positive", b.name, time.Duration(b.Per)))
		}
		if b.Tokens > 0 && b.Burst < 1 {
			errs = append(errs, fmt.Errorf("%s.burst: %d is not allowed, must be 1 or more", b.name, b.Burst))
		}
	}
	if l.SilentWait < 0 || l.SilentWait > jsontime.Duration(time.Hour) {
		errs = append(errs, fmt.Errorf("silent_wait: %s is not allowed, must be between 0s and 1h", time.Duration(l.SilentWait)))
	}
	return errors.Join(errs...)
}

func (b Bucket) limiter() *rate.Limiter {
	if b.Tokens == 0 {
		return rate.NewLimiter(rate.Inf, 1)
	}
	return rate.NewLimiter(rate.Limit(b.Tokens/time.Duration(b.Per).Seconds()), b.Burst)
}
