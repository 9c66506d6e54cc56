package people

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/people/trace"
)

// marks holds what identifies a person in the texts of bots.
type marks struct {
	Names trace.Names    `json:"names"`
	Chats map[int64]mark `json:"chats,omitempty"`
}

// mark holds what a person did in a chat.
type mark struct {
	// Messages are the numbers of the person's messages, Words are words that nobody used before
	// them.
	Messages []int64  `json:"messages,omitempty"`
	Words    []string `json:"words,omitempty"`
}

const (
	// chatsOf finds chats by the person's id, in the tables that Places lists.
	chatsOf = `
SELECT chat_id FROM messages WHERE person_id = $1 UNION SELECT chat_id FROM prompts WHERE person_id = $1
UNION SELECT chat_id FROM commands WHERE person_id = $1 UNION SELECT chat_id FROM answers WHERE person_id = $1
UNION SELECT m.chat_id FROM memories m JOIN memory_people p ON p.memory_id = m.id WHERE p.person_id = $1`
	personNames = `SELECT name, username FROM people WHERE telegram_id = $1`
	castOf      = `SELECT p.display_name FROM cast_members m JOIN personas p ON p.bot_id = m.bot_id WHERE m.chat_id = ANY($1)`
	// The subjects of a chat and its cast were not brought up by anybody in it.
	themesOf = `
SELECT concat_ws(' ', c.title, c.purpose, array_to_string(c.topics, ' ')) FROM chats c WHERE c.id = $1
UNION ALL SELECT concat_ws(' ', b.name, b.username, p.display_name, p.summary, array_to_string(p.interests, ' '))
    FROM cast_members m JOIN bots b ON b.id = m.bot_id LEFT JOIN personas p ON p.bot_id = b.id WHERE m.chat_id = $1
UNION ALL SELECT concat_ws(' ', s.topic, s.stance) FROM cast_members m JOIN stances s ON s.bot_id = m.bot_id WHERE m.chat_id = $1
UNION ALL SELECT concat_ws(' ', h.item, h.note) FROM cast_members m JOIN holdings h ON h.bot_id = m.bot_id WHERE m.chat_id = $1`
	talkOf = `SELECT number, coalesce(person_id = $2, false), body FROM messages WHERE chat_id = $1 ORDER BY sent_at, number`
)

