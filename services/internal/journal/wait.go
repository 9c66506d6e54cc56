package journal

import (
	"context"
	"fmt"
	"time"
)

// A bot that is told to wait in two chats within the window waits in all chats, until the
// later end. Waits that ended long ago are deleted by the same statement.
const wait = `-- wait
WITH own AS (
    INSERT INTO waits AS w (bot_id, chat_id, until) VALUES ($1, $2, now() + $3::interval)
    ON CONFLICT (bot_id, chat_id) DO UPDATE SET until = greatest(w.until, excluded.until), at = now()
    RETURNING until),
others AS (
    SELECT max(until) AS until FROM waits WHERE bot_id = $1 AND chat_id NOT IN ($2, 0) AND at >= now() - $4::interval),
pruned AS (
    DELETE FROM waits WHERE (bot_id, chat_id) IN (
        SELECT bot_id, chat_id FROM waits WHERE bot_id <> $1 AND until < now() - interval '1 hour' LIMIT 100 FOR UPDATE SKIP LOCKED))
INSERT INTO waits AS w (bot_id, chat_id, until)
SELECT $1, 0, greatest(own.until, others.until) FROM own, others WHERE others.until IS NOT NULL
ON CONFLICT (bot_id, chat_id) DO UPDATE SET until = greatest(w.until, excluded.until), at = now()`

// Wait records how long Telegram told a bot to wait in a chat. Until then no sender makes
// calls of that bot in that chat. It may lengthen an earlier wait and never shortens it. A
// wait within the window after one in another chat applies to all chats. The clock is the
// database's.
func (j *Journal) Wait(ctx context.Context, bot, chat int64, length, window time.Duration) error {
	if _, err := j.pool.Exec(ctx, wait, bot, chat, length, window); err != nil {
		return fmt.Errorf("write down that bot %d has to wait in chat %d: %w", bot, chat, err)
	}
	return nil
}
