// Package people tells what is kept of a person.
package people

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// timeout bounds each look into the database.
const timeout = 30 * time.Second

// Kept is all that Chorus keeps of a person.
type Kept struct {
	TelegramID int64     `yaml:"telegram_id"`
	Name       string    `yaml:"name,omitempty"`
	Username   string    `yaml:"username,omitempty"`
	SeenAt     time.Time `yaml:"seen_at,omitempty"`
	Messages   []Message `yaml:"messages"`
	// Updates is how many updates about the person the bus keeps, for seven days at
	// most; their texts are those of the messages.
	Updates int `yaml:"updates_on_the_bus"`
	// Commands are those that wait for their answer.
	Commands []string `yaml:"commands_that_wait,omitempty"`
}

// Message is one that a person wrote.
type Message struct {
	Chat     string     `yaml:"chat"`
	SentAt   time.Time  `yaml:"sent_at"`
	EditedAt *time.Time `yaml:"edited_at,omitempty"`
	Text     string     `yaml:"text"`
}

// ErrNobody says that nothing is kept of a person.
var ErrNobody = errors.New("nothing is kept of this person")

const (
	findNamed   = `SELECT telegram_id FROM people WHERE lower(username) = lower($1)`
	readPerson  = `SELECT name, username, seen_at FROM people WHERE telegram_id = $1`
	readWritten = `
SELECT c.name, m.sent_at, m.edited_at, m.body FROM messages m JOIN chats c ON c.id = m.chat_id
WHERE m.person_id = $1 ORDER BY m.sent_at, m.number`
	countUpdates = `SELECT count(*) FROM updates WHERE person_id = $1`
	readCommands = `SELECT '/' || name FROM commands WHERE person_id = $1 ORDER BY said_at`
)

// Find reads a person's Telegram id, or finds it by @username.
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

// Check tells what is wrong with how a person is named.
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

// Read gives all that is kept of a person. ErrNobody says that nothing is.
func Read(ctx context.Context, pool *pgxpool.Pool, id int64) (Kept, error) {
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
	b.Queue(countUpdates, id).QueryRow(func(row pgx.Row) error { return row.Scan(&k.Updates) })
	b.Queue(readCommands, id).Query(func(rows pgx.Rows) (err error) {
		k.Commands, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err := pool.SendBatch(ctx, &b).Close(); err != nil {
		return Kept{}, fmt.Errorf("read what is kept of a person: %w", err)
	}
	if !known && len(k.Messages) == 0 && k.Updates == 0 && len(k.Commands) == 0 {
		return Kept{}, ErrNobody
	}
	return k, nil
}
