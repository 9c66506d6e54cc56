package decide

import (
	"math"

	"github.com/chorus-cast/chorus/services/internal/hours"
)

// Closed returns why nothing may be planned in the chat now, regardless of the cast and the
// messages; SkipNone if something may.
func Closed(in *Input) Skip {
	set := &in.Settings
	switch {
	case !in.Chat.Enabled:
		return SkipChatDisabled
	case !set.Active:
		return SkipSimulationOff
	case in.Paused != nil:
		return SkipPaused
	case in.UnwrittenTurns >= set.MaxUnwrittenTurns:
		return SkipTextsBehind
	case in.ChatLastMinute >= set.ChatPerMinute:
		return SkipChatLimit
	case set.GlobalPerMinute > 0 && in.GlobalLastMinute >= set.GlobalPerMinute:
		return SkipGlobalLimit
	case set.ChatPerDay > 0 && in.ChatToday >= set.ChatPerDay:
		return SkipDayLimit
	case set.Holds && !in.AsksNature && in.Held+in.UnwrittenTurns >= set.MaxHeld:
		return SkipApprovals
	}
	return SkipNone
}

// eligible gives every bot that may act now its weight: its tempo.
func (d *decider) eligible() Skip {
	skip := SkipNoCast
	for i := range d.in.Cast {
		bot := &d.in.Cast[i]
		obstacle := d.obstacle(bot)
		if obstacle == SkipNone {
			d.weights[i] = tempo(bot)
			d.tempos += d.weights[i]
		}
		skip = furthest(skip, obstacle)
	}
	return skip
}

// obstacle returns why a bot may not act in the chat now.
func (d *decider) obstacle(bot *Bot) Skip {
	switch {
	case !inCast(bot):
		return SkipNoCast
	case bot.Muted != nil:
		return SkipMuted
	case !hours.Open(bot.ActiveHours, d.local):
		return SkipAsleep
	case d.set.Pace == 0 && bot.LastHour >= bot.HourlyMax:
		return SkipHourlyLimit
	}
	return SkipNone
}

// Obstacles tells for each bot of the cast why it may not act in the chat now:
// SkipNoCast, SkipMuted, SkipAsleep or SkipHourlyLimit, or SkipNone if it may.
func Obstacles(in Input) []Skip {
	d := newDecider(&in)
	out := make([]Skip, len(in.Cast))
	for i := range in.Cast {
		out[i] = d.obstacle(&in.Cast[i])
	}
	return out
}

// inCast reports whether a bot may act in the chat at some time.
func inCast(bot *Bot) bool { return bot.Enabled && !bot.Suspended }

// furthest returns the reason of the bot that came nearest to being eligible.
func furthest(a, b Skip) Skip {
	switch {
	case a == SkipNone || b == SkipNone:
		return SkipNone
	case a == SkipNoCast || a == SkipMuted && b != SkipNoCast:
		return b
	case b == SkipNoCast || b == SkipMuted:
		return a
	}
	return max(a, b)
}

// tempo is the bot's tempo in the range that the roster allows.
func tempo(bot *Bot) float64 {
	if bot.Tempo == 0 || math.IsNaN(bot.Tempo) {
		return 1
	}
	return within(bot.Tempo, 0.1, 10)
}

// within is the nearest value inside a range; of what is no number, its begin.
func within(v, low, high float64) float64 {
	if math.IsNaN(v) {
		return low
	}
	return min(max(v, low), high)
}
