// Package people exports and erases what is stored about a person, for the person's request. Both
// search the same places by the same marks.
package people

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
)

// timeout limits each call to the database.
const timeout = 30 * time.Second

// Kept is everything that Chorus stores about a person.
type Kept struct {
	TelegramID int64     `yaml:"telegram_id"`
	Name       string    `yaml:"name,omitempty"`
	Username   string    `yaml:"username,omitempty"`
	SeenAt     time.Time `yaml:"seen_at,omitempty"`
	Messages   []Message `yaml:"messages"`
	// Prompts counts their messages that wait for an answer.
	Prompts int `yaml:"messages_that_wait_for_an_answer,omitempty"`
	// Commands are their commands that wait for an answer.
	Commands []string `yaml:"commands_that_wait,omitempty"`
	// Presses counts their decisions on waiting texts that aren't carried out yet.
	Presses int `yaml:"decisions_that_wait,omitempty"`
	// Answers counts the answers to them in the last hours, which limits are about.
	Answers int `yaml:"answers_counted_for_limits,omitempty"`
	// Memories are memories that bots drew from talks with the person.
	Memories []Memory `yaml:"memories,omitempty"`
	// Lines are texts of bots, sent or not, that answer or name the person, or use words that
	// nobody had used in the chat before them.
	Lines []Line `yaml:"said_by_bots,omitempty"`
	// Forgotten is the time up to which the person asked to be forgotten.
	Forgotten *time.Time `yaml:"forgotten_until,omitempty"`
}

// Memory is a memory of a bot.
type Memory struct {
	Chat    string    `yaml:"chat"`
	Bot     string    `yaml:"bot"`
	About   bool      `yaml:"about_them"` // else it may only derive from their words
	Content string    `yaml:"content"`
	Created time.Time `yaml:"created_at"`
}

// Line is a text of a bot.
type Line struct {
	Chat  string    `yaml:"chat"`
	Bot   string    `yaml:"bot"`
	At    time.Time `yaml:"at"`
	Why   string    `yaml:"why"`
	Text  string    `yaml:"text,omitempty"`
	Notes []string  `yaml:"notes,omitempty"`
}

// Message is a message of the person.
type Message struct {
	Chat     string     `yaml:"chat"`
	SentAt   time.Time  `yaml:"sent_at"`
	EditedAt *time.Time `yaml:"edited_at,omitempty"`
	Text     string     `yaml:"text"`
}

// ErrNobody reports that nothing is stored about a person.
var ErrNobody = errors.New("nothing is kept of this person")

const (
	findNamed   = `SELECT telegram_id FROM people WHERE lower(username) = lower($1)`
	readPerson  = `SELECT name, username, seen_at FROM people WHERE telegram_id = $1`
	readWritten = `
SELECT c.name, m.sent_at, m.edited_at, m.body FROM messages m JOIN chats c ON c.id = m.chat_id
WHERE m.person_id = $1 ORDER BY m.sent_at, m.number`
	countPrompts = `SELECT count(*) FROM prompts WHERE person_id = $1`
	countPresses = `SELECT count(*) FROM presses WHERE person_id = $1`
	countAnswers = `SELECT count(*) FROM answers WHERE person_id = $1`
	readMemories = `
SELECT c.name, b.name, p.about, m.content, m.created_at
FROM memory_people p JOIN memories m ON m.id = p.memory_id JOIN chats c ON c.id = m.chat_id JOIN bots b ON b.id = m.bot_id
WHERE p.person_id = $1 ORDER BY m.created_at, m.id`
	// The time of the person's request, and nothing else, is kept of it.
	readForgotten = `SELECT at FROM forgotten WHERE person_id = $1`
	chatNames     = `SELECT id, name FROM chats WHERE id = ANY($1)`
	botNames      = `SELECT id, name FROM bots WHERE id = ANY($1)`
	readCommands  = `SELECT '/' || name FROM commands WHERE person_id = $1 ORDER BY said_at`
)

// Find parses a person's Telegram id, or finds it by @username.
func Find(ctx context.Context, pool *pgxpool.Pool, who string) (int64, error) {
	if username, named := strings.CutPrefix(who, "@"); named {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		var id int64
		err := pool.QueryRow(ctx, findNamed, username).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return 0, ErrNobody
		}
		if err != nil {
			return 0, fmt.Errorf("find %s: %w", who, err)
		}
		return id, nil
	}
	return parse(who)
}

