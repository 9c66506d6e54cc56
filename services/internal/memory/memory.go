// Package memory stores what bots remember: facts, events, relationships and preferences. The
// generator shows a bot the memories with the greatest strength, given the topic and the members
// who are present. Memories learned from a talk belong to its chat and its people: they are used in
// this chat only, fade if unused, and are deleted with each of these people. Memories from cast
// files and operators hold in all chats, and stay until somebody deletes them.
package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Kinds returns the kinds of memories.
func Kinds() []string { return []string{"fact", "event", "relationship", "preference"} }

// Sources of memories.
const (
	Cast     = "cast"
	Operator = "operator"
	Learned  = "learned"
)

const (
	// HalfLife is the time without use after which a memory's strength is halved.
	HalfLife = 30 * 24 * time.Hour
	// faded is the strength below which a learned memory is deleted: one of relevance 0.5 after
	// half a year without use.
	faded = 0.008
	// maxLearned limits the memories that a bot learns in a chat; the weakest are deleted.
	maxLearned = 200
	// maxContent limits the length of a memory, in characters.
	maxContent = 1000
)

// Memory is something that a bot remembers.
type Memory struct {
	ID        int64
	Bot       string // the bot's name
	Kind      string
	Content   string
	Relevance float64 // 0 to 1
	Uses      int
	Source    string
	// Chat is the name of the chat it was learned in; empty for all others.
	Chat string
	// Strength is its relevance, reduced by the time without use.
	Strength float64
	// About holds the names of the people and bots it is about, if it was learned.
	About []string
}

// strength computes a memory's strength; $1 is the half-life. It uses date_part, because powers of
// numerics, which extract returns, would take ten times as long.
const strength = `m.relevance * power(0.5::float8,
    greatest(date_part('epoch', now() - coalesce(m.last_used_at, m.created_at)), 0) / date_part('epoch', $1::interval))`

const listAll = `
SELECT m.id, b.name, m.kind, m.content, m.relevance::float8, m.uses, m.source,
    coalesce(c.name, ''), (` + strength + `)::float8 AS strength,
    ARRAY(SELECT p.name FROM memory_people a JOIN people p ON p.telegram_id = a.person_id WHERE a.memory_id = m.id AND a.about
        UNION SELECT display_name FROM personas WHERE bot_id = ANY(m.about_bots) ORDER BY 1)
FROM memories m JOIN bots b ON b.id = m.bot_id LEFT JOIN chats c ON c.id = m.chat_id
WHERE b.removed_at IS NULL AND ($2 = '' OR b.name = $2)
ORDER BY b.name, strength DESC, m.id LIMIT $3`

// List returns the memories of a bot, or of all bots for "", the strongest of each bot first.
func List(ctx context.Context, pool *pgxpool.Pool, bot string, limit int) ([]Memory, error) {
	return store.Collect(ctx, pool, "list memories", pgx.RowToStructByPos[Memory], listAll, HalfLife, bot, limit)
}

// Validate joins all errors of a new memory.
func (m Memory) Validate() error {
	var errs []error
	if !slices.Contains(Kinds(), m.Kind) {
		errs = append(errs, fmt.Errorf("kind: %q, want %s", m.Kind, strings.Join(Kinds(), ", ")))
	}
	if n := utf8.RuneCountInString(m.Content); n < 1 || n > maxContent {
		errs = append(errs, fmt.Errorf("content: has %d characters, want 1 to %d", n, maxContent))
	}
	if !(m.Relevance >= 0 && m.Relevance <= 1) {
		errs = append(errs, fmt.Errorf("relevance: %v, want 0 to 1", m.Relevance))
	}
	return errors.Join(errs...)
}

// ErrNoBot reports that there is no bot of that name.
var ErrNoBot = errors.New("is not in the roster")

const (
	add = `
INSERT INTO memories (bot_id, kind, content, relevance, source)
SELECT id, $2, $3, $4, $5 FROM bots WHERE name = $1 AND removed_at IS NULL
ON CONFLICT (bot_id, kind, content) WHERE chat_id IS NULL DO UPDATE SET relevance = excluded.relevance, source = excluded.source RETURNING id`
	forget = `DELETE FROM memories WHERE id = $1`
)

// Add gives a bot a memory, or changes the relevance of an existing one.
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

