package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/people/trace"
)

// Talk holds the messages of a chat since its last search for memories.
type Talk struct {
	Chat  int64
	Until time.Time // time of the last line
	Lines []Line
	// Cast holds the names of the chat's personas, by the ids of their bots.
	Cast map[int64]string
	// People holds the people whose words memories may derive from, with their names: authors of
	// lines, people whom a line answers, and people named in one.
	People map[int64]string
}

// Line is a message.
type Line struct {
	Number int64
	Author string
	Bot    int64 // 0 for a person
	Person int64 // 0 for a bot
	Text   string
	At     time.Time
}

const (
	// fewLines is the least number of new messages for a search.
	fewLines = 12
	// maxLines limits the messages of one search.
	maxLines = 40
	// atATime limits the chats that one statement checks.
	atATime = 500
)

const (
	// Chats are checked in turn, some at a time, each once in a period: so a claim costs the same
	// for any number of chats. A claim keeps others away for the period, whatever becomes of the
	// search; a lost search loses a few memories.
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
    SELECT m.number, coalesce(p.display_name, who.name, ''), coalesce(m.bot_id, 0), coalesce(m.person_id, 0), m.body, m.sent_at
    FROM messages m LEFT JOIN personas p ON p.bot_id = m.bot_id LEFT JOIN people who ON who.telegram_id = m.person_id
    WHERE m.chat_id = $1 AND m.talk AND m.sent_at > $2 ORDER BY m.sent_at DESC, m.number DESC LIMIT $3) newest ORDER BY sent_at, number`

	// Recent authors in the chat are included, because bots may talk about people who are silent
	// now.
	peopleOf = `
SELECT telegram_id, name, username, telegram_id IN (
    SELECT person_id FROM messages WHERE chat_id = $1 AND person_id IS NOT NULL AND number = ANY($2)
    UNION ALL
    SELECT r.person_id FROM messages m JOIN messages r ON r.chat_id = m.chat_id AND r.number = m.reply_to
    WHERE m.chat_id = $1 AND m.number = ANY($2) AND r.person_id IS NOT NULL)
FROM people WHERE telegram_id IN (SELECT person_id FROM messages WHERE chat_id = $1 AND person_id IS NOT NULL)`

	castNames = `
SELECT p.bot_id, p.display_name FROM cast_members m JOIN personas p ON p.bot_id = m.bot_id JOIN bots b ON b.id = m.bot_id
WHERE m.chat_id = $1 AND b.removed_at IS NULL`
)

// Claim returns a chat with enough new messages and no search within the period; nil if there is
// none.
func Claim(ctx context.Context, pool *pgxpool.Pool, period time.Duration) (*Talk, error) {
	t := &Talk{Cast: map[int64]string{}, People: map[int64]string{}}
	var since time.Time
	for looked := atATime; t.Chat == 0; {
		if looked < atATime {
			return nil, nil //nolint:nilnil // nil means that no chat is due
		}
		if err := pool.QueryRow(ctx, claimChat, period, fewLines, atATime).Scan(&looked, &t.Chat, &since); err != nil {
			return nil, fmt.Errorf("claim a chat for memories: %w", err)
		}
	}
	var err error
	if t.Lines, err = store.Collect(ctx, pool, "read a talk", pgx.RowToStructByPos[Line], newLines, t.Chat, since, maxLines); err != nil {
		return nil, err
	}
	if len(t.Lines) > 0 {
		t.Until = t.Lines[len(t.Lines)-1].At
	}
	var name string
	var bot int64
	if err := store.Each(ctx, pool, "read a cast", []any{&bot, &name}, func() error {
		t.Cast[bot] = name
		return nil
	}, castNames, t.Chat); err != nil {
		return nil, err
	}
	return t, t.people(ctx, pool)
}

// numbers returns the numbers of the messages.
func (t *Talk) numbers() []int64 {
	all := make([]int64, len(t.Lines))
	for i, l := range t.Lines {
		all[i] = l.Number
	}
	return all
}

// people fills in the people whose words may be in the talk.
func (t *Talk) people(ctx context.Context, pool *pgxpool.Pool) error {
	var said strings.Builder
	for _, l := range t.Lines {
		said.WriteString(l.Text)
		said.WriteByte('\n')
	}
	var id int64
	var name, username string
	var wrote bool
	return store.Each(ctx, pool, "read who takes part in a talk", []any{&id, &name, &username, &wrote}, func() error {
		if wrote || trace.NamesOf(name, username).In(said.String()) {
			t.People[id] = name
		}
		return nil
	}, peopleOf, t.Chat, t.numbers())
}

// New is a memory found in a talk.
type New struct {
	Bot       int64
	Kind      string
	Content   string
	Relevance float64
	// AboutBots and AboutPeople are the bots and people it is about.
	AboutBots, AboutPeople []int64
}

// A memory that is nearly equal to an existing one of the bot is not added.
const (
	learn = `
