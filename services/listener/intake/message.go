package intake

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// window limits the difference between the times of two copies of a message in a basic
// group. Telegram gives all copies the same time; the rest allows for rounding.
const window = 2 * time.Second

// repliedWindow is the same limit for a message of one of our bots. If Telegram didn't
// return the time of sending, the row has the time of PostgreSQL's clock.
const repliedWindow = time.Minute

const (
	// The order of ids prevents deadlocks.
	putPeople = `-- write people
INSERT INTO people (telegram_id, name, username)
SELECT DISTINCT ON (id) id, name, username FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY AS p(id, name, username, n)
ORDER BY id, n DESC
ON CONFLICT (telegram_id) DO UPDATE SET name = excluded.name, username = excluded.username, seen_at = now()
WHERE people.name <> excluded.name OR people.username <> excluded.username OR people.seen_at < now() - interval '1 hour'`

	findNumber = `-- find a message
SELECT number FROM messages WHERE chat_id = $1 AND telegram_id = $3 AND $2 = 0
UNION ALL SELECT number FROM message_ids WHERE chat_id = $1 AND viewer = $2 AND telegram_id = $3
ORDER BY number DESC LIMIT 1`

	// A copy has the author, text and time of a message for which this bot has no id yet.
	// Of several, the nearest in time is taken, then the first. The bot's id of the message
	// is recorded in the same statement.
	findOriginal = `-- find the original
WITH known AS (SELECT number FROM message_ids WHERE chat_id = $1 AND viewer = $6 AND telegram_id = $7),
copy AS (
    SELECT m.number FROM messages m
    WHERE m.chat_id = $1 AND m.person_id = $2 AND m.original = $3 AND m.sent_at BETWEEN $4::timestamptz - $5::interval AND $4::timestamptz + $5::interval
      AND NOT EXISTS (SELECT FROM message_ids i WHERE i.chat_id = $1 AND i.number = m.number AND i.viewer = $6) AND NOT EXISTS (SELECT FROM known)
    ORDER BY abs(extract(epoch FROM m.sent_at - $4::timestamptz)), m.number LIMIT 1),
named AS (INSERT INTO message_ids (chat_id, viewer, telegram_id, number) SELECT $1, $6, $7, number FROM copy)
SELECT number FROM known UNION ALL SELECT number FROM copy`

	findOurs = `-- find our message
SELECT m.number FROM messages m
WHERE m.chat_id = $1 AND m.bot_id = $2 AND m.body = $3 AND m.sent_at BETWEEN $4::timestamptz - $5::interval AND $4::timestamptz + $5::interval
  AND NOT EXISTS (SELECT FROM message_ids i WHERE i.chat_id = m.chat_id AND i.number = m.number AND i.viewer = $6)
ORDER BY abs(extract(epoch FROM m.sent_at - $4::timestamptz)), m.number LIMIT 1`

	nameMessage = `-- name a message
INSERT INTO message_ids (chat_id, viewer, telegram_id, number)
SELECT chat_id, $2, $3, number FROM messages WHERE chat_id = $1 AND number = $4
ON CONFLICT DO NOTHING`

	insertMessage = `-- write a message
WITH said AS (
    INSERT INTO messages (chat_id, person_id, reply_to, telegram_id, body, sent_at, original, talk)
    VALUES ($1, $2, nullif($3::bigint, 0), CASE WHEN $7::bigint = 0 THEN $8::bigint END, $4, $5, $6, $9)
    RETURNING chat_id, number),
named AS (
    INSERT INTO message_ids (chat_id, viewer, telegram_id, number) SELECT chat_id, $7, $8, number FROM said WHERE $7 > 0)
SELECT number FROM said`

	insertCommand = `-- write a command
INSERT INTO commands (chat_id, message, bot_id, person_id, anonymous, name, argument, said_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
)

// fromPerson tells whether an update reports a message of a person.
func fromPerson(u *incoming.Update) bool {
	return u.Kind == incoming.Message || u.Kind == incoming.Edit
}

// people writes the authors of the updates. It ends updates that are older than their
// author's request to be forgotten.
func (s *session) people(ctx context.Context) error {
	var ids []int64
	for _, u := range s.pending() {
		if fromPerson(u) {
			ids = append(ids, u.From.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	s.forgotten = map[int64]time.Time{}
	var id int64
	var at time.Time
	if err := store.Each(ctx, s.tx, "find who is forgotten", []any{&id, &at}, func() error {
		s.forgotten[id] = at
		return nil
	}, findForgotten, ids); err != nil {
		return err
	}
	ids = nil
	var names, usernames []string
	for i, u := range s.pending() {
		if !fromPerson(u) {
			continue
		}
		// Telegram's times are whole seconds.
		if at, ok := s.forgotten[u.From.ID]; ok && u.At.Before(at) {
			s.results[i] = Forgotten
			continue
		}
		if u.Kind == incoming.Message {
			ids, names, usernames = append(ids, u.From.ID), append(names, u.From.Name), append(usernames, u.From.Username)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if _, err := s.tx.Exec(ctx, putPeople, ids, names, usernames); err != nil {
		return fmt.Errorf("write people: %w", err)
	}
	return nil
}

// message writes a message, or only this bot's id of it if the message is there already.
func (s *session) message(ctx context.Context, c *chat, u *incoming.Update) (Result, error) {
	viewer := s.viewer(u, c)
	var original *int64
	if viewer != 0 {
		hash := fingerprint(u.Text)
		original = &hash
		copied, err := s.copied(ctx, c, u, viewer, hash)
		if err != nil || copied {
			return Copy, err
		}
	} else if m := (messageKey{c.id, u.MessageID}); s.seen[m] {
		return Copy, nil
	} else {
		s.seen[m] = true
	}
	replyTo, err := s.replied(ctx, c, u, viewer)
	if err != nil {
		return "", err
	}
	var number int64
	err = s.tx.QueryRow(ctx, insertMessage, c.id, u.From.ID, replyTo, u.Text, u.At, original, viewer, u.MessageID, u.Command == nil).Scan(&number)
	if err != nil {
		return "", fmt.Errorf("write a message: %w", err)
	}
	if err := s.prompt(ctx, c, u, number, replyTo); err != nil {
		return "", err
	}
	bot, name := s.command(u)
	if name == "" {
		return Written, nil
	}
	_, err = s.tx.Exec(ctx, insertCommand, c.id, number, bot.ID, u.From.ID, u.From.Anonymous, name, u.Command.Argument, s.happened(u))
	if err != nil {
		return "", fmt.Errorf("write a command: %w", err)
	}
	s.commands = true
	return Written, nil
}

// prompt writes a prompt if a message needs an answer: it mentions one of our bots, replies
// to one, or asks the group a question. A reply to somebody else asks that person. A
// command gets the command's answer and none in character. An unknown command is meant for
// another bot.
func (s *session) prompt(ctx context.Context, c *chat, u *incoming.Update, number, replyTo int64) error {
	addressed := s.addressed(u)
	if u.Command != nil || len(addressed) == 0 && (replyTo != 0 || !incoming.Asks(u.Text)) {
		return nil
	}
	s.prompted = append(s.prompted, c.id)
	return s.journal.AddPrompt(ctx, s.tx, &journal.Prompt{
		ChatID: c.id, Message: number, Person: u.From.ID, AddressedBots: addressed, HappenedAt: s.happened(u), HeardAt: s.now,
	})
}

// copied finds the message of a basic group of which this is a copy, and records this bot's
// id of it.
func (s *session) copied(ctx context.Context, c *chat, u *incoming.Update, viewer, hash int64) (bool, error) {
	number, err := s.find(ctx, findOriginal, c.id, u.From.ID, hash, u.At, window, viewer, u.MessageID)
	return number != 0, err
}

// replied returns our number of the message that u replies to; 0 if it is unknown.
func (s *session) replied(ctx context.Context, c *chat, u *incoming.Update, viewer int64) (int64, error) {
	if u.ReplyTo == nil {
		return 0, nil
	}
	number, err := s.number(ctx, c, viewer, u.ReplyTo.MessageID)
	if err != nil || number != 0 || viewer == 0 {
		return number, err
	}
	// Bots don't receive each other's messages. So in a basic group only a reply shows this
	// bot's id of another bot's message.
	author, ours := s.cast.account(u.ReplyTo.From)
	if !ours {
		return 0, nil
	}
	number, err = s.find(ctx, findOurs, c.id, author.ID, u.ReplyTo.Text, u.ReplyTo.At, repliedWindow, viewer)
	if err != nil || number == 0 {
		return 0, err
	}
	return number, s.name(ctx, c, viewer, u.ReplyTo.MessageID, number)
}

func (s *session) number(ctx context.Context, c *chat, viewer, telegramID int64) (int64, error) {
	return s.find(ctx, findNumber, c.id, viewer, telegramID)
}

// find returns the number that a query finds; 0 for none.
func (s *session) find(ctx context.Context, sql string, args ...any) (number int64, err error) {
	err = s.tx.QueryRow(ctx, sql, args...).Scan(&number)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("find a message: %w", err)
	}
	return number, nil
}

func (s *session) name(ctx context.Context, c *chat, viewer, telegramID, number int64) error {
	if _, err := s.tx.Exec(ctx, nameMessage, c.id, viewer, telegramID, number); err != nil {
		return fmt.Errorf("write a message's id: %w", err)
	}
	return nil
}

// addressed returns our bots that a message mentions or replies to, each once.
func (s *session) addressed(u *incoming.Update) []int64 {
	bots := []int64{}
	add := func(b Bot, ours bool) {
		if ours && !slices.Contains(bots, b.ID) {
			bots = append(bots, b.ID)
		}
	}
	for _, m := range u.Mentions {
		add(s.cast.Named(m.Username))
		add(s.cast.account(m.ID))
	}
	if u.ReplyTo != nil {
		add(s.cast.account(u.ReplyTo.From))
	}
	return bots
}

// Commands returns the names of the commands that are answered.
func Commands() []string { return []string{"about", "pause", "resume", "quiet", "status", "forgetme"} }

// command returns the command of a message and the bot that it is for. The name is empty
// for none that we answer.
func (s *session) command(u *incoming.Update) (b Bot, name string) {
	if u.Command == nil {
		return Bot{}, ""
	}
	name = u.Command.Name
	if name == "help" || name == "start" {
		name = "about" // Telegram's clients offer these two first
	}
	if !slices.Contains(Commands(), name) {
		return Bot{}, ""
	}
	if u.Command.Bot == "" {
		return s.bot, name
	}
	if b, ours := s.cast.Named(u.Command.Bot); ours {
		return b, name
	}
	return Bot{}, ""
}

// fingerprint hashes a text, so that texts can be compared without being stored.
func fingerprint(text string) int64 {
	h := fnv.New64a()
	// Write to a hash never fails.
	_, _ = h.Write([]byte(text))
	return int64(h.Sum64()) //nolint:gosec // any bits will do
}