// Forget deletes a memory. It returns false if there was none with that id.
func Forget(ctx context.Context, pool *pgxpool.Pool, id int64) (bool, error) {
	tag, err := pool.Exec(ctx, forget, id)
	if err != nil {
		return false, fmt.Errorf("forget a memory: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Chosen is a memory that may be shown to a writer.
type Chosen struct {
	ID      int64
	Content string
	// Strength is its current strength.
	Strength float64
	// Learned reports that it was learned from a talk. Then Bots and People are its subjects; for
	// others, only the names in their content show them.
	Learned      bool
	Bots, People []int64
}

// maxAwake limits the memories of a bot that are considered: the strongest.
const maxAwake = 300

const awake = `
SELECT bot_id, id, content, strength FROM (
    SELECT *, row_number() OVER (PARTITION BY bot_id ORDER BY strength DESC, id) AS place
    FROM (SELECT m.*, (` + strength + `)::float8 AS strength FROM memories m WHERE m.bot_id = ANY($2) AND m.chat_id IS NULL) weighed) ranked
WHERE place <= $3 ORDER BY bot_id, place`

// Awake returns memories of bots that hold in all chats, the strongest of each bot first.
func Awake[B ~int64](ctx context.Context, pool *pgxpool.Pool, bots []B) (map[B][]Chosen, error) {
	found := make(map[B][]Chosen, len(bots))
	var bot B
	var c Chosen
	if err := store.Each(ctx, pool, "look for memories", []any{&bot, &c.ID, &c.Content, &c.Strength}, func() error {
		found[bot] = append(found[bot], c)
		return nil
	}, awake, HalfLife, bots, maxAwake); err != nil {
		return nil, err
	}
	return found, nil
}

// LearnedIn is a query of the memories that bots learned in chats, the strongest first. Its columns
// are n, the index from 1 of the chat and bot; id, content and strength of the memory; and the bots
// and people it is about. LearnedArgs returns its parameters. It must be read for each text and not
// cached: what an erasure deleted must be in no later prompt.
const LearnedIn = `
SELECT u.n, l.id, l.content, l.strength, l.about_bots,
    coalesce((SELECT array_agg(p.person_id) FROM memory_people p WHERE p.memory_id = l.id AND p.about), '{}')
FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS u(chat_id, bot_id, n) CROSS JOIN LATERAL (
    SELECT m.*, (` + strength + `)::float8 AS strength FROM memories m
    WHERE m.chat_id = u.chat_id AND m.bot_id = u.bot_id ORDER BY strength DESC, m.id LIMIT $4) l
ORDER BY u.n, l.strength DESC, l.id`

// LearnedArgs returns the parameters $1 to $4 of LearnedIn; $2 are the chats and $3 the bots.
func LearnedArgs(chats, bots []int64) []any { return []any{HalfLife, chats, bots, maxAwake} }

// Present holds the names of present members, by Chorus' ids of bots and Telegram's of people.
type Present struct {
	Bots, People map[int64]string
	// Cast holds the names of the chat's personas, present or not.
	Cast []string
}

const (
	// boost is added to the factor of a memory's strength if it is about a present member, and
	// again if it is about the topic.
	boost = 2
	// readiest is the least strength, with its factor, of a chosen memory.
	readiest = 0.25
	// shortWord is the length up to which words are ignored.
	shortWord = 2
	stem      = 5
)

// Choose returns up to limit memories for a topic and the present members. A memory is about a
// topic if it contains the beginning of one of the topic's words.
//
// The subjects of a learned memory are known by id, so another person of the same name doesn't
// match. Other memories match by names; if a bot and a person share a name, the bot counts, because
// these memories are about the cast.
func Choose(all []Chosen, topic string, present Present, limit int) []Chosen {
	var stems []string
	for _, word := range words(topic) {
		stems = append(stems, string(word[:min(len(word), stem)]))
	}
	names := firstNames(slices.Values(present.Cast))
	namesakes := func(name string) bool { return slices.Contains(names, name) }
	people := slices.DeleteFunc(firstNames(maps.Values(present.People)), namesakes)
	names = append(firstNames(maps.Values(present.Bots)), people...)
	var chosen []Chosen
	for _, m := range all {
		content := strings.ToLower(m.Content)
		within := func(word string) bool { return strings.Contains(content, word) }
		factor := 1.0
		if slices.ContainsFunc(stems, within) {
			factor += boost
		}
		about := !m.Learned && slices.ContainsFunc(names, within)
		if about || anyOf(present.Bots, m.Bots) || anyOf(present.People, m.People) {
			factor += boost
		}
		if m.Strength *= factor; m.Strength > readiest {
			chosen = append(chosen, m)
		}
	}
	slices.SortStableFunc(chosen, func(a, b Chosen) int { return cmp.Compare(b.Strength, a.Strength) })
	return chosen[:min(len(chosen), limit)]
}

func firstNames(of iter.Seq[string]) []string {
	var names []string
	for name := range of {
		if first := words(name); len(first) > 0 {
			names = append(names, string(first[0]))
		}
	}
	return names
}

func anyOf(present map[int64]string, about []int64) bool {
	return slices.ContainsFunc(about, func(id int64) bool { _, there := present[id]; return there })
}

// words returns the words of a text in lower case, without short ones.
func words(text string) [][]rune {
	var all [][]rune
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
		if runes := []rune(word); len(runes) > shortWord {
			all = append(all, runes)
		}
	}
	return all
}

// Rows are locked in order, so that two generators can't deadlock.
const use = `
WITH used AS (SELECT id, count(*) AS times FROM unnest($1::bigint[]) AS u(id) GROUP BY id),
locked AS (SELECT id, times FROM memories JOIN used USING (id) ORDER BY id FOR NO KEY UPDATE OF memories)
UPDATE memories m SET uses = uses + times, last_used_at = now() FROM locked WHERE m.id = locked.id`

// Used records that memories, by their ids, were shown to a writer, once for each occurrence of an
// id; this keeps them fresh.
func Used(ctx context.Context, pool *pgxpool.Pool, ids []int64) error {
	if _, err := pool.Exec(ctx, use, ids); err != nil {
		return fmt.Errorf("note that memories were used: %w", err)
	}
	return nil
}
