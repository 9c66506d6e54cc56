package planner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// Limits of bots, and of all chats together, hold over all planners, and none of
// them sees what another is about to write. So before a planner writes, it takes
// the locks of what it has planned for, which end with the transaction, and
// counts again. Whoever was overtaken decides anew.
const (
	countAll = `
SELECT count(*)::int FROM (SELECT FROM turns WHERE planned_at > now() - interval '1 minute' AND kind <> 'reaction' LIMIT $1) t`

	// Nobody else uses keys up to 0.
	lockLimits = `SELECT pg_advisory_xact_lock(-key) FROM unnest($1::bigint[]) AS k(key)`
	overLimit  = `
SELECT EXISTS (
    SELECT FROM unnest($1::bigint[], $2::bigint[]) AS planned(bot_id, n) JOIN bots b ON b.id = planned.bot_id
    WHERE b.hourly_max < planned.n + (
        SELECT count(*) FROM (
            SELECT FROM turns t
            WHERE t.bot_id = b.id AND (t.bot_id, t.planned_at) > (b.id, now() - interval '1 hour') AND t.kind <> 'reaction'
            LIMIT b.hourly_max) t))`
)

// Locks are shared out, because a database has only some thousand of them.
const (
	lockOfAll  = 0
	locksOfAll = 256
)

// errOvertaken says that another planner has used up a limit since this one
// looked.
var errOvertaken = errors.New("another planner was faster")

// tally counts the messages that a batch plans. Its later decisions must know of
// the earlier ones.
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

// confirm makes sure that what was planned is within the limits, and remains so
// until the transaction ends. It gives errOvertaken if it no longer is.
func (t *tally) confirm(ctx context.Context, tx pgx.Tx, values *settings.Values) error {
	if t.all == 0 {
		return nil
	}
	bots := slices.Sorted(maps.Keys(t.bots))
	said := make([]int, len(bots))
	keys := make([]int64, len(bots), len(bots)+1)
	for i, bot := range bots {
		said[i], keys[i] = t.bots[bot], lockOfAll+1+bot%locksOfAll
	}
	most := settings.GlobalMaxMessagesPerMinute.Of(values, 0, 0)
	if most > 0 {
		keys = append(keys, lockOfAll)
	}
	slices.Sort(keys)

	var over bool
	var all int
	var b pgx.Batch
	b.Queue(lockLimits, slices.Compact(keys))
	b.Queue(overLimit, bots, said).QueryRow(func(row pgx.Row) error { return row.Scan(&over) })
	if most > 0 {
		b.Queue(countAll, most).QueryRow(func(row pgx.Row) error { return row.Scan(&all) })
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("confirm the limits: %w", err)
	}
	if over || most > 0 && all+t.all > most {
		return errOvertaken
	}
	return nil
}
