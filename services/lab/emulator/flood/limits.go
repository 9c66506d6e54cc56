// Package flood is Telegram's flood control: token buckets per bot, per chat
// and per group, short waits that the server sits out in silence, and "retry
// after" beyond them.
package flood

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

// Bucket is how often something may be done: Tokens per Per, and Burst at once.
// No tokens mean no limit.
type Bucket struct {
	Tokens float64           `json:"tokens"`
	Per    jsontime.Duration `json:"per"`
	Burst  int               `json:"burst"`
}

// Limits are all the buckets. The numbers of messages are those of Telegram's
// FAQ; for reactions Telegram gives none.
type Limits struct {
	// Unlimited lets everything through, whatever the buckets say.
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
	// SilentWait is how long a call is kept waiting instead of refused. On
	// Telegram that is 8 s; 0 refuses at once.
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
