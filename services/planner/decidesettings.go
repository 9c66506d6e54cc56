package planner

import (
	"sync"

	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// Effective returns the settings of a chat.
func Effective(v *settings.Values, chatID int64) decide.Settings {
	return decide.Settings{
		// The global value is the main switch. A chat can't override it.
		Active: settings.SimulationActive.Of(v, 0, 0) && settings.SimulationActive.Of(v, chatID, 0),

		ScaleFactor:  settings.ScaleFactor.Of(v, chatID, 0),
		PrimeBoost:   settings.PrimeHoursBoost.Of(v, chatID, 0),
		PrimeHours:   settings.PrimeHours.Of(v, chatID, 0),
		PrimeFactor:  settings.PrimeHoursFactor.Of(v, chatID, 0),
		MinGap:       settings.MinGap.Of(v, chatID, 0),
		MaxGapFactor: settings.MaxGapFactor.Of(v, chatID, 0),
		LivelyGap:    settings.LivelyGapFactor.Of(v, chatID, 0),

		ChatPerMinute:     settings.MaxMessagesPerMinute.Of(v, chatID, 0),
		GlobalPerMinute:   settings.GlobalMaxMessagesPerMinute.Of(v, 0, 0),
		MaxUnwrittenTurns: settings.MaxUnwrittenTurns.Of(v, chatID, 0),
		Holds:             settings.Approval.Of(v, chatID, 0) != "auto",
		MaxHeld:           settings.MaxHeldTexts.Of(v, chatID, 0),
		TurnTTL:           settings.TurnTTL.Of(v, chatID, 0),
		PersonAnswers:     settings.PersonMaxAnswersPerHour.Of(v, 0, 0),
		ChatAnswers:       settings.MaxAnswersPerHour.Of(v, chatID, 0),
		ChatPerDay:        settings.MaxMessagesPerDay.Of(v, chatID, 0),
		MaxWaiting:        settings.MaxWaitingPrompts.Of(v, chatID, 0),
		JointProbability:  settings.JointAnswerProbability.Of(v, chatID, 0),

		LagBoost:       settings.HourlyMinBoost.Of(v, chatID, 0),
		AddressedBoost: settings.AddressedBoost.Of(v, chatID, 0),

		AdditionProbability:     settings.AdditionProbability.Of(v, chatID, 0),
		MaxRun:                  settings.MaxRun.Of(v, chatID, 0),
		ExchangeProbability:     settings.ExchangeProbability.Of(v, chatID, 0),
		MaxRally:                settings.MaxRally.Of(v, chatID, 0),
		FairShare:               settings.FairShare.Of(v, chatID, 0),
		FloorPull:               settings.FloorPull.Of(v, chatID, 0),
		TempoPull:               settings.TempoPull.Of(v, chatID, 0),
		SecondAnswerProbability: settings.SecondAnswerProbability.Of(v, chatID, 0),
		MinNeed:                 settings.MinNeed.Of(v, chatID, 0),

		ReactionProbability:   settings.ReactionProbability.Of(v, chatID, 0),
		ReplyProbability:      settings.ReplyProbability.Of(v, chatID, 0),
		ReplyToBotProbability: settings.ReplyToBotsProbability.Of(v, chatID, 0),
		MentionProbability:    settings.MentionProbability.Of(v, chatID, 0),
		MentionAtStart:        settings.MentionAtStart.Of(v, chatID, 0),
		NewsProbability:       settings.NewsProbability.Of(v, chatID, 0),
		BubblesProbability:    settings.BubblesProbability.Of(v, chatID, 0),

		ReplyWindow:    settings.ReplyWindow.Of(v, chatID, 0),
		ReactionWindow: settings.ReactionWindow.Of(v, chatID, 0),
		TopicWindow:    settings.TopicWindow.Of(v, chatID, 0),
		ReplyMaxAge:    settings.ReplyMaxAge.Of(v, chatID, 0),
		CooldownFilter: settings.CooldownFilter.Of(v, chatID, 0),

		LengthShort:  settings.LengthShort.Of(v, chatID, 0),
		LengthMedium: settings.LengthMedium.Of(v, chatID, 0),
		LengthLong:   settings.LengthLong.Of(v, chatID, 0),

		RefreshMessages: settings.PersonaRefreshMessages.Of(v, chatID, 0),
		RefreshAfter:    settings.PersonaRefreshAfter.Of(v, chatID, 0),

		Order: settings.SpeakerOrder.Of(v, chatID, 0),

		ReactionMode: settings.ReactionMode.Of(v, chatID, 0),
	}
}

// maxUnwritten caches the highest limit of unwritten texts among all chats.
type maxUnwritten struct {
	mu     sync.Mutex
	values *settings.Values
	n      int
}

func (m *maxUnwritten) of(v *settings.Values) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n == 0 || m.values != v {
		m.values, m.n = v, settings.Highest(v, settings.MaxUnwrittenTurns)
	}
	return m.n
}
