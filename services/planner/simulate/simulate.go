// Package simulate plays a cast through hours of virtual time in a moment: the
// planner's own decisions, without a server, a clock or a text. So one sees what
// settings and speeds make of a cast before anybody else does.
package simulate

import (
	"fmt"
	"time"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// Options configure a simulation.
type Options struct {
	// Chats are played side by side. A bot of several casts is the same bot, and
	// its hourly limits hold for all of them together.
	Chats []Chat
	Start time.Time
	// Duration is the simulated time.
	Duration time.Duration
	// Seed is the only source of randomness: the same options give the same result to the
	// byte.
	Seed uint64
	// Latency is the time from a turn's planning until its message is visible; 0 is
	// DefaultLatency.
	Latency time.Duration
	// Text returns the text of a turn; with "" the turn has no message. If Text is nil, texts
	// only name their topics.
	Text func(Turn) string
}

// Chat is one of the chats to play.
type Chat struct {
	// Name is the chat's name in the result.
	Name     string
	Chat     decide.Chat
	Cast     []decide.Bot
	Settings decide.Settings
}

// DefaultLatency is an ordinary time for writing, typing and sending.
const DefaultLatency = 8 * time.Second

// MaxTurns limits the turns of a simulation.
const MaxTurns = 1_000_000

// Result holds the turns and figures of a simulation.
type Result struct {
	Start    time.Time
	Duration time.Duration
	Seed     uint64
	// Turns are in the order of time.
	Turns []Turn
	// Skips counts the decisions for no turn by their reason, in the order of
	// decide.Skips.
	Skips []SkipCount
	// Truncated is true if the play was ended at MaxTurns.
	Truncated bool
}

// Turn is a turn that was planned.
type Turn struct {
	// At is on the chat's clock.
	At        time.Time
	Chat, Bot string
	// Number is the turn's number in its chat. Its message, if it is no
	// reaction, has the same, so that targets can be told.
	Number int64
	Turn   decide.Turn
}

// SkipCount counts the decisions without a turn for one reason.
type SkipCount struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// Run plays. It takes some 20 µs a turn.
//
// Nobody but the cast speaks.
func Run(o Options) Result {
	if o.Latency == 0 {
		o.Latency = DefaultLatency
	}
	p := newPlay(o)
	r := Result{Start: o.Start, Duration: o.Duration, Seed: o.Seed}
	skips := map[decide.Skip]int{}
	for {
		s := p.nextStage()
		if s == nil || !s.next.Before(o.Start.Add(o.Duration)) {
			break
		}
		if len(r.Turns) == MaxTurns {
			r.Truncated = true
			break
		}
		at := s.next
		d := p.decide(s)
		if d.Turn == nil {
			skips[d.Skip]++
			continue
		}
		r.Turns = append(r.Turns, s.perform(p, at, d.Turn))
	}
	for _, reason := range decide.Skips() {
		if n := skips[reason]; n > 0 {
			r.Skips = append(r.Skips, SkipCount{Reason: reason.String(), Count: n})
		}
	}
	return r
}

// Chats returns the chats of a valid cast. settings returns the settings of a chat by its
// name. The ids of chats and bots are their places in the cast, from 1.
func Chats(cast roster.Cast, settings func(chat string) decide.Settings) ([]Chat, error) {
	bots := make(map[string]decide.Bot, len(cast.Bots))
	for i, b := range cast.Bots {
		active, err := hours.ParseAll(b.ActiveHours)
		if err != nil {
			return nil, fmt.Errorf("bot %s: %w", b.Name, err)
		}
		bots[b.Name] = decide.Bot{
			ID: int64(i + 1), Name: b.Name, Username: b.Username, DisplayName: b.Persona.DisplayName, Enabled: b.Enabled,
			Tempo: float64(b.Tempo), ActiveHours: active, HourlyMin: b.HourlyMin, HourlyMax: b.HourlyMax,
			Interests: b.Persona.Interests, Stances: stances(b.Stances),
			Empathy: float64(b.Persona.Empathy), Energy: float64(b.Persona.Energy),
			Tone: b.Persona.Tone, Length: b.Persona.Voice.Length,
		}
	}
	chats := make([]Chat, len(cast.Chats))
	for i, c := range cast.Chats {
		zone, err := time.LoadLocation(c.TimeZone)
		if err != nil {
			return nil, fmt.Errorf("chat %s: %w", c.Name, err)
		}
		chats[i] = Chat{
			Name: c.Name, Settings: settings(c.Name), Cast: make([]decide.Bot, len(c.Cast)),
			Chat: decide.Chat{ID: int64(i + 1), Enabled: c.Enabled, TimeZone: zone, Topics: c.Topics, MeanGap: c.MeanGap},
		}
		for j, name := range c.Cast {
			chats[i].Cast[j] = bots[name]
		}
	}
	return chats, nil
}

func stances(of []roster.Stance) []decide.Stance {
	out := make([]decide.Stance, len(of))
	for i, s := range of {
		out[i] = decide.Stance{Topic: s.Topic, Confidence: float64(s.Confidence)}
	}
	return out
}
