// Package intake writes down what bots are told: once, however many of them are
// told of it and however often. A message is a row; one that calls for an answer is a
// prompt, too.
package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// timeout bounds a transaction.
const timeout = 10 * time.Second

// Bot is one of ours.
type Bot struct {
	ID       int64 // Chorus' id
	Account  int64 // Telegram's id
	Username string
}

// Cast is our bots, as they were known when something was heard.
type Cast []Bot

// account finds a bot by Telegram's id.
func (c Cast) account(id int64) (Bot, bool) {
	i := slices.IndexFunc(c, func(b Bot) bool { return id != 0 && b.Account == id })
	if i < 0 {
		return Bot{}, false
	}
	return c[i], true
}

// Named finds a bot by its username.
func (c Cast) Named(username string) (Bot, bool) {
	i := slices.IndexFunc(c, func(b Bot) bool { return username != "" && strings.EqualFold(b.Username, username) })
	if i < 0 {
		return Bot{}, false
	}
	return c[i], true
}

// Result is what became of one update.
type Result string

// The results.
const (
	// Written updates were written down.
	Written Result = "written"
	// Pressed is what somebody asks for of a text that was shown to them.
	Pressed Result = "pressed"
	// Copy is what another bot has told already.
	Copy Result = "copy"
	// Repeated updates were heard before, from the same bot.
	Repeated Result = "repeated"
	// OfBots is what bots did, ours or others.
	OfBots Result = "of_bots"
	// NotAllowed is from chats that no operator has allowed.
	NotAllowed Result = "not_allowed"
	// Unknown is about a message that isn't there.
	Unknown Result = "unknown_message"
	// Forgotten is of a person who wanted to be forgotten.
	Forgotten Result = "forgotten"
	// Useless is what Chorus has no use for.
	Useless Result = "useless"
	// Refused is what the database won't take.
	Refused Result = "refused"
)

// Outcome is what came of a call of Write.
type Outcome struct {
	// Results has one for each update, in their order.
	Results []Result
	// Prompted are the chats that have new prompts: ring for them.
	Prompted []int64
	// Written are the chats of which something was written down.
	Written []int64
	// Commands tells that there are new ones to answer, and Presses the same of these, or
	// that a bot may act where it perhaps could not before.
	Commands, Presses bool
}

// Writer writes down what bots are told. It is safe for concurrent use, by any
// number of processes.
type Writer struct {
	pool    *pgxpool.Pool
	journal *journal.Journal
	copies  *copies
}

// New makes a writer.
func New(pool *pgxpool.Pool, j *journal.Journal) (*Writer, error) {
	copies, err := newCopies()
	if err != nil {
		return nil, err
	}
	return &Writer{pool: pool, journal: j, copies: copies}, nil
}

const readOffset = `SELECT update_offset FROM listening WHERE bot_id = $1`

// Offset is how far the updates of a bot are read: the first one that is not
// confirmed yet; 0 for a bot that was never listened to.
func (w *Writer) Offset(ctx context.Context, bot Bot) (offset int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = w.pool.QueryRow(ctx, readOffset, bot.ID).Scan(&offset)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("look how far bot %d was heard: %w", bot.ID, err)
	}
	return offset, nil
}

const writeOffset = `
INSERT INTO listening (bot_id, update_offset) VALUES ($1, $2)
ON CONFLICT (bot_id) DO UPDATE SET update_offset = excluded.update_offset`

// Confirm writes down that a bot's updates before offset were heard.
func (w *Writer) Confirm(ctx context.Context, bot Bot, offset int64) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if _, err := w.pool.Exec(ctx, writeOffset, bot.ID, offset); err != nil {
		return fmt.Errorf("write down how far bot %d was heard: %w", bot.ID, err)
	}
	return nil
}

// Write writes down what a bot was told, in its order. With an error, some of it may
// be written; to write it again changes nothing.
//
// One update that the database refuses doesn't keep the others from being written.
func (w *Writer) Write(ctx context.Context, bot Bot, cast Cast, updates []incoming.Update) (Outcome, error) {
	defer w.copies.lock(updates)()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fresh, at, all := w.copies.drop(updates)
	done, err := w.fresh(ctx, bot, cast, fresh)
	if err != nil {
		return Outcome{}, err
	}
	for i, r := range done.Results {
		all.Results[at[i]] = r
	}
	all.Prompted, all.Written, all.Commands, all.Presses = done.Prompted, done.Written, done.Commands, done.Presses
	return all, nil
}

// fresh is Write for what may be new.
func (w *Writer) fresh(ctx context.Context, bot Bot, cast Cast, updates []incoming.Update) (Outcome, error) {
	var all Outcome
	for len(updates) > 0 {
		// What comes after a chat has moved is looked at when the move is committed.
		n := len(updates)
		if moved := slices.IndexFunc(updates, func(u incoming.Update) bool { return u.Kind == incoming.Moved }); moved >= 0 {
			n = moved + 1
		}
		out, err := w.some(ctx, bot, cast, updates[:n])
		if err != nil {
			return Outcome{}, err
		}
		all.add(out)
		updates = updates[n:]
	}
	return all, nil
}

// some is Write for updates of which only the last one may move a chat.
func (w *Writer) some(ctx context.Context, bot Bot, cast Cast, updates []incoming.Update) (Outcome, error) {
	out, err := w.transact(ctx, bot, cast, updates)
	if err == nil || !refused(err) {
		return out, err
	}
	return w.oneByOne(ctx, bot, cast, updates)
}

func (o *Outcome) add(more Outcome) {
	o.Results = append(o.Results, more.Results...)
	o.Prompted = append(o.Prompted, more.Prompted...)
	o.Written = append(o.Written, more.Written...)
	o.Commands, o.Presses = o.Commands || more.Commands, o.Presses || more.Presses
}

// oneByOne finds the update that the database refuses.
func (w *Writer) oneByOne(ctx context.Context, bot Bot, cast Cast, updates []incoming.Update) (Outcome, error) {
	var all Outcome
	for i := range updates {
		out, err := w.transact(ctx, bot, cast, updates[i:i+1])
		if err != nil && !refused(err) {
			return Outcome{}, err
		}
		if err != nil {
			out = Outcome{Results: []Result{Refused}}
		}
		all.add(out)
	}
	return all, nil
}

// refused tells whether the database refuses the data, which it would do as often
// as it is asked.
func refused(err error) bool {
	said := (*pgconn.PgError)(nil)
	const dataException, violation = "22", "23"
	return errors.As(err, &said) && (strings.HasPrefix(said.Code, dataException) || strings.HasPrefix(said.Code, violation))
}

func (w *Writer) transact(ctx context.Context, bot Bot, cast Cast, updates []incoming.Update) (Outcome, error) {
	var done Outcome
	var s *session
	err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		s = &session{tx: tx, journal: w.journal, bot: bot, cast: cast, updates: updates, said: map[said]bool{}, results: make([]Result, len(updates))}
		if err := s.open(ctx); err != nil {
			return err
		}
		if err := s.write(ctx); err != nil {
			return err
		}
		done = Outcome{Results: s.results, Prompted: distinct(s.prompted), Written: s.written(), Commands: s.commands, Presses: s.pressed}
		return nil
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("write down what bot %d heard: %w", bot.ID, err)
	}
	w.copies.keep(updates, s.results, s.of)
	return done, nil
}
