package intake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// session holds the state of one transaction.
type session struct {
	tx      pgx.Tx
	journal *journal.Journal
	bot     Bot
	cast    Cast
	updates []incoming.Update
	// results are empty for updates that are not handled yet.
	results []Result
	now     time.Time // the database's time, which planners use too

	chats     map[int64]*chat // keyed by Telegram's current and former id
	forgotten map[int64]time.Time
	seen      map[messageKey]bool
	prompted  []int64 // chats
	commands  bool
	pressed   bool
}

// messageKey identifies a message of a supergroup.
type messageKey struct{ chat, id int64 }

// chat is a chat of the roster.
type chat struct {
	id, telegramID, formerID int64
	supergroup, allowed      bool
	found                    bool // a bot was added to it; no operator has asked for it
	title                    string
}

const (
	// The insert waits for another transaction that inserts the same row.
	claimUpdates = `-- claim updates
INSERT INTO heard (bot_id, update_id) SELECT $1, u FROM unnest($2::bigint[]) u ORDER BY u
ON CONFLICT DO NOTHING RETURNING update_id`

	findChats = `-- find chats
SELECT id, telegram_id, coalesce(former_id, 0), kind = 'supergroup', enabled AND removed_at IS NULL, found_at IS NOT NULL, title
FROM chats WHERE telegram_id = ANY($1) OR former_id = ANY($1)`

	// Another bot has reported these messages of supergroups before. For all bots but one,
	// these are nearly all messages.
	findCopies = `-- find copies
SELECT DISTINCT m.chat_id, m.telegram_id
FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, telegram_id)
JOIN messages m ON m.chat_id = u.chat_id AND m.telegram_id = u.telegram_id`

	ensurePauses = `-- make room for a chat
INSERT INTO chat_pauses (chat_id) SELECT c FROM unnest($1::bigint[]) c ORDER BY c ON CONFLICT DO NOTHING`

	// The order of the chats prevents deadlocks.
	lockChats = `-- lock chats
SELECT now() FROM chat_pauses WHERE chat_id = ANY($1) ORDER BY chat_id FOR UPDATE`

	findForgotten = `-- find who is forgotten
SELECT person_id, at FROM forgotten WHERE person_id = ANY($1)`
)

// open selects the new updates and locks their chats.
func (s *session) open(ctx context.Context) error {
	if err := s.claim(ctx); err != nil {
		return err
	}
	if err := s.presses(ctx); err != nil {
		return err
	}
	s.dropUseless()
	if err := s.findChats(ctx); err != nil {
		return err
	}
	if err := s.discover(ctx); err != nil {
		return err
	}
	if err := s.dropCopies(ctx); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	// While this transaction waited for the locks, others may have written copies.
	if err := s.dropCopies(ctx); err != nil {
		return err
	}
	return s.people(ctx)
}

// pending iterates over the updates that have no result yet.
func (s *session) pending() func(yield func(int, *incoming.Update) bool) {
	return func(yield func(int, *incoming.Update) bool) {
		for i := range s.updates {
			if s.results[i] == "" && !yield(i, &s.updates[i]) {
				return
			}
		}
	}
}

func (s *session) claim(ctx context.Context) error {
	ids := make([]int64, len(s.updates))
	for i, u := range s.updates {
		ids[i] = u.ID
	}
	fresh := map[int64]bool{}
	var id int64
	if err := store.Each(ctx, s.tx, "claim updates", []any{&id}, func() error {
		fresh[id] = true
		return nil
	}, claimUpdates, s.bot.ID, ids); err != nil {
		return err
	}
	for i, u := range s.updates {
		if !fresh[u.ID] {
			s.results[i] = Repeated
		}
		delete(fresh, u.ID) // the same id twice
	}
	return nil
}

// dropUseless ends the updates that are decided without their chat.
func (s *session) dropUseless() {
	for i, u := range s.pending() {
		switch u.Kind {
		case incoming.Private, incoming.PrivateReply, incoming.Pressed, incoming.Other:
			s.results[i] = Useless
		case incoming.Message, incoming.Edit:
			// Our own bots' messages are in the journal already. Other bots are no people.
			if _, ours := s.cast.account(u.From.ID); ours || u.From.Bot {
				s.results[i] = OfBots
			}
		case incoming.Own, incoming.Title, incoming.Moved:
		}
	}
}

// findChats reads the chats of all updates, the repeated ones included.
func (s *session) findChats(ctx context.Context) error {
	s.chats = map[int64]*chat{}
	var ids []int64
	for _, u := range s.updates {
		if u.Chat.ID != 0 {
			ids = append(ids, u.Chat.ID)
		}
		if u.MovedFrom != 0 {
			ids = append(ids, u.MovedFrom)
		}
	}
	var c chat
	return store.Each(ctx, s.tx, "find chats", []any{&c.id, &c.telegramID, &c.formerID, &c.supergroup, &c.allowed, &c.found, &c.title}, func() error {
		s.addChat(c)
		return nil
	}, findChats, ids)
}

