package hearing

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// session is one transaction.
type session struct {
	tx      pgx.Tx
	bot     Bot
	cast    Cast
	updates []incoming.Update
	// results are empty for updates that are still to be handled.
	results []Result
	now     time.Time // by the database's clock, which planners share

	chats     map[int64]*chat // by each of Telegram's ids
	forgotten map[int64]time.Time
	said      map[said]bool
	heard     []*chorusv1.Update
	commands  bool
	changed   bool // the roster
}

// said is a message of a supergroup.
type said struct{ chat, id int64 }

// chat is what the roster has of a chat.
type chat struct {
	id, telegramID, formerID int64
	supergroup, allowed      bool
	found                    bool // nobody asked for it
	title                    string
	number                   int64 // of its last update
}

const (
	// A row that another transaction is about to write is waited for.
	claimUpdates = `
INSERT INTO heard (bot_id, update_id) SELECT $1, u FROM unnest($2::bigint[]) u ORDER BY u
ON CONFLICT DO NOTHING RETURNING update_id`

	findChats = `
SELECT id, telegram_id, coalesce(former_id, 0), kind = 'supergroup', enabled AND removed_at IS NULL, found_at IS NOT NULL, title
FROM chats WHERE telegram_id = ANY($1) OR former_id = ANY($1)`

	// Messages of supergroups that another bot has told of: of most bots, nearly
	// all.
	findCopies = `
SELECT i.chat_id, i.telegram_id
FROM unnest($1::bigint[], $2::bigint[]) AS m(chat_id, telegram_id)
JOIN message_ids i ON i.chat_id = m.chat_id AND i.viewer = 0 AND i.telegram_id = m.telegram_id`

	ensureHearing = `
INSERT INTO hearing (chat_id) SELECT c FROM unnest($1::bigint[]) c ORDER BY c ON CONFLICT DO NOTHING`

	// In the order of the chats, so that no two wait for each other.
	lockHearing = `SELECT chat_id, update_no, now() FROM hearing WHERE chat_id = ANY($1) ORDER BY chat_id FOR UPDATE`

	findForgotten = `SELECT person_id, at FROM forgotten WHERE person_id = ANY($1)`
)

// open finds what is new, and locks its chats.
func (s *session) open(ctx context.Context) error {
	if err := s.claim(ctx); err != nil {
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
	// Who waited for a lock finds what came before it only now.
	if err := s.dropCopies(ctx); err != nil {
		return err
	}
	return s.people(ctx)
}

// pending are the updates that have no result yet.
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
	rows, err := s.tx.Query(ctx, claimUpdates, s.bot.ID, ids)
	if err != nil {
		return fmt.Errorf("claim updates: %w", err)
	}
	fresh := map[int64]bool{}
	var id int64
	if _, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		fresh[id] = true
		return nil
	}); err != nil {
		return fmt.Errorf("claim updates: %w", err)
	}
	for i, u := range s.updates {
		if !fresh[u.ID] {
			s.results[i] = Repeated
		}
		delete(fresh, u.ID) // the same id twice
	}
	return nil
}

// dropUseless ends what no chat needs to be looked at for.
func (s *session) dropUseless() {
	for i, u := range s.pending() {
		switch u.Kind {
		case incoming.Private, incoming.Other:
			s.results[i] = Useless
		case incoming.Message, incoming.Edit, incoming.Reaction:
			// Our own bots are in the journal. Other bots are no people.
			if _, ours := s.cast.account(u.From.ID); ours || u.From.Bot {
				s.results[i] = OfBots
			}
		case incoming.Own, incoming.Member, incoming.Title, incoming.Moved:
		}
	}
}

// findChats finds the chats of all updates, those that were heard before too.
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
	rows, err := s.tx.Query(ctx, findChats, ids)
	if err != nil {
		return fmt.Errorf("find chats: %w", err)
	}
	var c chat
	_, err = pgx.ForEachRow(rows, []any{&c.id, &c.telegramID, &c.formerID, &c.supergroup, &c.allowed, &c.found, &c.title}, func() error {
		s.know(c)
		return nil
	})
	if err != nil {
		return fmt.Errorf("find chats: %w", err)
	}
	return nil
}

func (s *session) know(c chat) {
	s.chats[c.telegramID] = &c
	if c.formerID != 0 {
		s.chats[c.formerID] = &c
	}
}

// of is the chat of an update. It is nil where the roster doesn't have it.
func (s *session) of(u *incoming.Update) *chat {
	if c := s.chats[u.MovedFrom]; c != nil {
		return c
	}
	return s.chats[u.Chat.ID]
}

// viewer is who knows the ids of an update's messages: all in a supergroup, one
// bot in a basic group, also in what a supergroup was before.
func (s *session) viewer(u *incoming.Update, c *chat) int64 {
	if u.Chat.ID == c.telegramID && c.supergroup {
		return 0
	}
	return s.bot.ID
}

