// Package intake writes the updates of bots to the database. Each event is written once,
// even if several bots report it or one bot reports it several times. A message becomes a
// row, and a prompt too if it needs an answer.
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

// timeout limits one transaction.
const timeout = 10 * time.Second

// Bot identifies one of our bots.
type Bot struct {
	ID       int64 // Chorus' id
	Account  int64 // Telegram's id
	Username string
}

// Cast lists our bots as they were known when the updates arrived.
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

// Result says how one update was handled.
type Result string

// The results.
const (
	// Written updates changed the database.
	Written Result = "written"
	// Pressed updates ask for a decision on a text that was shown to operators.
	Pressed Result = "pressed"
	// Copy updates report an event that another bot has reported before.
	Copy Result = "copy"
	// Repeated updates came from the same bot before.
	Repeated Result = "repeated"
	// OfBots updates report what a bot did, ours or another.
	OfBots Result = "of_bots"
	// NotAllowed updates come from chats that no operator has allowed.
	NotAllowed Result = "not_allowed"
	// Unknown updates refer to a message that isn't in the database.
	Unknown Result = "unknown_message"
	// Forgotten updates report what a person did before they asked to be forgotten.
	Forgotten Result = "forgotten"
	// Useless updates are of a kind that Chorus doesn't use.
	Useless Result = "useless"
	// Refused updates violate the database's constraints or types.
	Refused Result = "refused"
)

// Outcome is the result of a call of Write.
type Outcome struct {
	// Results has one entry for each update, in the same order.
	Results []Result
	// Prompted lists the chats with new prompts. The caller rings for them.
	Prompted []int64
	// Written lists the chats in which something was written.
	Written []int64
	// Commands tells that there are new commands to answer. Presses tells that there are
	// new presses, or that a bot may have got the right to write.
	Commands, Presses bool
}

// Writer writes updates to the database. It is safe for concurrent use, by any number of
// processes.
type Writer struct {
	pool    *pgxpool.Pool
	journal *journal.Journal
	copies  *copies
}

// New returns a Writer.
func New(pool *pgxpool.Pool, j *journal.Journal) (*Writer, error) {
	copies, err := newCopies()
	if err != nil {
		return nil, err
	}
	return &Writer{pool: pool, journal: j, copies: copies}, nil
}

const readOffset = `SELECT update_offset FROM listening WHERE bot_id = $1`

// Offset returns the id of the bot's first update that is not confirmed yet; 0 for a bot
// without confirmed updates.
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

// Confirm records that all updates of the bot before offset are written.
func (w *Writer) Confirm(ctx context.Context, bot Bot, offset int64) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if _, err := w.pool.Exec(ctx, writeOffset, bot.ID, offset); err != nil {
		return fmt.Errorf("write down how far bot %d was heard: %w", bot.ID, err)
	}
	return nil
}

// Write writes the updates of a bot, in their order. After an error, some of them may be
// written; writing them again changes nothing.
//
// An update that the database refuses doesn't prevent the others from being written.
func (w *Writer) Write(ctx context.Context, bot Bot, cast Cast, updates []incoming.Update) (Outcome, error) {
	defer w.copies.lock(updates)()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fresh, at, all := w.copies.drop(updates)
	done, err := w.writeNew(ctx, bot, cast, fresh)
	if err != nil {
		return Outcome{}, err
	}
	for i, r := range done.Results {
		all.Results[at[i]] = r
	}
	all.Prompted, all.Written, all.Commands, all.Presses = done.Prompted, done.Written, done.Commands, done.Presses
	return all, nil
}

// writeNew writes updates that may be new.
func (w *Writer) writeNew(ctx context.Context, bot Bot, cast Cast, updates []incoming.Update) (Outcome, error) {
	var all Outcome
	for len(updates) > 0 {
		// Updates after a move need the new chat id, so they wait for the move's commit.
		n := len(updates)
		if moved := slices.IndexFunc(updates, func(u incoming.Update) bool { return u.Kind == incoming.Moved }); moved >= 0 {
			n = moved + 1
		}
		out, err := w.writeBatch(ctx, bot, cast, updates[:n])
		if err != nil {
			return Outcome{}, err
		}
		all.add(out)
		updates = updates[n:]
	}
	return all, nil
}

// writeBatch writes updates in one transaction. Only the last one may move a chat.
func (w *Writer) writeBatch(ctx context.Context, bot Bot, cast Cast, updates []incoming.Update) (Outcome, error) {
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

// oneByOne writes each update in a transaction of its own, to leave out those that the
// database refuses.
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

// refused tells whether the database refuses the data. A repetition would fail too.
func refused(err error) bool {
	said := (*pgconn.PgError)(nil)
	const dataException, violation = "22", "23"
	return errors.As(err, &said) && (strings.HasPrefix(said.Code, dataException) || strings.HasPrefix(said.Code, violation))
}

func (w *Writer) transact(ctx context.Context, bot Bot, cast Cast, updates []incoming.Update) (Outcome, error) {
	var done Outcome
	var s *session
	err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		s = &session{tx: tx, journal: w.journal, bot: bot, cast: cast, updates: updates, seen: map[messageKey]bool{}, results: make([]Result, len(updates))}
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
	w.copies.keep(updates, s.results, s.chatOf)
	return done, nil
}