// marksOf reads what identifies a person.
func marksOf(ctx context.Context, db store.DB, person int64) (marks, error) {
	m := marks{Chats: map[int64]mark{}}
	chats, err := store.Collect(ctx, db, "look for a person", pgx.RowTo[int64], chatsOf, person)
	if err != nil {
		return m, err
	}
	var b pgx.Batch
	var cast []string
	b.Queue(castOf, chats).Query(func(rows pgx.Rows) (err error) {
		cast, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	var name, username string
	b.Queue(personNames, person).Query(func(rows pgx.Rows) error {
		return each(rows, []any{&name, &username}, func() { m.Names = trace.NamesOf(name, username, cast...) })
	})
	for _, chat := range chats {
		m.read(&b, chat, person)
	}
	if err := db.SendBatch(ctx, &b).Close(); err != nil {
		return m, fmt.Errorf("look for a person: %w", err)
	}
	return m, nil
}

// read queues the reads of what a person did in a chat.
func (m *marks) read(b *pgx.Batch, chat, person int64) {
	var in mark
	var talk trace.Talk
	var text string
	b.Queue(themesOf, chat).Query(func(rows pgx.Rows) error {
		return each(rows, []any{&text}, func() { talk.Say(text, false) })
	})
	var number int64
	var theirs bool
	b.Queue(talkOf, chat, person).Query(func(rows pgx.Rows) error {
		err := each(rows, []any{&number, &theirs, &text}, func() {
			if theirs {
				in.Messages = append(in.Messages, number)
			}
			talk.Say(text, theirs)
		})
		in.Words = talk.Words().List()
		m.Chats[chat] = in
		return err
	})
}

func each(rows pgx.Rows, into []any, do func()) error {
	if _, err := pgx.ForEachRow(rows, into, func() error {
		do()
		return nil
	}); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// add adds marks that were read earlier.
func (m *marks) add(earlier marks) {
	m.Names.Whole = append(m.Names.Whole, earlier.Names.Whole...)
	m.Names.Words = append(m.Names.Words, earlier.Names.Words...)
	if m.Chats == nil {
		m.Chats = map[int64]mark{}
	}
	for chat, was := range earlier.Chats {
		now := m.Chats[chat]
		m.Chats[chat] = mark{Messages: append(now.Messages, was.Messages...), Words: append(now.Words, was.Words...)}
	}
}

func (m *marks) chats() []int64 {
	all := make([]int64, 0, len(m.Chats))
	for chat := range m.Chats {
		all = append(all, chat)
	}
	slices.Sort(all)
	return all
}

// words returns, by chat, the words that nobody used before the person.
func (m *marks) words() map[int64]trace.Words {
	all := map[int64]trace.Words{}
	for chat, in := range m.Chats {
		all[chat] = trace.WordsOf(in.Words)
	}
	return all
}

// Reasons why a bot's line is about a person.
const (
	whyAnswer = "answers them"
	whyNames  = "names them"
	whyWords  = "says what they brought up"
)

// why returns the reason why a bot's line is about the person; "" if it isn't.
func (m *marks) why(s *journal.Said, words map[int64]trace.Words) string {
	said := append([]string{s.Text}, s.Notes...)
	switch {
	case s.Target != 0 && slices.Contains(m.Chats[s.Chat].Messages, s.Target):
		return whyAnswer
	case slices.ContainsFunc(said, m.Names.In):
		return whyNames
	case slices.ContainsFunc(said, words[s.Chat].In):
		return whyWords
	}
	return ""
}

// found is a bot's line, and why it is about a person.
type found struct {
	journal.Said

	why string
}

// about finds the lines of bots about a person, for the export and the erasure.
func (m *marks) about(ctx context.Context, j *journal.Journal, words map[int64]trace.Words) ([]found, error) {
	all, err := j.Words(ctx, m.chats())
	if err != nil {
		return nil, err
	}
	var about []found
	for i := range all {
		if why := m.why(&all[i], words); why != "" {
			about = append(about, found{all[i], why})
		}
	}
	return about, nil
}

// Places returns the columns that hold people's Telegram ids, as table.column. All of them are
// exported and erased.
func Places() []string {
	return []string{
		"answers.person_id", "commands.person_id", "forgotten.person_id", "memory_people.person_id", "messages.person_id",
		"people.telegram_id", "presses.person_id", "prompts.person_id",
	}
}

const (
	// Transactions that store anything derived from the person's messages lock this row, too.
	lockPerson = `-- lock a person
SELECT FROM people WHERE telegram_id = $1 FOR UPDATE`
	// Listeners that are behind may still deliver messages from before this time.
	rememberForgotten = `-- remember who is forgotten
INSERT INTO forgotten (person_id, at, marks) VALUES ($1, $2, '{}')
ON CONFLICT (person_id) DO UPDATE SET at = greatest(forgotten.at, excluded.at), marks = coalesce(forgotten.marks, '{}') RETURNING marks`
	keepMarks = `-- keep marks
UPDATE forgotten SET marks = $2 WHERE person_id = $1`
	// The delete waits for a planner that is answering one of the prompts, so its turn is found
	// afterwards.
	forgetPrompts = `-- forget prompts
DELETE FROM prompts WHERE person_id = $1`
	forgetMemories = `-- forget memories
DELETE FROM memories WHERE id IN (SELECT memory_id FROM memory_people WHERE person_id = $1)`
	forgetMessages = `-- forget messages
DELETE FROM messages WHERE person_id = $1 AND sent_at < $2`
	forgetPresses = `-- forget presses
DELETE FROM presses WHERE person_id = $1`
	// The answers still count for the limit of the chat.
	forgetAnswers = `-- forget answers
UPDATE answers SET person_id = NULL WHERE person_id = $1`
	// The row of a person who has written again stays.
	forgetPerson = `-- forget a person
DELETE FROM people p WHERE telegram_id = $1 AND NOT EXISTS (SELECT FROM messages m WHERE m.person_id = p.telegram_id)`

	unfinished = `-- find erasures
SELECT person_id, at FROM forgotten WHERE marks IS NOT NULL AND at < now() - $1::interval ORDER BY at`
	finished = `-- end the erasure
UPDATE forgotten SET marks = NULL WHERE person_id = $1`
)

// Erasure deletes what is stored about people.
type Erasure struct {
	Pool    *pgxpool.Pool
	Journal *journal.Journal
}

// reasonForgotten is the outcome's reason of turns that an erasure withdraws.
const reasonForgotten = "somebody whom it may be about wants to be forgotten"

// eraseTimeout limits the statements of one erasure.
const eraseTimeout = 5 * time.Minute

// Forget deletes what is stored about a person up to an instant, and what bots said about them. It
// can be repeated after an error or a crash, and then changes nothing more.
//
// The person's messages are deleted first, in one transaction. The marks that identify the person
// in the texts of bots are kept until those are deleted, too. Turns in work may have seen
// something, so they are withdrawn.
func (e *Erasure) Forget(ctx context.Context, person int64, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, eraseTimeout)
	defer cancel()
	m, err := e.begin(ctx, person, until)
	if err != nil {
		return fmt.Errorf("forget a person: %w", err)
	}
	if err := e.redact(ctx, &m); err != nil {
		return err
	}
	if err := e.Journal.Withdraw(ctx, m.chats(), reasonForgotten); err != nil {
		return err
	}
	// For lines that were written in between.
	if err := e.redact(ctx, &m); err != nil {
		return err
	}
	// Stored prompts show everybody's messages: those of the person's chats are deleted as a whole.
	if err := e.Journal.ForgetShown(ctx, m.chats()); err != nil {
		return err
	}
	if _, err := e.Pool.Exec(ctx, finished, person); err != nil {
		return fmt.Errorf("forget by what a person was recognised: %w", err)
	}
	return nil
}

// begin deletes the rows with the person's id, and stores the marks for the rest of the erasure.
func (e *Erasure) begin(ctx context.Context, person int64, until time.Time) (m marks, err error) {
	err = pgx.BeginFunc(ctx, e.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockPerson, person); err != nil {
			return err
		}
		var kept []byte
		if err := tx.QueryRow(ctx, rememberForgotten, person, until).Scan(&kept); err != nil {
			return err
		}
		var earlier marks
		if err := json.Unmarshal(kept, &earlier); err != nil {
			return fmt.Errorf("read what is kept: %w", err)
		}
		if m, err = marksOf(ctx, tx, person); err != nil {
			return err
		}
		m.add(earlier)
		encoded, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("encode what to look for: %w", err)
		}
		var b pgx.Batch
		b.Queue(keepMarks, person, encoded)
		b.Queue(forgetPrompts, person)
		b.Queue(forgetMemories, person)
		b.Queue(forgetMessages, person, until)
		b.Queue(forgetPresses, person)
		b.Queue(forgetAnswers, person)
		b.Queue(forgetPerson, person)
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return fmt.Errorf("forget: %w", err)
		}
		return nil
	})
	return m, err
}

func (e *Erasure) redact(ctx context.Context, m *marks) error {
	about, err := m.about(ctx, e.Journal, m.words())
	if err != nil {
		return err
	}
	said := make([]journal.Said, len(about))
	for i := range about {
		said[i] = about[i].Said
	}
	return e.Journal.Redact(ctx, said, reasonForgotten)
}

// Resume repeats erasures that began so long ago that their process must have died.
func (e *Erasure) Resume(ctx context.Context, since time.Duration) error {
	rows, err := e.Pool.Query(ctx, unfinished, since)
	if err != nil {
		return fmt.Errorf("find who is to be forgotten: %w", err)
	}
	type begun struct {
		Person int64
		Until  time.Time
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[begun])
	if err != nil {
		return fmt.Errorf("find who is to be forgotten: %w", err)
	}
	errs := make([]error, len(all)) // a failed one doesn't stop the others
	for i, b := range all {
		errs[i] = e.Forget(ctx, b.Person, b.Until)
	}
	return errors.Join(errs...)
}