// dropCopies ends messages of supergroups that are there, and what was said where
// nobody may listen.
func (s *session) dropCopies(ctx context.Context) error {
	var chats, ids []int64
	for i, u := range s.pending() {
		c := s.of(u)
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
	rows, err := s.tx.Query(ctx, findCopies, chats, ids)
	if err != nil {
		return fmt.Errorf("find copies: %w", err)
	}
	known := map[said]bool{}
	var m said
	if _, err = pgx.ForEachRow(rows, []any{&m.chat, &m.id}, func() error {
		known[m] = true
		return nil
	}); err != nil {
		return fmt.Errorf("find copies: %w", err)
	}
	for i, u := range s.pending() {
		if u.Kind == incoming.Message && known[said{s.of(u).id, u.MessageID}] && s.viewer(u, s.of(u)) == 0 {
			s.results[i] = Copy
		}
	}
	return nil
}

// lock locks the chats in which something new was heard.
func (s *session) lock(ctx context.Context) error {
	byID := map[int64]*chat{}
	for _, u := range s.pending() {
		byID[s.of(u).id] = s.of(u)
	}
	if len(byID) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	var b pgx.Batch
	b.Queue(ensureHearing, ids)
	b.Queue(lockHearing, ids).Query(func(rows pgx.Rows) error {
		var id, number int64
		for rows.Next() {
			if err := rows.Scan(&id, &number, &s.now); err != nil {
				return err
			}
			byID[id].number = number
		}
		return rows.Err()
	})
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("lock chats: %w", err)
	}
	return nil
}

// tell makes an update of something that was heard.
func (s *session) tell(c *chat, u *incoming.Update, kind chorusv1.UpdateKind) *chorusv1.Update {
	c.number++
	told := &chorusv1.Update{
		ChatId: c.id, Number: c.number, Kind: kind, PersonId: u.From.ID,
		HappenedAt: timestamppb.New(s.happened(u)), ReceivedAt: timestamppb.New(s.now),
	}
	s.heard = append(s.heard, told)
	return told
}

// happened is when an update happened, by the database's clock. Telegram's is
// another one: what it says is compared with nothing but what it says.
func (s *session) happened(u *incoming.Update) time.Time { return s.now.Add(-u.Age) }

const (
	insertUpdates = `
INSERT INTO updates (chat_id, number, person_id, payload)
SELECT chat_id, number, nullif(person_id, 0), payload
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[]) AS u(chat_id, number, person_id, payload)`
	countUpdates = `
UPDATE hearing h SET update_no = u.number FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, number) WHERE h.chat_id = u.chat_id`
	// NOTIFY takes a lock that all who notify share until they commit, so it comes
	// last, and only where the roster has changed.
	notify = `SELECT pg_notify('chorus_roster', 'listener')`
)

// write handles what is new, and writes its updates down.
func (s *session) write(ctx context.Context) error {
	for i, u := range s.pending() {
		result, err := s.handle(ctx, s.of(u), u)
		if err != nil {
			return err
		}
		s.results[i] = result
	}
	var chats, numbers, people []int64
	var payloads [][]byte
	last := map[int64]int64{}
	for _, u := range s.heard {
		payload, err := proto.Marshal(u)
		if err != nil {
			return fmt.Errorf("encode update: %w", err)
		}
		chats, numbers = append(chats, u.GetChatId()), append(numbers, u.GetNumber())
		people, payloads = append(people, u.GetPersonId()), append(payloads, payload)
		last[u.GetChatId()] = u.GetNumber()
	}
	var b pgx.Batch
	if len(chats) > 0 {
		b.Queue(insertUpdates, chats, numbers, people, payloads)
		var counted, to []int64
		for c, n := range last {
			counted, to = append(counted, c), append(to, n)
		}
		b.Queue(countUpdates, counted, to)
	}
	if s.changed {
		b.Queue(notify)
	}
	if b.Len() == 0 {
		return nil
	}
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("write updates: %w", err)
	}
	return nil
}

func (s *session) handle(ctx context.Context, c *chat, u *incoming.Update) (Result, error) {
	switch u.Kind {
	case incoming.Message:
		return s.message(ctx, c, u)
	case incoming.Edit:
		return s.edit(ctx, c, u)
	case incoming.Reaction:
		return s.reaction(ctx, c, u)
	case incoming.Own:
		return s.own(ctx, c, u)
	case incoming.Member:
		return s.member(ctx, c, u)
	case incoming.Title:
		return s.title(ctx, c, u)
	case incoming.Moved:
		return s.moved(ctx, c, u)
	case incoming.Private, incoming.Other:
	}
	return Useless, nil
}

const rememberEvent = `INSERT INTO heard_events (chat_id, event) VALUES ($1, $2) ON CONFLICT DO NOTHING`

// first tells whether nobody has told of an event yet.
func (s *session) first(ctx context.Context, c *chat, format string, args ...any) (bool, error) {
	tag, err := s.tx.Exec(ctx, rememberEvent, c.id, fmt.Sprintf(format, args...))
	if err != nil {
		return false, fmt.Errorf("remember an event: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// told are the chats that have new updates, each once.
func (s *session) told() []int64 {
	var ids []int64
	for _, u := range s.heard {
		ids = append(ids, u.GetChatId())
	}
	return distinct(ids)
}

// touched are the chats of the updates, each once.
func (s *session) touched() []int64 {
	var ids []int64
	for i := range s.updates {
		if c := s.of(&s.updates[i]); c != nil {
			ids = append(ids, c.id)
		}
	}
	return distinct(ids)
}

// distinct sorts, and leaves one of each.
func distinct[T cmp.Ordered](all []T) []T {
	slices.Sort(all)
	return slices.Compact(all)
}
