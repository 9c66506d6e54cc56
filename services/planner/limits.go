package planner

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// Limits hold over all chats, and so over all planners. What another planner is
// about to write can't be seen, so whoever comes near a limit takes a lock that
// ends with the transaction, and counts again. Nobody else uses keys up to 0.
const (
	lockAll  = `SELECT pg_advisory_xact_lock(0)`
	lockBots = `SELECT pg_advisory_xact_lock(-id) FROM unnest($1::bigint[]) AS bot(id)`

	// Counted only as far as matters.
	countAll = `
SELECT count(*) FROM (SELECT FROM turns WHERE planned_at > now() - interval '1 minute' AND kind <> 'reaction' LIMIT $1) t`
	countBots = `
SELECT b.id, said.n FROM bots b CROSS JOIN LATERAL (
    SELECT count(*)::int AS n FROM (
        SELECT FROM turns t
        WHERE t.bot_id = b.id AND t.kind <> 'reaction' AND t.planned_at > now() - interval '1 hour' LIMIT b.hourly_max) t) said
WHERE b.id = ANY($1)`
)

// nearness is the part of its hourly limit from which on a bot is counted under
// a lock. It leaves room for what several planners plan side by side.
const nearness = 4

// holdLimits gives the inputs counts that stay true until the transaction ends.
func holdLimits(ctx context.Context, tx pgx.Tx, due []decide.Input, values *settings.Values) error {
	var b pgx.Batch
	if most := settings.GlobalMaxMessagesPerMinute.Of(values, 0, 0); most > 0 {
		b.Queue(lockAll)
		b.Queue(countAll, most).QueryRow(func(row pgx.Row) error {
			var planned int
			err := row.Scan(&planned)
			for i := range due {
				due[i].GlobalLastMinute = planned
			}
			return err
		})
	}
	if near := nearLimit(due); len(near) > 0 {
		b.Queue(lockBots, near)
		b.Queue(countBots, near).Query(func(rows pgx.Rows) error { return recount(rows, due) })
	}
	if b.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("hold the limits: %w", err)
	}
	return nil
}

// nearLimit is the bots that are not far from their hourly limit, in the order
// in which everybody locks them.
func nearLimit(due []decide.Input) []int64 {
	var near []int64
	for _, in := range due {
		for _, bot := range in.Cast {
			if bot.Enabled && !bot.Suspended && bot.LastHour*nearness >= bot.HourlyMax {
				near = append(near, bot.ID)
			}
		}
	}
	slices.Sort(near)
	return slices.Compact(near)
}

func recount(rows pgx.Rows, due []decide.Input) error {
	said := map[int64]int{}
	var id int64
	var n int
	for rows.Next() {
		if err := rows.Scan(&id, &n); err != nil {
			return err
		}
		said[id] = n
	}
	for i := range due {
		for j := range due[i].Cast {
			if bot := &due[i].Cast[j]; said[bot.ID] > bot.LastHour {
				bot.LastHour = said[bot.ID]
			}
		}
	}
	return rows.Err()
}

// tally counts what a batch plans, which its later decisions must know of.
type tally struct {
	all  int
	bots map[int64]int
}

// tell adds what was planned so far to what the database says.
func (t *tally) tell(in *decide.Input) {
	in.GlobalLastMinute += t.all
	for i := range in.Cast {
		in.Cast[i].LastHour += t.bots[in.Cast[i].ID]
	}
}

func (t *tally) add(turn *decide.Turn) {
	if turn.Kind != decide.KindReaction {
		t.all++
		t.bots[turn.BotID]++
	}
}
