// Package memory keeps what bots remember: facts, events, relationships and
// preferences. A memory comes to mind by its relevance, by what the talk is about
// and by who is there. Those that a bot picked up by itself fade if they are of no
// use; those of cast files and operators stay until somebody takes them back.
package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Kinds are the kinds of memories.
func Kinds() []string { return []string{"fact", "event", "relationship", "preference"} }

// Sources of memories.
const (
	Cast     = "cast"
	Operator = "operator"
	Learned  = "learned"
)

const (
	// HalfLife is after what time without use a memory comes to mind half as
	// readily.
	HalfLife = 30 * 24 * time.Hour
	// faded is how readily a learned memory comes to mind when it is forgotten: one
	// of relevance 0.5 is after half a year without use.
	faded = 0.008
	// mostLearned is how many memories a bot picks up at most; the weakest go.
	mostLearned = 200
	// mostContent is how long one is at most, in characters.
	mostContent = 1000
)

// Memory is something that a bot remembers.
type Memory struct {
	ID        int64
	Bot       string // its name
	Kind      string
	Content   string
	Relevance float64 // 0 to 1
	Uses      int
	LastUsed  *time.Time
	Created   time.Time
	Source    string
	// Strength is how readily it comes to mind now: its relevance, faded.
	Strength float64
}

// strength is how readily a memory comes to mind; $1 is the half-life.
const strength = `m.relevance * power(0.5, greatest(extract(epoch FROM now() - coalesce(m.last_used_at, m.created_at)), 0) / extract(epoch FROM $1::interval))`

const listAll = `
SELECT m.id, b.name, m.kind, m.content, m.relevance::float8, m.uses, m.last_used_at, m.created_at, m.source, (` + strength + `)::float8 AS strength
FROM memories m JOIN bots b ON b.id = m.bot_id
WHERE b.removed_at IS NULL AND ($2 = '' OR b.name = $2)
ORDER BY b.name, strength DESC, m.id LIMIT $3`

// List gives the memories of a bot, or of all if its name is "", the strongest of
// each bot first.
func List(ctx context.Context, pool *pgxpool.Pool, bot string, limit int) ([]Memory, error) {
	rows, err := pool.Query(ctx, listAll, HalfLife, bot, limit)
	if err != nil {
		return nil, fmt.Errorf("list memories: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Memory])
	if err != nil {
		return nil, fmt.Errorf("list memories: %w", err)
	}
	return all, nil
}

// Validate joins everything that is wrong with a new memory.
func (m Memory) Validate() error {
	var errs []error
	if !slices.Contains(Kinds(), m.Kind) {
		errs = append(errs, fmt.Errorf("kind: %q, want %s", m.Kind, strings.Join(Kinds(), ", ")))
	}
	if n := utf8.RuneCountInString(m.Content); n < 1 || n > mostContent {
		errs = append(errs, fmt.Errorf("content: has %d characters, want 1 to %d", n, mostContent))
	}
	if !(m.Relevance >= 0 && m.Relevance <= 1) {
		errs = append(errs, fmt.Errorf("relevance: %v, want 0 to 1", m.Relevance))
	}
	return errors.Join(errs...)
}

// ErrNoBot says that there is no bot of that name.
var ErrNoBot = errors.New("is not in the roster")

const (
	add = `
INSERT INTO memories (bot_id, kind, content, relevance, source)
SELECT id, $2, $3, $4, $5 FROM bots WHERE name = $1 AND removed_at IS NULL
ON CONFLICT (bot_id, kind, content) DO UPDATE SET relevance = excluded.relevance, source = excluded.source RETURNING id`
	forget = `DELETE FROM memories WHERE id = $1`
)

// Add gives a bot a memory, or changes the relevance of one that it has.
func Add(ctx context.Context, pool *pgxpool.Pool, m Memory) (id int64, err error) {
	err = pool.QueryRow(ctx, add, m.Bot, m.Kind, m.Content, m.Relevance, m.Source).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("%q %w", m.Bot, ErrNoBot)
	}
	if err != nil {
		return 0, fmt.Errorf("add a memory: %w", err)
	}
	return id, nil
}

// Forget takes a memory from a bot. It is false if there was none of that id.
func Forget(ctx context.Context, pool *pgxpool.Pool, id int64) (bool, error) {
	tag, err := pool.Exec(ctx, forget, id)
	if err != nil {
		return false, fmt.Errorf("forget a memory: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Chosen is a memory that came to mind.
type Chosen struct {
	ID      int64
	Content string
}

// A memory that names somebody who is there, or that is about the topic, comes to
// mind much more readily. It is about a topic if it has the beginning of one of its
// words: every turn waits for this, and similarities would take it a millisecond.
const choose = `
WITH present AS (
    SELECT DISTINCT lower(split_part(coalesce(p.display_name, who.name), ' ', 1)) AS name
    FROM (SELECT bot_id, person_id FROM messages WHERE chat_id = $3 ORDER BY sent_at DESC, number DESC LIMIT 15) said
    LEFT JOIN personas p ON p.bot_id = said.bot_id LEFT JOIN people who ON who.telegram_id = said.person_id
    WHERE said.bot_id IS DISTINCT FROM $2),
topic AS MATERIALIZED (SELECT left(word, 5) AS stem FROM regexp_split_to_table(lower($4), '\W+') AS word WHERE length(word) > 2),
mind AS (
    SELECT m.id, m.content, ` + strength + `
        * (1 + CASE WHEN EXISTS (SELECT FROM topic WHERE strpos(lower(m.content), stem) > 0) THEN 2 ELSE 0 END
            + CASE WHEN EXISTS (SELECT FROM present WHERE length(name) > 2 AND strpos(lower(m.content), name) > 0) THEN 2 ELSE 0 END) AS readiness
    FROM memories m WHERE m.bot_id = $2)
SELECT id, content FROM mind WHERE readiness > 0.25 ORDER BY readiness DESC, id LIMIT $5`

// Queue asks, as part of a batch, for up to limit memories of a bot that come to
// mind in a chat and on a topic.
func Queue(b *pgx.Batch, bot, chat int64, topic string, limit int, to *[]Chosen) {
	b.Queue(choose, HalfLife, bot, chat, topic, limit).Query(func(rows pgx.Rows) (err error) {
		*to, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Chosen])
		return err
	})
}

const use = `UPDATE memories SET uses = uses + 1, last_used_at = now() WHERE id = ANY($1)`

// Used says that memories were shown to a writer, so that they stay fresh.
func Used(ctx context.Context, pool *pgxpool.Pool, chosen []Chosen) error {
	ids := make([]int64, len(chosen))
	for i, c := range chosen {
		ids[i] = c.ID
	}
	if _, err := pool.Exec(ctx, use, ids); err != nil {
		return fmt.Errorf("note that memories were used: %w", err)
	}
	return nil
}
