package sender

import (
	"errors"
	"fmt"
	"time"
)

// Config is how the sender behaves. Its limits are Telegram's published ones.
type Config struct {
	ShortWait        time.Duration `config:"short_wait" doc:"longest wait that a chat's lane sits out; longer ones are parked in the journal"`
	OnUnknown        string        `config:"on_unknown" doc:"a message whose outcome is unknown: drop (never said twice) or resend (never lost)"`
	ReactionAttempts int           `config:"reaction_attempts" doc:"calls made for a reaction whose outcome stays unknown"`
	Typing           bool          `config:"typing" doc:"show the bots typing"`
	TypingLate       time.Duration `config:"typing_late" doc:"a delivery that is this late is sent without typing"`
	Grace            time.Duration `config:"grace" doc:"time that calls under way get when the sender stops"`
	BotPerSecond     float64       `config:"bot_per_second" doc:"calls a second of one bot"`
	ChatPerSecond    float64       `config:"chat_per_second" doc:"messages a second in one chat"`
	GroupPerMinute   float64       `config:"group_per_minute" doc:"messages a minute of one bot in one group"`
	BreakerFailures  int           `config:"breaker_failures" doc:"failures in a row that open a bot's breaker; only transport errors and 5xx count"`
	BreakerDelay     time.Duration `config:"breaker_delay" doc:"how long an open breaker stays open"`
}

// DefaultConfig is fit for api.telegram.org.
func DefaultConfig() Config {
	return Config{
		ShortWait:        5 * time.Second,
		OnUnknown:        Drop,
		ReactionAttempts: 3,
		Typing:           true,
		TypingLate:       10 * time.Second,
		Grace:            3 * time.Second,
		BotPerSecond:     30,
		ChatPerSecond:    1,
		GroupPerMinute:   20,
		BreakerFailures:  10,
		BreakerDelay:     time.Minute,
	}
}

// What is done with a message whose outcome is unknown.
const (
	Drop   = "drop"
	Resend = "resend"
)

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.ShortWait >= 0 && c.ShortWait <= time.Minute, "short_wait: %v, want 0s to 1m", c.ShortWait)
	check(c.OnUnknown == Drop || c.OnUnknown == Resend, "on_unknown: %q, want drop or resend", c.OnUnknown)
	check(c.ReactionAttempts >= 1 && c.ReactionAttempts <= 20, "reaction_attempts: %d, want 1 to 20", c.ReactionAttempts)
	check(c.TypingLate >= 0, "typing_late: %v, want 0s or more", c.TypingLate)
	check(c.Grace >= 0 && c.Grace <= 5*time.Minute, "grace: %v, want 0s to 5m", c.Grace)
	check(c.BotPerSecond > 0, "bot_per_second: %v, want more than 0", c.BotPerSecond)
	check(c.ChatPerSecond > 0, "chat_per_second: %v, want more than 0", c.ChatPerSecond)
	check(c.GroupPerMinute > 0, "group_per_minute: %v, want more than 0", c.GroupPerMinute)
	check(c.BreakerFailures >= 1, "breaker_failures: %d, want 1 or more", c.BreakerFailures)
	check(c.BreakerDelay > 0, "breaker_delay: %v, want more than 0s", c.BreakerDelay)
	return errors.Join(errs...)
}
