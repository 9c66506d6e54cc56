package generator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/generator/guard"
)

const (
	// botWindow is how long a bot does not say the same again, in any chat.
	botWindow = 12 * time.Hour
	// chatWindow is after how many messages a chat may hear the same again.
	chatWindow = 40
)

// repeats compares texts with what was said, and with what waits to be said.
type repeats struct {
	pool *pgxpool.Pool
	// similarity of trigrams from which a text is nearly the same, 0 to 1.
	similarity float64
}

// Trigrams know no case, marks and white space, so what is the same but for those
// has the similarity 1. Texts whose lengths differ much can't be alike, and are not
// compared. What every message of the chat ends with is nothing that was said.
const findRepeat = `
WITH said AS (
    (SELECT body FROM messages WHERE chat_id = $1 ORDER BY sent_at DESC, number DESC LIMIT $5)
    UNION ALL (SELECT body FROM deliveries WHERE chat_id = $1 AND body IS NOT NULL AND closed_at IS NULL AND turn_no <> $7)
    UNION ALL SELECT body FROM messages WHERE bot_id = $2 AND sent_at > now() - $6::interval
    UNION ALL SELECT body FROM deliveries WHERE bot_id = $2 AND body IS NOT NULL AND closed_at IS NULL AND (chat_id, turn_no) <> ($1, $7)),
bare AS (SELECT CASE WHEN $8 = '' THEN body ELSE replace(body, ' ' || $8, '') END AS body FROM said),
compared AS (
    SELECT body, CASE WHEN lower(body) = lower($3) THEN 1 ELSE similarity(body, $3) END AS alike
    FROM bare WHERE length(body) BETWEEN length($3) * $4::float8 * 0.8 AND length($3) / $4::float8 * 1.25)
SELECT body, alike FROM compared WHERE alike >= $4 ORDER BY alike DESC LIMIT 1`

// find gives an objection to a text that was said before.
func (r *repeats) find(ctx context.Context, chat, turn, bot int64, text, disclaimer string) (*guard.Objection, error) {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	var said string
	var alike float64
	err := r.pool.QueryRow(ctx, findRepeat, chat, bot, text, r.similarity, chatWindow, botWindow, turn, disclaimer).Scan(&said, &alike)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // nobody has said it
	}
	if err != nil {
		return nil, fmt.Errorf("look for repetitions: %w", err)
	}
	how := "nearly the same"
	if alike >= 1 {
		how = "the same"
	}
	reason := fmt.Sprintf("It says %s as an earlier message: %q. Say something else.", how, beginning(said, mostQuoted))
	return &guard.Objection{Rule: guard.RuleRepeat, Reason: reason}, nil
}

// mostQuoted is how much of an earlier message a writer is shown.
const mostQuoted = 200
