package simulate

import (
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/planner/decide"
)

// Kinds counts turns by kind.
type Kinds struct {
	Messages  int `json:"messages"`
	Replies   int `json:"replies"`
	Reactions int `json:"reactions"`
}

// Total is the sum.
func (k Kinds) Total() int { return k.Messages + k.Replies + k.Reactions }

func (k *Kinds) count(kind decide.Kind) {
	switch kind {
	case decide.KindMessage:
		k.Messages++
	case decide.KindReply:
		k.Replies++
	case decide.KindReaction:
		k.Reactions++
	}
}

// BotCount is what one bot did in one chat.
type BotCount struct {
	Chat string `json:"chat"`
	Bot  string `json:"bot"`
	Kinds
}

// HourCount is what happened in one chat in one hour.
type HourCount struct {
	Chat string `json:"chat"`
	// Hour is when it began, on the chat's clock.
	Hour time.Time `json:"hour"`
	Kinds
}

// Summary is a result in numbers.
type Summary struct {
	Kinds Kinds `json:"kinds"`
	// Bots are in the order of their first turn. Hours are in the order of time;
	// those in which nothing happened are left out.
	Bots  []BotCount  `json:"bots"`
	Hours []HourCount `json:"hours"`
	Skips []SkipCount `json:"skips"`
}

// Summary counts.
func (r Result) Summary() Summary {
	s := Summary{Bots: []BotCount{}, Hours: []HourCount{}, Skips: r.Skips}
	for _, t := range r.Turns {
		s.Kinds.count(t.Turn.Kind)
		bot := slices.IndexFunc(s.Bots, func(b BotCount) bool { return b.Chat == t.Chat && b.Bot == t.Bot })
		if bot < 0 {
			bot, s.Bots = len(s.Bots), append(s.Bots, BotCount{Chat: t.Chat, Bot: t.Bot})
		}
		s.Bots[bot].count(t.Turn.Kind)
		s.hour(t)
	}
	return s
}

// hour counts a turn in the hour of its chat's clock, which is among the last
// ones. An hour that the clock shows twice is two.
func (s *Summary) hour(t Turn) {
	began := t.At.Add(-time.Duration(t.At.Minute())*time.Minute - time.Duration(t.At.Second())*time.Second - time.Duration(t.At.Nanosecond()))
	for i := len(s.Hours) - 1; i >= 0; i-- {
		h := &s.Hours[i]
		if h.Chat == t.Chat && h.Hour.Equal(began) {
			h.count(t.Turn.Kind)
			return
		}
		if began.Sub(h.Hour) > 2*time.Hour {
			break
		}
	}
	s.Hours = append(s.Hours, HourCount{Chat: t.Chat, Hour: began})
	s.Hours[len(s.Hours)-1].count(t.Turn.Kind)
}
