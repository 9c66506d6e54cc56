package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// MaybeSaid selects turns or deliveries that were said, may have been said, or are still
// open. Limits on messages count these rows only.
const MaybeSaid = `coalesce(outcome, 'delivered') IN ('delivered', 'fell_back', 'unknown')`

// Counts are locked in the planner's order: first the clocks of the chats, then the bots'
// counts, then the count of all bots.
const (
	unsaid = `
FROM turns t WHERE counted AND outcome IN ('rejected', 'expired', 'dead', 'passed') AND kind IN ('message', 'reply')`
	anyUnsaid = `-- look for what was not said
SELECT EXISTS (SELECT` + unsaid + `)`
	// One of a turn's several messages may have been said.
	findUnsaid = `-- find what was not said
SELECT chat_id, turn_no, bot_id, planned_at, payload, EXISTS (
    SELECT FROM deliveries d WHERE d.chat_id = t.chat_id AND d.turn_no = t.turn_no AND d.outcome IN ('delivered', 'fell_back', 'unknown'))` + unsaid + `
ORDER BY chat_id, turn_no LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED`
	noteUnsaid = `-- note what was not said
UPDATE turns t SET counted = false FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no) WHERE t.chat_id = u.chat_id AND t.turn_no = u.turn_no`

	unsaidOfChats = `-- give back what was not said in chats
WITH unsaid AS (
    SELECT chat_id, array_agg(extract(epoch FROM at)::bigint / 5) AS slots,
        count(*) FILTER (WHERE (at AT TIME ZONE 'UTC')::date = (now() AT TIME ZONE 'UTC')::date) AS today
    FROM unnest($1::bigint[], $2::timestamptz[]) AS u(chat_id, at) GROUP BY 1),
locked AS MATERIALIZED (SELECT chat_id FROM chat_clock WHERE chat_id = ANY($1) ORDER BY chat_id FOR NO KEY UPDATE)
UPDATE chat_clock c SET counts = uncounted(counts, counted_in, slots, 2),
    texts = CASE WHEN texts_day = (now() AT TIME ZONE 'UTC')::date THEN greatest(texts - today, 0) ELSE texts END
FROM unsaid JOIN locked USING (chat_id) WHERE c.chat_id = unsaid.chat_id`
	unsaidOfBots = `-- give back what bots did not say
WITH unsaid AS (
    SELECT bot_id, array_agg(extract(epoch FROM at)::bigint / 60) AS slots FROM unnest($1::bigint[], $2::timestamptz[]) AS u(bot_id, at) GROUP BY 1),
locked AS MATERIALIZED (SELECT bot_id FROM turn_counts WHERE bot_id = ANY($1) ORDER BY bot_id FOR NO KEY UPDATE)
UPDATE turn_counts c SET counts = uncounted(counts, counted_in, slots, 1)
FROM unsaid JOIN locked USING (bot_id) WHERE c.bot_id = unsaid.bot_id`
	unsaidOfAll = `-- give back what all did not say
UPDATE turn_counts SET counts = uncounted(counts, counted_in, ARRAY(SELECT extract(epoch FROM at)::bigint FROM unnest($1::timestamptz[]) at), 10)
WHERE bot_id = 0`
	// A person who got no answer may get another one.
	unanswered = `-- give back what was not answered
DELETE FROM answers a USING unnest($1::bigint[], $2::bigint[]) AS u(chat_id, message) WHERE a.chat_id = u.chat_id AND a.message = u.message`
)

// Uncount takes up to limit turns that ended unsaid out of the counts behind the limits:
// messages per chat, per bot and in all, and answers to people. It returns the number of
// turns that it looked at.
func (j *Journal) Uncount(ctx context.Context, limit int) (n int, err error) {
	var found bool
	if err := j.pool.QueryRow(ctx, anyUnsaid).Scan(&found); err != nil {
		return 0, fmt.Errorf("look for what was not said: %w", err)
	}
	if !found { // the usual case
		return 0, nil
	}
	err = store.InTx(ctx, j.pool, func(tx pgx.Tx) error {
		var chats, turns, in, bots, asked, messages []int64
		var at []time.Time
		var chat, turn, bot int64
		var planned time.Time
		var payload []byte
		var said bool
		if err := store.Each(ctx, tx, "find what was not said", []any{&chat, &turn, &bot, &planned, &payload, &said}, func() error {
			if chats, turns = append(chats, chat), append(turns, turn); said {
				return nil
			}
			in, bots, at = append(in, chat), append(bots, bot), append(at, planned)
			t := decode(payload, &chorusv1.Turn{})
			for _, message := range []int64{t.GetTargetMessage(), t.GetAlsoAnswers()} {
				if message != 0 {
					asked, messages = append(asked, chat), append(messages, message)
				}
			}
			return nil
		}, findUnsaid, limit); err != nil || len(chats) == 0 {
			return err
		}
		n = len(chats)
		var b pgx.Batch
		b.Queue(noteUnsaid, chats, turns)
		if len(in) > 0 {
			b.Queue(unsaidOfChats, in, at)
			b.Queue(unsaidOfBots, bots, at)
			b.Queue(unsaidOfAll, at)
			b.Queue(unanswered, asked, messages)
		}
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return 0, fmt.Errorf("give back what was not said: %w", err)
	}
	return n, nil
}