func (s *session) addChat(c chat) {
	s.chats[c.telegramID] = &c
	if c.formerID != 0 {
		s.chats[c.formerID] = &c
	}
}

// chatOf returns the chat of an update, or nil if it isn't in the roster.
func (s *session) chatOf(u *incoming.Update) *chat {
	if c := s.chats[u.MovedFrom]; c != nil {
		return c
	}
	return s.chats[u.Chat.ID]
}

// viewer returns the owner of the update's message ids: 0 in a supergroup, where all bots
// share them; this bot in a basic group, and in messages from before a group became a
// supergroup.
func (s *session) viewer(u *incoming.Update, c *chat) int64 {
	if u.Chat.ID == c.telegramID && c.supergroup {
		return 0
	}
	return s.bot.ID
}

// dropCopies ends the updates with messages of supergroups that are in the database, and
// those from chats that are not allowed.
func (s *session) dropCopies(ctx context.Context) error {
	var chats, ids []int64
	for i, u := range s.pending() {
		c := s.chatOf(u)
		switch {
		case c == nil, !c.allowed && u.Kind != incoming.Own && u.Kind != incoming.Title && u.Kind != incoming.Moved:
			s.results[i] = NotAllowed
		case u.Kind == incoming.Message && s.viewer(u, c) == 0:
			chats, ids = append(chats, c.id), append(ids, u.MessageID)
		}
	}
	if len(chats) == 0 {
		return nil
	}
	known := map[messageKey]bool{}
	var m messageKey
	if err := store.Each(ctx, s.tx, "find copies", []any{&m.chat, &m.id}, func() error {
		known[m] = true
		return nil
	}, findCopies, chats, ids); err != nil {
		return err
	}
	for i, u := range s.pending() {
		if u.Kind == incoming.Message && known[messageKey{s.chatOf(u).id, u.MessageID}] && s.viewer(u, s.chatOf(u)) == 0 {
			s.results[i] = Copy
		}
	}
	return nil
}

// lock locks the chats of the pending updates.
func (s *session) lock(ctx context.Context) error {
	var ids, written []int64
	for _, u := range s.pending() {
		ids = append(ids, s.chatOf(u).id)
		if u.Kind == incoming.Message {
			written = append(written, s.chatOf(u).id)
		}
	}
	if ids = distinct(ids); len(ids) == 0 {
		return nil
	}
	var b pgx.Batch
	b.Queue(ensurePauses, ids)
	b.Queue(lockChats, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := rows.Scan(&s.now); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if written = distinct(written); len(written) > 0 {
		b.Queue(rosterpg.HintLook, written)
	}
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("lock chats: %w", err)
	}
	return nil
}

// happened returns the time of an update by the database's clock. Telegram's clock may
// differ, so its times are compared with each other only.
func (s *session) happened(u *incoming.Update) time.Time { return s.now.Add(-u.Age) }

// write handles the pending updates.
func (s *session) write(ctx context.Context) error {
	for i, u := range s.pending() {
		result, err := s.handle(ctx, s.chatOf(u), u)
		if err != nil {
			return err
		}
		s.results[i] = result
	}
	return nil
}

func (s *session) handle(ctx context.Context, c *chat, u *incoming.Update) (Result, error) {
	switch u.Kind {
	case incoming.Message:
		return s.message(ctx, c, u)
	case incoming.Edit:
		return s.edit(ctx, c, u)
	case incoming.Own:
		return s.own(ctx, c, u)
	case incoming.Title:
		return s.title(ctx, c, u)
	case incoming.Moved:
		return s.moved(ctx, c, u)
	case incoming.Private, incoming.PrivateReply, incoming.Pressed, incoming.Other:
	}
	return Useless, nil
}

// written returns the chats of the updates that were written.
func (s *session) written() (chats []int64) {
	for i, r := range s.results {
		if r == Written {
			chats = append(chats, s.chatOf(&s.updates[i]).id)
		}
	}
	return distinct(chats)
}

const rememberEvent = `-- remember an event
INSERT INTO heard_events (chat_id, event) VALUES ($1, $2) ON CONFLICT DO NOTHING`

// first tells whether no bot has reported an event before.
func (s *session) first(ctx context.Context, c *chat, format string, args ...any) (bool, error) {
	tag, err := s.tx.Exec(ctx, rememberEvent, c.id, fmt.Sprintf(format, args...))
	if err != nil {
		return false, fmt.Errorf("remember an event: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// distinct sorts the values and removes duplicates.
func distinct[T cmp.Ordered](all []T) []T {
	slices.Sort(all)
	return slices.Compact(all)
}