// Check reports whether who can name a person.
func Check(who string) error {
	if username, named := strings.CutPrefix(who, "@"); named && username != "" {
		return nil
	}
	_, err := parse(who)
	return err
}

func parse(who string) (int64, error) {
	id, err := strconv.ParseInt(who, 10, 64)
	if err != nil || id == 0 {
		return 0, fmt.Errorf("%q: want a person's Telegram id, that of a chat, below 0, for who writes as it, or @USERNAME", who)
	}
	return id, nil
}

// Read returns everything that is stored about a person, or ErrNobody.
func Read(ctx context.Context, pool *pgxpool.Pool, id int64) (Kept, error) {
	k, err := ReadOwn(ctx, pool, id)
	if err != nil {
		return k, err
	}
	k.Lines, err = ReadLines(ctx, pool, id)
	return k, err
}

// ReadOwn returns the same without the lines of bots. Finding them takes a search of everything
// stored about the person's chats.
func ReadOwn(ctx context.Context, pool *pgxpool.Pool, id int64) (Kept, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	k := Kept{TelegramID: id}
	var b pgx.Batch
	known := false
	b.Queue(readPerson, id).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			known = true
			if err := rows.Scan(&k.Name, &k.Username, &k.SeenAt); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	b.Queue(readWritten, id).Query(func(rows pgx.Rows) (err error) {
		k.Messages, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Message])
		return err
	})
	b.Queue(countPrompts, id).QueryRow(func(row pgx.Row) error { return row.Scan(&k.Prompts) })
	b.Queue(readCommands, id).Query(func(rows pgx.Rows) (err error) {
		k.Commands, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	b.Queue(countPresses, id).QueryRow(func(row pgx.Row) error { return row.Scan(&k.Presses) })
	b.Queue(countAnswers, id).QueryRow(func(row pgx.Row) error { return row.Scan(&k.Answers) })
	b.Queue(readMemories, id).Query(func(rows pgx.Rows) (err error) {
		k.Memories, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Memory])
		return err
	})
	b.Queue(readForgotten, id).Query(func(rows pgx.Rows) error {
		if _, err := pgx.ForEachRow(rows, []any{&k.Forgotten}, func() error { return nil }); err != nil {
			return fmt.Errorf("read when: %w", err)
		}
		return nil
	})
	if err := pool.SendBatch(ctx, &b).Close(); err != nil {
		return Kept{}, fmt.Errorf("read what is kept of a person: %w", err)
	}
	if !known && len(k.Messages) == 0 && k.Prompts == 0 && k.Presses == 0 && len(k.Commands) == 0 && k.Answers == 0 && len(k.Memories) == 0 && k.Forgotten == nil {
		return Kept{}, ErrNobody
	}
	return k, nil
}

// ReadLines returns the lines of bots about a person, in order of time.
func ReadLines(ctx context.Context, pool *pgxpool.Pool, id int64) ([]Line, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	m, err := marksOf(ctx, pool, id)
	if err != nil {
		return nil, err
	}
	words := m.words()
	about, err := m.about(ctx, journal.New(pool), words)
	if err != nil {
		return nil, err
	}
	var bots []int64
	for i := range about {
		bots = append(bots, about[i].Bot)
	}
	botNamed, err := namesBy(ctx, pool, botNames, bots)
	if err != nil {
		return nil, err
	}
	chatNamed, err := namesBy(ctx, pool, chatNames, m.chats())
	if err != nil {
		return nil, err
	}
	var all []Line
	for _, f := range about {
		l := Line{Chat: chatNamed[f.Chat], Bot: botNamed[f.Bot], At: f.At, Why: f.why, Text: f.Text}
		for _, note := range f.Notes {
			if m.Names.In(note) || words[f.Chat].In(note) {
				l.Notes = append(l.Notes, note)
			}
		}
		if l.Text != "" || len(l.Notes) > 0 {
			all = append(all, l)
		}
	}
	slices.SortStableFunc(all, func(a, b Line) int { return a.At.Compare(b.At) })
	return all, nil
}

func namesBy(ctx context.Context, pool *pgxpool.Pool, sql string, ids []int64) (map[int64]string, error) {
	found := map[int64]string{}
	var id int64
	var name string
	if err := store.Each(ctx, pool, "read names", []any{&id, &name}, func() error {
		found[id] = name
		return nil
	}, sql, ids); err != nil {
		return nil, err
	}
	return found, nil
}
