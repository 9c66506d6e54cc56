package command

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// silence describes a reason for a chat's silence.
type silence struct {
	// now describes the silence now, then the missing answer to an earlier message. They
	// are empty if the reason's name is sufficient, or the text depends on the chat.
	now, then string
	lasts     lasting
}

// lasting says how long a silence lasts: for a while; for hours; or until somebody changes
// something. The last two are printed at the start of chorus up.
type lasting int

const (
	aWhile lasting = iota
	hoursLong
	untilChanged
)

func silences() map[decide.Skip]silence {
	return map[decide.Skip]silence{
		decide.SkipNone:          {now: "a turn can be planned"},
		decide.SkipChatDisabled:  {"silent: the chat is switched off or removed (enabled, in its cast file)", "the chat was switched off", untilChanged},
		decide.SkipSimulationOff: {"silent: simulation_active is false, for this chat or for all", "simulation_active was off", untilChanged},
		decide.SkipNoCast:        {"silent: no bot of its cast may act, see below", "no bot of its cast could act", untilChanged},
		decide.SkipMuted:         {"silent: everybody who may act is muted, see below", "everybody who could act was muted", untilChanged},
		decide.SkipManual:        {"silent unless asked, or told to speak: speaker_order is manual", "", untilChanged},
		decide.SkipPaused:        {"", "a director had paused the chat", untilChanged},
		decide.SkipAsleep:        {"", "everybody was asleep", hoursLong},
		decide.SkipApprovals:     {"", "too many texts waited to be approved", hoursLong},
		decide.SkipHourlyLimit:   {"silent: everybody awake has reached the limit of an hour", "everybody awake had reached the limit of an hour", aWhile},
		decide.SkipChatLimit:     {"silent: the chat has reached max_msgs_per_min", "the chat had reached max_msgs_per_min", aWhile},
		decide.SkipGlobalLimit: {
			"silent: all chats together have reached global_max_msgs_per_min", "all chats together had reached global_max_msgs_per_min", aWhile,
		},
		decide.SkipTextsBehind:   {"silent: max_unwritten_turns messages wait for their texts", "too many texts waited to be written", aWhile},
		decide.SkipDayLimit:      {"silent until midnight UTC: the chat has reached max_msgs_per_day", "the chat had reached max_msgs_per_day", aWhile},
		decide.SkipNoNeed:        {now: "silent: nothing needs an answer, and more is about to be said"},
		decide.SkipPromptGone:    {then: "the message was no longer there"},
		decide.SkipPromptLate:    {then: "it had waited for too long"},
		decide.SkipAddresseeAway: {then: "whom it was for could not answer"},
		decide.SkipUnreachable:   {then: "nobody who could answer saw the message"},
		decide.SkipPersonAnswers: {then: "the person had got person_max_answers_per_hour"},
		decide.SkipChatAnswers:   {then: "the chat's people had got max_answers_per_hour"},
		decide.SkipForgotten:     {then: "too many people waited behind it"},
	}
}

// nowIn says whether a turn can be planned now, or why not.
func nowIn(o planner.Outlook) string {
	in, skip := o.Input, o.Decision.Skip
	switch skip {
	case decide.SkipAsleep:
		return "silent: everybody is asleep until " + wakes(in)
	case decide.SkipPaused:
		return "silent: " + pausedOn(in, "paused", in.Paused)
	case decide.SkipApprovals:
		return fmt.Sprintf("silent: %d texts wait for somebody to approve them, or will (max_held_texts)", in.Held+in.UnwrittenTurns)
	default:
		return cmp.Or(silences()[skip].now, "silent: "+skip.String())
	}
}

// unansweredBecause describes a reason for missing answers, given by its name.
func unansweredBecause(name string) string {
	for skip, words := range silences() {
		if skip.String() == name && words.then != "" {
			return words.then
		}
	}
	return strings.ReplaceAll(name, "_", " ")
}

// nextIn says when the chat's next turn is due; empty if only a change by somebody ends its
// silence.
func nextIn(o planner.Outlook) string {
	if silences()[o.Decision.Skip].lasts == untilChanged {
		return ""
	}
	wait := o.Input.Due.Sub(o.Input.Now).Round(time.Second)
	if wait <= 0 {
		return "due now"
	}
	return fmt.Sprintf("due %s, in %v", onClock(o.Input, o.Input.Due), wait)
}

// refusedTo says in a few words what Telegram refuses to a bot; empty for nothing. The
// reason and the end are printed elsewhere, because they may be long.
func refusedTo(bot string, states []rosterpg.Refusal) string {
	for _, s := range states {
		if s.Bot != bot {
			continue
		}
		switch s.What() {
		case rosterpg.BotStopped:
			return "stopped, see below"
		case rosterpg.BotResting:
			return "resting, see below"
		case rosterpg.BotOnTrial:
			return "on trial, see below"
		case rosterpg.BotSuspended:
			return "suspended, see below"
		}
		return "quiet, see below"
	}
	return ""
}

// state describes what a bot does now, including Telegram's refusals.
func state(in decide.Input, bot *decide.Bot, obstacle decide.Skip, states []rosterpg.Refusal) string {
	refused := refusedTo(bot.Name, states)
	switch {
	case refused != "":
		return refused
	case !bot.Enabled:
		return "switched off"
	case bot.Muted != nil:
		return pausedOn(in, "muted", bot.Muted)
	case bot.Suspended:
		return "tried again after a pause: its open message shows whether Telegram lets it act here"
	case obstacle == decide.SkipAsleep:
		return "asleep until " + onClock(in, hours.Next(bot.ActiveHours, in.Now.In(zone(in))))
	case obstacle == decide.SkipHourlyLimit:
		return "silent: at the limit of an hour"
	}
	return "awake"
}

// wakes returns the time at which the first bot of a sleeping cast wakes up.
func wakes(in decide.Input) string {
	var first time.Time
	for i, obstacle := range decide.Obstacles(in) {
		if obstacle != decide.SkipAsleep {
			continue
		}
		if at := hours.Next(in.Cast[i].ActiveHours, in.Now.In(zone(in))); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return onClock(in, first)
}

func zone(in decide.Input) *time.Location {
	if in.Chat.TimeZone == nil {
		return time.UTC
	}
	return in.Chat.TimeZone
}

// pausedOn describes a director's pause: "paused by Kim until Mon 15:04:05 (UTC)".
func pausedOn(in decide.Input, what string, p *decide.Pause) string {
	what += " by " + p.By
	if !p.Until.IsZero() {
		what += " until " + onClock(in, p.Until)
	}
	return what
}

// onClock formats a time in the chat's time zone.
func onClock(in decide.Input, at time.Time) string {
	return fmt.Sprintf("%s (%v)", at.In(zone(in)).Format("Mon 15:04:05"), zone(in))
}

// maxSilent limits the silent chats that are listed at a start.
const maxSilent = 5

// tellSilent prints each chat that stays silent for now, with the reason.
func tellSilent(ctx context.Context, w io.Writer, pool *pgxpool.Pool, pace time.Duration) error {
	names, err := store.Collect(ctx, pool, "look at the chats", pgx.RowTo[string],
		`SELECT name FROM chats WHERE removed_at IS NULL ORDER BY id LIMIT $1`, maxSilent)
	if err != nil {
		return err
	}
	for _, name := range names {
		outlook, err := look(ctx, pool, pace, name)
		if err != nil {
			return err
		}
		if silences()[outlook.Decision.Skip].lasts == aWhile {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s is %s\n", name, nowIn(outlook)); err != nil {
			return err
		}
	}
	return nil
}
