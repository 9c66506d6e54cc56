package decide

import "fmt"

// Skip is the reason for planning no turn.
type Skip int

// The reasons for no turn.
const (
	// SkipNone means that there is a turn.
	SkipNone Skip = iota
	// SkipChatDisabled: the chat is switched off.
	SkipChatDisabled
	// SkipSimulationOff: the setting simulation_active is off, here or globally.
	SkipSimulationOff
	// SkipNoCast: no bot of the cast may act here at any time.
	SkipNoCast
	// SkipAsleep: it is nobody's active hour.
	SkipAsleep
	// SkipHourlyLimit: everybody awake has reached their limit of the hour.
	SkipHourlyLimit
	// SkipChatLimit: the chat has reached its messages of the minute.
	SkipChatLimit
	// SkipGlobalLimit: all chats together have reached theirs.
	SkipGlobalLimit
	// SkipTextsBehind: too many of the chat's texts are still to be written.
	SkipTextsBehind
	// SkipPromptGone: the message to answer is not among the recent ones, or
	// not a person's.
	SkipPromptGone
	// SkipPromptLate: the message has waited for longer than a turn may take.
	SkipPromptLate
	// SkipAnswered: a bot has answered the message already, or is about to.
	SkipAnswered
	// SkipAddresseeAway: whom the message is for can't answer now.
	SkipAddresseeAway
	// SkipUnreachable: nobody who could answer can name the message.
	SkipUnreachable
	// SkipPersonAnswers: the person got as many answers in the last hour as one
	// person may.
	SkipPersonAnswers
	// SkipChatAnswers: the people of the chat got as many answers in the last hour
	// as a chat may.
	SkipChatAnswers
	// SkipDayLimit: the chat has reached its messages of the day.
	SkipDayLimit
	// SkipNoNeed: nothing that was said needs an answer, and somebody is about to speak.
	SkipNoNeed
	// SkipForgotten: so many people wait behind the message that it gets no answer.
	SkipForgotten
	// SkipPaused: a director has paused the chat, or all.
	SkipPaused
	// SkipMuted: a director has muted every bot that might act.
	SkipMuted
	// SkipManual: by the setting speaker_order, nobody speaks unasked.
	SkipManual
	// SkipApprovals: as many of the chat's texts as may wait for a person do, or will.
	SkipApprovals
)

// Passes reports whether the reason ends by itself soon, so that the caller may wait.
func (s Skip) Passes() bool {
	return s == SkipTextsBehind || s == SkipChatLimit || s == SkipGlobalLimit || s == SkipApprovals
}

// Skips are all reasons for no turn.
func Skips() []Skip {
	skips := make([]Skip, 0, SkipApprovals)
	for s := SkipChatDisabled; s <= SkipApprovals; s++ {
		skips = append(skips, s)
	}
	return skips
}

// names are those of the reasons in metrics.
//
//nolint:gochecknoglobals // constant
var names = [...]string{
	SkipNone:          "none",
	SkipChatDisabled:  "chat_disabled",
	SkipSimulationOff: "simulation_off",
	SkipNoCast:        "no_cast",
	SkipAsleep:        "asleep",
	SkipHourlyLimit:   "hourly_limit",
	SkipChatLimit:     "chat_limit",
	SkipGlobalLimit:   "global_limit",
	SkipTextsBehind:   "texts_behind",
	SkipPromptGone:    "prompt_gone",
	SkipPromptLate:    "prompt_late",
	SkipAnswered:      "answered",
	SkipAddresseeAway: "addressee_away",
	SkipUnreachable:   "unreachable",
	SkipPersonAnswers: "person_limit",
	SkipChatAnswers:   "answer_limit",
	SkipDayLimit:      "day_limit",
	SkipNoNeed:        "no_need",
	SkipForgotten:     "forgotten",
	SkipPaused:        "paused",
	SkipMuted:         "muted",
	SkipManual:        "manual",
	SkipApprovals:     "approvals",
}

// String is the reason's name in metrics.
func (s Skip) String() string {
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("skip_%d", int(s))
	}
	return names[s]
}
