package source

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/talk"
)

// People are numbered: no measure needs their names.
const selectLines = `-- talk of a chat
SELECT m.number, coalesce(b.name, 'person ' || dense_rank() OVER (ORDER BY m.person_id)), m.bot_id IS NOT NULL, m.body, m.sent_at,
    coalesce(m.reply_to, 0), false
FROM messages m LEFT JOIN bots b ON b.id = m.bot_id
WHERE m.chat_id = $1 AND m.talk AND m.sent_at > now() - $2::interval
ORDER BY m.sent_at, m.number`

// Chat reads the recent messages of a chat, without commands and their answers.
func Chat(ctx context.Context, pool *pgxpool.Pool, chat int64, since time.Duration) ([]talk.Line, error) {
	rows, err := pool.Query(ctx, selectLines, chat, since)
	if err != nil {
		return nil, fmt.Errorf("read a chat: %w", err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowToStructByPos[talk.Line])
	if err != nil {
		return nil, fmt.Errorf("read a chat: %w", err)
	}
	return lines, nil
}
