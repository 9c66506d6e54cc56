package planner

import (
	"context"
	"fmt"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// Wake makes the planner check the chats that wait for a change, and the clocks, after the
// roster or a setting has changed. It never blocks.
func (p *Planner) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// waiting returns the journal's name of what a skipped chat waits for; "" for the next turn
// of its clock.
func waiting(s decide.Skip) string {
	switch s {
	case decide.SkipChatDisabled, decide.SkipSimulationOff, decide.SkipNoCast, decide.SkipAsleep, decide.SkipPaused, decide.SkipMuted, decide.SkipManual,
		decide.SkipApprovals:
		return s.String()
	case decide.SkipNone, decide.SkipHourlyLimit, decide.SkipChatLimit, decide.SkipGlobalLimit, decide.SkipTextsBehind,
		decide.SkipPromptGone, decide.SkipPromptLate, decide.SkipAnswered, decide.SkipAddresseeAway, decide.SkipUnreachable,
		decide.SkipPersonAnswers, decide.SkipChatAnswers, decide.SkipDayLimit, decide.SkipNoNeed, decide.SkipForgotten:
	}
	return ""
}

const (
	// The statement compares the chat and its bots with the state at the last planning, not
	// with a time. A change is committed later than its updated_at. The caller checks the
	// settings.
	findWaiting = `-- find waiting chats
SELECT k.chat_id, k.waiting_for
FROM chat_clock k JOIN chats c ON c.id = k.chat_id
WHERE k.waiting_for IS NOT NULL AND CASE k.waiting_for
    WHEN 'chat_disabled' THEN c.enabled AND c.removed_at IS NULL
    WHEN 'simulation_off' THEN true
    WHEN 'manual' THEN true
    WHEN 'approvals' THEN true
    WHEN 'muted' THEN true
    WHEN 'paused' THEN NOT EXISTS (
        SELECT FROM pauses p WHERE p.chat_id IN (k.chat_id, 0) AND p.bot_id = 0 AND (p.until IS NULL OR p.until > now()))
    WHEN 'no_cast' THEN EXISTS (
        SELECT FROM cast_members m JOIN bots b ON b.id = m.bot_id
        WHERE m.chat_id = k.chat_id AND m.suspended_at IS NULL AND b.enabled AND b.removed_at IS NULL AND b.stopped_at IS NULL)
    ELSE (
        SELECT (greatest(c.updated_at, max(b.updated_at)), count(*) FILTER (
            WHERE m.suspended_at IS NULL AND b.enabled AND b.removed_at IS NULL AND b.stopped_at IS NULL))
        FROM cast_members m JOIN bots b ON b.id = m.bot_id WHERE m.chat_id = k.chat_id
    ) IS DISTINCT FROM (k.waiting_changed, k.waiting_cast::bigint)
    END
ORDER BY k.chat_id`

	// The order of the chats prevents deadlocks between planners. The second planner finds
	// nothing to do.
	endWaiting = `-- end waits
WITH woken AS (
    SELECT k.chat_id, least(c.mean_gap, $2::interval) * ((u.n - 1)::float8 / cardinality($1::bigint[])) AS later
    FROM unnest($1::bigint[]) WITH ORDINALITY AS u(chat_id, n)
    JOIN chat_clock k ON k.chat_id = u.chat_id JOIN chats c ON c.id = u.chat_id
    WHERE k.waiting_for IS NOT NULL
    ORDER BY k.chat_id FOR UPDATE OF k)
UPDATE chat_clock k SET waiting_for = NULL, waiting_since = NULL, next_turn_at = least(k.next_turn_at, clock_timestamp() + woken.later)
FROM woken WHERE k.chat_id = woken.chat_id`

	// A chat without waiting_for is between two turns, or asleep.
	shortenWaits = `-- shorten waits
UPDATE chat_clock SET next_turn_at = clock_timestamp() + $1::interval
WHERE next_turn_at > clock_timestamp() + 2 * $1::interval AND waiting_for IS NULL`

	// wakeApart is the time between the first turns of chats that are woken together, but
	// each starts within its mean gap.
	wakeApart = 5 * time.Millisecond
)

// keepPace shortens the waits of chats that were planned with a slower pace than the
// configured one.
func (p *Planner) keepPace(ctx context.Context) error {
	if p.cfg.Pace == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	if _, err := p.Pool.Exec(ctx, shortenWaits, p.cfg.Pace); err != nil {
		return fmt.Errorf("shorten the waits of chats: %w", err)
	}
	return nil
}

// endWaits makes chats due if their reason to wait has ended or may have ended. It doesn't
// touch chats that talk; a new pace holds from their next turn on.
//
// It runs between two batches of this planner, so that no batch under way still uses the
// state from before the change.
func (p *Planner) endWaits(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	values := p.Settings.Current()
	var woken []int64
	var chat int64
	var reason string
	if err := store.Each(ctx, p.Pool, "find waiting chats", []any{&chat, &reason}, func() error {
		set := Effective(values, chat)
		switch { // for approvals, the decision checks itself whether texts still wait
		case reason == decide.SkipSimulationOff.String() && !set.Active,
			reason == decide.SkipManual.String() && set.Order == decide.OrderManual,
			reason == decide.SkipApprovals.String() && set.Holds:
			return nil
		}
		woken = append(woken, chat)
		return nil
	}, findWaiting); err != nil {
		return err
	}
	if len(woken) == 0 {
		return nil
	}
	if _, err := p.Pool.Exec(ctx, endWaiting, woken, time.Duration(len(woken))*wakeApart); err != nil {
		return fmt.Errorf("end the wait of %d chats: %w", len(woken), err)
	}
	return nil
}
