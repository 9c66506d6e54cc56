package simulate

import (
	"fmt"
	"time"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// Chats are those of a valid cast, with settings for each by its name. Their ids,
// and those of the bots, are their places in the cast, from 1.
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
