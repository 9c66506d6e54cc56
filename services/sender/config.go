package sender

import (
	"errors"
	"fmt"
	"time"

	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
)

// Config is how the sender behaves. Its limits are Telegram's published ones.
type Config struct {
	MaxInFlight      int           `config:"max_in_flight" doc:"deliveries that a sender works on at a time; as many reactions, and as many answers to commands"`
	Lease            time.Duration `config:"lease" doc:"how long a sender may have a delivery before others take it over; they take those of a dead one at once"`
	ShortWait        time.Duration `config:"short_wait" doc:"longest wait that a chat's lane sits out; longer ones are written down, and the lane goes on with another chat"`
	OnUnknown        OnUnknown     `config:"on_unknown"`
	ReactionAttempts int           `config:"reaction_attempts" doc:"calls made for a reaction whose outcome stays unknown"`
	Typing           bool          `config:"typing" doc:"show the bots typing"`
	TypingLate       time.Duration `config:"typing_late" doc:"a delivery that is this late is sent without typing"`
	Grace            time.Duration `config:"grace" doc:"time that calls under way get when the sender stops"`
	BotPerSecond     float64       `config:"bot_per_second" doc:"calls a second of one bot"`
	SecondaryShare   float64       `config:"secondary_share" doc:"share of a bot's calls for what is no message: reactions, and to show it typing; so messages don't wait for these"`
	Group            ChatLimits    `config:"group"`
	Supergroup       ChatLimits    `config:"supergroup"`
	LimitMargin      time.Duration `config:"limit_margin" doc:"how much later than a limit allows the calls beyond a burst are made, because some arrive sooner than others"`
	FloodWindow      time.Duration `config:"flood_window" doc:"a bot that Telegram holds back (429) in two chats within this time is held back in all"`
	RestAfter        int           `config:"rest_after" doc:"messages of a bot that Telegram rejects in a row, in whatever words, after which it rests in that chat for a while; the same for reactions"`
	LookEvery        time.Duration `config:"look_every" doc:"how often it is asked whether what Telegram refused is to be tried again"`
	BreakerFailures  int           `config:"breaker_failures" doc:"failures in a row that open a bot's breaker; only transport errors and 5xx count"`
	BreakerDelay     time.Duration `config:"breaker_delay" doc:"how long an open breaker stays open"`
}

// ChatLimits is how much one bot may say in one chat of a kind.
type ChatLimits struct {
	PerSecond float64 `config:"per_second" doc:"messages a second of one bot in one chat of this kind"`
	PerMinute float64 `config:"per_minute" doc:"messages a minute of one bot in one chat of this kind"`
}

// OnUnknown is what is done, by kind, with a call of which nobody knows whether it
// had its effect: Drop or Resend.
type OnUnknown struct {
	Message  string `config:"message" doc:"a message whose outcome is unknown: drop (never said twice) or resend (never lost)"`
	Reply    string `config:"reply" doc:"the same for a reply"`
	Fallback string `config:"fallback" doc:"the same for a message that stands for a refused reaction"`
	Reaction string `config:"reaction" doc:"the same for a reaction; to set it again changes nothing"`
}

// DefaultConfig is fit for api.telegram.org.
func DefaultConfig() Config {
	return Config{
		MaxInFlight:      1000,
		Lease:            time.Minute,
		ShortWait:        5 * time.Second,
		OnUnknown:        OnUnknown{Message: Drop, Reply: Drop, Fallback: Drop, Reaction: Resend},
		ReactionAttempts: 3,
		Typing:           true,
		TypingLate:       10 * time.Second,
		Grace:            3 * time.Second,
		BotPerSecond:     30,
		SecondaryShare:   0.5,
		Group:            ChatLimits{PerSecond: 1, PerMinute: 20},
		Supergroup:       ChatLimits{PerSecond: 1, PerMinute: 20},
		LimitMargin:      250 * time.Millisecond,
		FloodWindow:      5 * time.Second,
		RestAfter:        5,
		LookEvery:        refusal.Every,
		BreakerFailures:  10,
		BreakerDelay:     time.Minute,
	}
}

// What is done with a call whose outcome is unknown.
const (
	Drop   = "drop"
	Resend = "resend"
)

// minLease is longer than any call, with the wait before it.
const minLease = 45 * time.Second

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.MaxInFlight >= 1 && c.MaxInFlight <= 100_000, "max_in_flight: %d, want 1 to 100000", c.MaxInFlight)
	check(c.Lease >= minLease && c.Lease <= 10*time.Minute, "lease: %v, want %v to 10m", c.Lease, minLease)
	check(c.ShortWait >= 0 && c.ShortWait <= time.Minute, "short_wait: %v, want 0s to 1m", c.ShortWait)
	policy := func(kind, value string) {
		check(value == Drop || value == Resend, "on_unknown.%s: %q, want drop or resend", kind, value)
	}
	policy("message", c.OnUnknown.Message)
	policy("reply", c.OnUnknown.Reply)
	policy("fallback", c.OnUnknown.Fallback)
	policy("reaction", c.OnUnknown.Reaction)
	check(c.ReactionAttempts >= 1 && c.ReactionAttempts <= 20, "reaction_attempts: %d, want 1 to 20", c.ReactionAttempts)
	check(c.TypingLate >= 0, "typing_late: %v, want 0s or more", c.TypingLate)
	check(c.Grace >= 0 && c.Grace <= 5*time.Minute, "grace: %v, want 0s to 5m", c.Grace)
	rate := func(name string, value float64) {
		// Slower than one an hour is more likely a mistake, and Redis' clock has
		// microseconds.
		check(value >= 0.001 && value <= 1e6, "%s: %v, want 0.001 to 1000000", name, value)
	}
	rate("bot_per_second", c.BotPerSecond)
	check(c.SecondaryShare >= 0.01 && c.SecondaryShare <= 1, "secondary_share: %v, want 0.01 to 1", c.SecondaryShare)
	rate("group.per_second", c.Group.PerSecond)
	rate("group.per_minute", c.Group.PerMinute)
	rate("supergroup.per_second", c.Supergroup.PerSecond)
	rate("supergroup.per_minute", c.Supergroup.PerMinute)
	check(c.LimitMargin >= 0 && c.LimitMargin <= 10*time.Second, "limit_margin: %v, want 0s to 10s", c.LimitMargin)
	check(c.FloodWindow >= 0 && c.FloodWindow <= 10*time.Minute, "flood_window: %v, want 0s to 10m", c.FloodWindow)
	check(c.RestAfter >= 2 && c.RestAfter <= 100, "rest_after: %d, want 2 to 100", c.RestAfter)
	check(c.LookEvery >= 10*time.Millisecond && c.LookEvery <= time.Minute, "look_every: %v, want 10ms to 1m", c.LookEvery)
	check(c.BreakerFailures >= 1, "breaker_failures: %d, want 1 or more", c.BreakerFailures)
	check(c.BreakerDelay > 0, "breaker_delay: %v, want more than 0s", c.BreakerDelay)
	return errors.Join(errs...)
}
