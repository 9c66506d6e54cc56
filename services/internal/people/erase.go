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

// marks are by what a person is recognised in what bots said.
type marks struct {
	Names trace.Names    `json:"names"`
	Chats map[int64]mark `json:"chats,omitempty"`
}

// mark is what a person did in a chat.
type mark struct {
	// Messages are the numbers of what they wrote, Words what nobody said before them.
	Messages []int64  `json:"messages,omitempty"`
	Words    []string `json:"words,omitempty"`
}

const (
	// Whatever names a person by their id, in the tables that Places lists.
	chatsOf = `
SELECT chat_id FROM messages WHERE person_id = $1 UNION SELECT chat_id FROM prompts WHERE person_id = $1
UNION SELECT chat_id FROM commands WHERE person_id = $1 UNION SELECT chat_id FROM answers WHERE person_id = $1
UNION SELECT m.chat_id FROM memories m JOIN memory_people p ON p.memory_id = m.id WHERE p.person_id = $1`
	personNames = `SELECT name, username FROM people WHERE telegram_id = $1`
	castOf      = `SELECT p.display_name FROM cast_members m JOIN personas p ON p.bot_id = m.bot_id WHERE m.chat_id = ANY($1)`
	// What a chat and its cast are about was there before anybody spoke.
	themesOf = `
SELECT concat_ws(' ', c.title, c.purpose, array_to_string(c.topics, ' ')) FROM chats c WHERE c.id = $1
UNION ALL SELECT concat_ws(' ', b.name, b.username, p.display_name, p.summary, array_to_string(p.interests, ' '))
    FROM cast_members m JOIN bots b ON b.id = m.bot_id LEFT JOIN personas p ON p.bot_id = b.id WHERE m.chat_id = $1
UNION ALL SELECT concat_ws(' ', s.topic, s.stance) FROM cast_members m JOIN stances s ON s.bot_id = m.bot_id WHERE m.chat_id = $1
UNION ALL SELECT concat_ws(' ', h.item, h.note) FROM cast_members m JOIN holdings h ON h.bot_id = m.bot_id WHERE m.chat_id = $1`
	talkOf = `SELECT number, coalesce(person_id = $2, false), body FROM messages WHERE chat_id = $1 ORDER BY sent_at, number`
)

// marksOf reads by what a person is recognised.
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

// read reads what a person did in a chat.
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

// add takes in marks that were read earlier.
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

// words are what nobody said before the person, by chat.
func (m *marks) words() map[int64]trace.Words {
	all := map[int64]trace.Words{}
	for chat, in := range m.Chats {
		all[chat] = trace.WordsOf(in.Words)
	}
	return all
}

// Why a line of a bot is about a person.
const (
	whyAnswer = "answers them"
	whyNames  = "names them"
	whyWords  = "says what they brought up"
)

// why tells why what a bot said is about the person; "" if it isn't.
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

// found is what a bot said, and why it is about a person.
type found struct {
	journal.Said

	why string
}

// about finds what bots said about a person. It serves the export and the erasure.
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

// Places are the columns that hold people's Telegram ids, as table.column. All of
// them are exported and erased.
func Places() []string {
	return []string{
		"answers.person_id", "commands.person_id", "forgotten.person_id", "memory_people.person_id", "messages.person_id",
		"people.telegram_id", "presses.person_id", "prompts.person_id",
	}
}

const (
	// Whoever learns from what the person said holds the row, too.
	lockPerson = `-- lock a person
SELECT FROM people WHERE telegram_id = $1 FOR UPDATE`
	// Bots that are behind may still tell of what was said before.
	rememberForgotten = `-- remember who is forgotten
INSERT INTO forgotten (person_id, at, marks) VALUES ($1, $2, '{}')
ON CONFLICT (person_id) DO UPDATE SET at = greatest(forgotten.at, excluded.at), marks = coalesce(forgotten.marks, '{}') RETURNING marks`
	keepMarks = `-- keep marks
UPDATE forgotten SET marks = $2 WHERE person_id = $1`
	// A planner that is answering one ends first, and what it writes is found.
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
	// Who goes on writing is kept again.
	forgetPerson = `-- forget a person
DELETE FROM people p WHERE telegram_id = $1 AND NOT EXISTS (SELECT FROM messages m WHERE m.person_id = p.telegram_id)`

	unfinished = `-- find erasures
SELECT person_id, at FROM forgotten WHERE marks IS NOT NULL AND at < now() - $1::interval ORDER BY at`
	finished = `-- end the erasure
UPDATE forgotten SET marks = NULL WHERE person_id = $1`
)

// Erasure deletes what is kept of people.
type Erasure struct {
	Pool    *pgxpool.Pool
	Journal *journal.Journal
}

// reasonForgotten is why what was to be said is not.
const reasonForgotten = "somebody whom it may be about wants to be forgotten"

// eraseTimeout bounds the statements of one erasure.
const eraseTimeout = 5 * time.Minute

// Forget deletes what is kept of a person, up to an instant, and what bots said about
// them. After an error or a crash it is done again, and changes nothing more.
//
// What the person wrote is gone at once. By what the person is recognised in what
// bots said is kept until that is gone, too. Turns that are being written then may
// have been shown something, so nothing comes of them.
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
	// What was written until now.
	if err := e.redact(ctx, &m); err != nil {
		return err
	}
	// Prompts show what everybody said: those of the person's chats go as a whole.
	if err := e.Journal.ForgetShown(ctx, m.chats()); err != nil {
		return err
	}
	if _, err := e.Pool.Exec(ctx, finished, person); err != nil {
		return fmt.Errorf("forget by what a person was recognised: %w", err)
	}
	return nil
}

// begin deletes what is under the person's id, and writes down what is still to be
// looked for.
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

// Resume ends erasures that were begun so long ago that whoever began them has died.
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
	errs := make([]error, len(all)) // one that fails holds up no other
	for i, b := range all {
		errs[i] = e.Forget(ctx, b.Person, b.Until)
	}
	return errors.Join(errs...)
}
