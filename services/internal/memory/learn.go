package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Talk is what was said in a chat since it was searched for memories.
type Talk struct {
	Chat  int64
	Until time.Time // when its last line was said
	Lines []Line
	// Cast are the bots of the chat, by the names that its lines have.
	Cast map[string]int64
}

// Line is a message.
type Line struct {
	Number int64
	Author string
	Bot    int64 // 0 for a person
	Text   string
	At     time.Time
}

const (
	// fewLines is how much must have been said for a search.
	fewLines = 12
	// mostLines is how much one search looks at.
	mostLines = 40
	// atATime is how many chats are looked at in one statement.
	atATime = 500
)

const (
	// Chats are looked at in turn, some at a time, each once in a period: a claim
	// costs the same however many there are. One that is claimed is left alone by
	// others for the period, whatever becomes of the search: one that is lost costs
	// a few memories.
	claimChat = `
WITH due AS (
    SELECT id, remember_at FROM chats WHERE enabled AND removed_at IS NULL AND remember_at <= now()
    ORDER BY remember_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED),
looked AS MATERIALIZED (
    SELECT d.id, d.remember_at, coalesce(k.sent_at, 'epoch') AS since, (
        SELECT count(*) FROM (
            SELECT FROM messages m WHERE m.chat_id = d.id AND m.talk AND m.sent_at > coalesce(k.sent_at, 'epoch') LIMIT $2) new) >= $2 AS enough
    FROM due d LEFT JOIN memory_cursors k ON k.chat_id = d.id),
claimed AS (SELECT id, since FROM looked WHERE enough ORDER BY remember_at, id LIMIT 1),
moved AS (
    UPDATE chats c SET remember_at = now() + $1::interval FROM looked l
    WHERE c.id = l.id AND (NOT l.enough OR c.id IN (SELECT id FROM claimed)))
SELECT (SELECT count(*) FROM looked), coalesce((SELECT id FROM claimed), 0), coalesce((SELECT since FROM claimed), 'epoch')`

	newLines = `
SELECT * FROM (
    SELECT m.number, coalesce(p.display_name, who.name, ''), coalesce(m.bot_id, 0), m.body, m.sent_at
    FROM messages m LEFT JOIN personas p ON p.bot_id = m.bot_id LEFT JOIN people who ON who.telegram_id = m.person_id
    WHERE m.chat_id = $1 AND m.talk AND m.sent_at > $2 ORDER BY m.sent_at DESC, m.number DESC LIMIT $3) newest ORDER BY sent_at, number`

	castNames = `
SELECT p.display_name, p.bot_id FROM cast_members m JOIN personas p ON p.bot_id = m.bot_id JOIN bots b ON b.id = m.bot_id
WHERE m.chat_id = $1 AND b.removed_at IS NULL`
)

// Claim gives a chat in which enough was said since its last search, and in which
// none was begun for a period; nil if there is none.
func Claim(ctx context.Context, pool *pgxpool.Pool, period time.Duration) (*Talk, error) {
	t := &Talk{Cast: map[string]int64{}}
	var since time.Time
	for looked := atATime; t.Chat == 0; {
		if looked < atATime {
			return nil, nil //nolint:nilnil // as promised
		}
		if err := pool.QueryRow(ctx, claimChat, period, fewLines, atATime).Scan(&looked, &t.Chat, &since); err != nil {
			return nil, fmt.Errorf("claim a chat for memories: %w", err)
		}
	}
	rows, err := pool.Query(ctx, newLines, t.Chat, since, mostLines)
	if err != nil {
		return nil, fmt.Errorf("read a talk: %w", err)
	}
	if t.Lines, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Line]); err != nil {
		return nil, fmt.Errorf("read a talk: %w", err)
	}
	if len(t.Lines) > 0 {
		t.Until = t.Lines[len(t.Lines)-1].At
	}
	if rows, err = pool.Query(ctx, castNames, t.Chat); err != nil {
		return nil, fmt.Errorf("read a cast: %w", err)
	}
	var name string
	var bot int64
	_, err = pgx.ForEachRow(rows, []any{&name, &bot}, func() error {
		t.Cast[name] = bot
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read a cast: %w", err)
	}
	return t, nil
}

// New is a memory that was found in a talk.
type New struct {
	Bot       int64
	Kind      string
	Content   string
	Relevance float64
}

// Nearly the same as what the bot remembers already is nothing new.
const (
	learn = `
INSERT INTO memories (bot_id, kind, content, relevance, source)
SELECT $1, $2, $3, $4, 'learned'
WHERE NOT EXISTS (SELECT FROM memories WHERE bot_id = $1 AND similarity(content, $3) > 0.6)
ON CONFLICT DO NOTHING`
	moveOn = `INSERT INTO memory_cursors (chat_id, sent_at) VALUES ($1, $2) ON CONFLICT (chat_id) DO UPDATE SET sent_at = excluded.sent_at`

	fade = `
DELETE FROM memories m WHERE m.source = 'learned' AND m.bot_id = $2 AND (` + strength + ` < $3
    OR m.id IN (SELECT id FROM memories WHERE bot_id = $2 AND source = 'learned' ORDER BY relevance DESC, coalesce(last_used_at, created_at) DESC OFFSET $4))`
)

// Learn gives bots what was found in a talk, lets what has faded go, and marks the
// talk as searched, all at once.
func Learn(ctx context.Context, pool *pgxpool.Pool, t *Talk, found []New) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		for _, n := range found {
			if _, err := tx.Exec(ctx, learn, n.Bot, n.Kind, n.Content, n.Relevance); err != nil {
				return err
			}
		}
		for _, bot := range t.Cast {
			if _, err := tx.Exec(ctx, fade, HalfLife, bot, faded, mostLearned); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, moveOn, t.Chat, t.Until)
		return err
	})
	if err != nil {
		return fmt.Errorf("learn memories: %w", err)
	}
	return nil
}
