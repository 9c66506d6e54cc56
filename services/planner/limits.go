package planner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// The limits of bots, and of all chats together, hold for all planners together, and no
// planner sees what another is about to write. So each counts its turns in the transaction
// that writes them, which locks the counters' rows until it ends. A planner that finds a
// limit reached there decides again.
const (
	// counting counts the planned messages. It locks the counters of the bots in "speaking"
	// in order, so that planners don't deadlock. Of the bots below their limit it also
	// counts the sum, with the limit in "allowed". "room" holds the bots that may speak.
	counting = `
counted AS (
    INSERT INTO turn_counts AS c (bot_id, counts, counted_in)
    SELECT bot_id, ARRAY[n], extract(epoch FROM now())::bigint / 60 FROM speaking ORDER BY bot_id
    ON CONFLICT (bot_id) DO UPDATE SET
        counts = counted(c.counts, c.counted_in, EXCLUDED.counted_in, 60, EXCLUDED.counts[1]),
        counted_in = greatest(c.counted_in, EXCLUDED.counted_in)
    WHERE recently(c.counts, c.counted_in, EXCLUDED.counted_in, 60) + EXCLUDED.counts[1] <= (SELECT hourly_max FROM bots WHERE id = c.bot_id)
    RETURNING bot_id),
together AS (
    INSERT INTO turn_counts AS c (bot_id, counts, counted_in)
    SELECT 0, ARRAY[sum(n)::integer], extract(epoch FROM now())::bigint FROM speaking JOIN counted USING (bot_id)
    WHERE (SELECT n > 0 FROM allowed) HAVING count(*) > 0
    ON CONFLICT (bot_id) DO UPDATE SET
        counts = counted(c.counts, c.counted_in, EXCLUDED.counted_in, 60, EXCLUDED.counts[1]),
        counted_in = greatest(c.counted_in, EXCLUDED.counted_in)
    WHERE recently(c.counts, c.counted_in, EXCLUDED.counted_in, 60) + EXCLUDED.counts[1] <= (SELECT n FROM allowed)
    RETURNING bot_id),
room AS MATERIALIZED (SELECT bot_id FROM counted WHERE (SELECT n = 0 FROM allowed) OR EXISTS (SELECT FROM together))`

	countBots = `-- count bots
WITH speaking AS (SELECT * FROM unnest($1::bigint[], $2::integer[]) AS s(bot_id, n)), allowed AS (SELECT $3::integer AS n),` + counting + `
SELECT count(*) FROM room`

	// One planner at a time counts the answers to a person. Nothing else uses advisory keys
	// below 0.
	lockPerson = `-- lock the person
SELECT pg_advisory_xact_lock(-1 - abs(mod($1::bigint, 256)))`
)

// errOvertaken says that another planner has reached a limit since this one read the
// counts.
var errOvertaken = errors.New("another planner was faster")

// tally counts the messages that a batch plans, so that its later decisions see the earlier
// ones.
type tally struct {
	all  int
	bots map[int64]int
	// askers are the persons who get an answer, in the order of their locks. maxOfPerson is
	// the limit for each; 0 for none.
	askers      []int64
	maxOfPerson int
}

// asks records that a planned answer is for people, and the hourly limit of a person; 0 is
// no limit.
func (t *tally) asks(prompts []*journal.Prompt, limit int) {
	t.maxOfPerson = limit
	for _, p := range prompts {
		t.askers = append(t.askers, p.Person)
	}
	slices.SortFunc(t.askers, func(a, b int64) int { return cmp.Compare(max(a%locks, -a%locks), max(b%locks, -b%locks)) })
}

// locks is the number of advisory locks that persons share.
const locks = 256

// tell adds the turns planned so far to the counts from the database.
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

// confirm writes the counts. It returns errOvertaken if they exceed a limit.
func (t *tally) confirm(ctx context.Context, tx pgx.Tx, values *settings.Values) error {
	if t.all == 0 {
		return nil
	}
	bots := slices.Sorted(maps.Keys(t.bots))
	said := make([]int, len(bots))
	for i, bot := range bots {
		said[i] = t.bots[bot]
	}
	counted, full := 0, false
	var b pgx.Batch
	b.Queue(countBots, bots, said, settings.GlobalMaxMessagesPerMinute.Of(values, 0, 0)).QueryRow(func(row pgx.Row) error { return row.Scan(&counted) })
	if t.maxOfPerson > 0 {
		for _, person := range t.askers {
			b.Queue(lockPerson, person)
			b.Queue(countOfPerson, person).QueryRow(func(row pgx.Row) error {
				var answers int
				err := row.Scan(&answers)
				full = full || answers >= t.maxOfPerson
				return err
			})
		}
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("count what is planned: %w", err)
	}
	if counted < len(bots) || full {
		return errOvertaken
	}
	return nil
}