WITH alike AS (
    SELECT id, chat_id FROM memories WHERE bot_id = $1 AND (chat_id = $5 OR chat_id IS NULL) AND similarity(content, $3) > 0.6
    ORDER BY similarity(content, $3) DESC LIMIT 1),
learned AS (
    INSERT INTO memories (bot_id, kind, content, relevance, source, chat_id, about_bots)
    SELECT $1, $2, $3, $4, 'learned', $5, $6 WHERE NOT EXISTS (SELECT FROM alike)
    ON CONFLICT DO NOTHING RETURNING id, chat_id)
INSERT INTO memory_people (memory_id, person_id, about)
SELECT m.id, p.id, p.id = ANY($8::bigint[]) FROM (TABLE learned UNION ALL TABLE alike) m, unnest($7::bigint[]) AS p(id) WHERE m.chat_id IS NOT NULL
ON CONFLICT (memory_id, person_id) DO UPDATE SET about = memory_people.about OR excluded.about`
	// An erasure locks these rows, too. After it the messages are gone, and nothing may be learned
	// from them.
	lockPeople = `SELECT FROM people WHERE telegram_id = ANY($1) ORDER BY telegram_id FOR SHARE`
	stillThere = `SELECT count(*) = cardinality($2::bigint[]) FROM messages WHERE chat_id = $1 AND number = ANY($2)`

	moveOn = `INSERT INTO memory_cursors (chat_id, sent_at) VALUES ($1, $2) ON CONFLICT (chat_id) DO UPDATE SET sent_at = excluded.sent_at`

	fade = `
DELETE FROM memories m WHERE m.chat_id = $5 AND m.bot_id = $2 AND (` + strength + ` < $3
    OR m.id IN (SELECT id FROM memories WHERE bot_id = $2 AND chat_id = $5 ORDER BY relevance DESC, coalesce(last_used_at, created_at) DESC OFFSET $4))`
)

// nonNil returns an array for a column that allows no NULL.
func nonNil(ids []int64) []int64 { return append([]int64{}, ids...) }

// Learn stores the memories found in a talk, deletes faded ones, and marks the talk as searched, in
// one transaction. If a message of the talk was deleted after the claim, it stores no memories.
func Learn(ctx context.Context, pool *pgxpool.Pool, t *Talk, found []New) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		people := slices.Sorted(maps.Keys(t.People))
		if _, err := tx.Exec(ctx, lockPeople, people); err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, stillThere, t.Chat, t.numbers()).Scan(&there); err != nil {
			return err
		}
		if !there {
			found = nil
		}
		for _, n := range found {
			if _, err := tx.Exec(ctx, learn, n.Bot, n.Kind, n.Content, n.Relevance, t.Chat, nonNil(n.AboutBots), people, nonNil(n.AboutPeople)); err != nil {
				return err
			}
		}
		for bot := range t.Cast {
			if _, err := tx.Exec(ctx, fade, HalfLife, bot, faded, maxLearned, t.Chat); err != nil {
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
