package sender

import (
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
)

// Config holds the sender's settings. The limits default to Telegram's published ones.
type Config struct {
	MaxInFlight      int           `config:"max_in_flight" min:"1" max:"100000" doc:"deliveries that a sender works on at a time; as many reactions, and as many answers to commands"`
	Lease            time.Duration `config:"lease" min:"45s" max:"10m" doc:"how long a sender may have a delivery before others take it over; they take those of a dead one at once"`
	ShortWait        time.Duration `config:"short_wait" min:"0s" max:"1m" doc:"longest wait that a chat's lane sits out; longer ones are written down, and the lane goes on with another chat"`
	OnUnknown        OnUnknown     `config:"on_unknown"`
	ReactionAttempts int           `config:"reaction_attempts" min:"1" max:"20" doc:"calls made for a reaction whose outcome stays unknown"`
	Typing           bool          `config:"typing" doc:"show the bots typing"`
	TypingLate       time.Duration `config:"typing_late" min:"0s" doc:"a delivery that is this late is sent without typing"`
	Grace            time.Duration `config:"grace" min:"0s" max:"5m" doc:"time that calls under way get when the sender stops"`
	BotPerSecond     float64       `config:"bot_per_second" min:"0.001" max:"1000000" doc:"calls a second of one bot"`
	SecondaryShare   float64       `config:"secondary_share" min:"0.01" max:"1" doc:"share of a bot's calls for what is no message: reactions, and to show it typing; so messages don't wait for these"`
	Group            ChatLimits    `config:"group"`
	Supergroup       ChatLimits    `config:"supergroup"`
	LimitMargin      time.Duration `config:"limit_margin" min:"0s" max:"10s" doc:"how much later than a limit allows the calls beyond a burst are made, because some arrive sooner than others"`
	FloodWindow      time.Duration `config:"flood_window" min:"0s" max:"10m" doc:"a bot that Telegram holds back (429) in two chats within this time is held back in all"`
	RestAfter        int           `config:"rest_after" min:"2" max:"100" doc:"messages of a bot that Telegram rejects in a row, in whatever words, after which it rests in that chat for a while; the same for reactions"`
	LookEvery        time.Duration `config:"look_every" min:"10ms" max:"1m" doc:"how often it is asked whether what Telegram refused is to be tried again"`
	BreakerFailures  int           `config:"breaker_failures" min:"1" doc:"failures in a row that open a bot's breaker; only transport errors and 5xx count"`
	BreakerDelay     time.Duration `config:"breaker_delay" min:"1ms" doc:"how long an open breaker stays open"`
}

// ChatLimits limits a bot's messages in one chat of a kind.
type ChatLimits struct {
	PerSecond float64 `config:"per_second" min:"0.001" max:"1000000" doc:"messages a second of one bot in one chat of this kind"`
	PerMinute float64 `config:"per_minute" min:"0.001" max:"1000000" doc:"messages a minute of one bot in one chat of this kind"`
}

// OnUnknown says, by kind, what happens to a call of unknown outcome: Drop or Resend.
type OnUnknown struct {
	Message  string `config:"message" enum:"drop,resend" doc:"a message whose outcome is unknown: drop (never said twice) or resend (never lost)"`
	Reply    string `config:"reply" enum:"drop,resend" doc:"the same for a reply"`
	Fallback string `config:"fallback" enum:"drop,resend" doc:"the same for a message that stands for a refused reaction"`
	Reaction string `config:"reaction" enum:"drop,resend" doc:"the same for a reaction; to set it again changes nothing"`
}

// DefaultConfig returns the settings for api.telegram.org.
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

// Values of OnUnknown.
const (
	Drop   = "drop"
	Resend = "resend"
)

// Validate returns all mistakes, joined. The minimum lease is longer than any call with the
// wait before it. A rate below one an hour is probably a mistake, and Redis' clock has
// microseconds.
func (c Config) Validate() error { return config.Check(c) }
