package generator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

const (
	// keptFor is how long what was read is added to instead of read anew: a chat's next
	// text is compared with much the same as the last, and to read all of it was the
	// dearest statement of a text. What was erased meanwhile is forgotten with it.
	keptFor = time.Minute
	// uncommitted is how much earlier than the newest delivery one may have been written
	// that could not be seen yet. One whose statement took longer is missed for keptFor, and
	// so is a person's message that was numbered before another's and written after it: it
	// may be repeated.
	uncommitted = time.Second
)

// utterance is a text to compare others with.
type utterance struct {
	text string
	trigrams
}

func utteranceOf(text string) *utterance { return &utterance{text, trigramsOf(text)} }

// said is a text, and whether it was said in another chat than that of whoever asks.
type said struct {
	*utterance
	elsewhere bool
}

// spoken reads what was said lately: in chats, by whomever, and by bots, wherever.
type spoken struct {
	pool        *pgxpool.Pool
	mu          sync.Mutex
	since       time.Time
	chats, bots map[int64]*lines
}

// lines are those of a chat or of a bot, the oldest first.
type lines struct {
	all    []line
	number int64     // of the chat's newest message
	until  time.Time // when the bot's newest delivery was written
}

type line struct {
	chat, turn int64
	part       int16
	said       *utterance
	at         time.Time
}

// What a bot said is read from its deliveries, wherever it said it: they have an index for
// it, and it need not be in the log of messages by now. A text may come twice.
const (
	saidInChats = `-- read what was said in chats
SELECT u.chat_id, m.number, m.body FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, after) CROSS JOIN LATERAL (
    SELECT number, body FROM messages WHERE chat_id = u.chat_id AND number > u.after AND talk ORDER BY number DESC LIMIT $3) m
ORDER BY m.number`
	saidByBots = `-- read what bots said
SELECT u.bot_id, d.chat_id, d.turn_no, d.part, d.body, d.created_at
FROM unnest($1::bigint[], $2::timestamptz[]) AS u(bot_id, since) CROSS JOIN LATERAL (
    SELECT * FROM deliveries WHERE bot_id = u.bot_id AND body IS NOT NULL AND created_at > greatest(u.since, now() - $3::interval)) d
ORDER BY d.created_at`
	aboutToBeSaid = `-- read what is about to be said
SELECT chat_id, turn_no, body FROM deliveries
WHERE lane = 'message' AND chat_id = ANY($1) AND closed_at IS NULL AND body IS NOT NULL`
)

// to gives for each turn what its text must not repeat: first what its chat heard, the
// newest first.
func (s *spoken) to(ctx context.Context, turns []*chorusv1.Turn) ([][]said, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.since) > keptFor {
		s.since, s.chats, s.bots = time.Now(), map[int64]*lines{}, map[int64]*lines{}
	}
	chats, bots, waiting := map[int64]*lines{}, map[int64]*lines{}, map[int64][]line{}
	for _, t := range turns {
		know(chats, s.chats, t.GetId().GetChatId())
		know(bots, s.bots, t.GetBotId())
	}
	if err := s.read(ctx, chats, bots, waiting); err != nil {
		return nil, fmt.Errorf("read what was said: %w", err)
	}
	maps.Copy(s.chats, chats)
	maps.Copy(s.bots, bots)
	found := make([][]said, len(turns))
	for i, t := range turns {
		chat := t.GetId().GetChatId()
		for _, l := range slices.Backward(chats[chat].all) {
			found[i] = append(found[i], said{l.said, false})
		}
		found[i] = append(found[i], ofOthers(t, waiting[chat])...)
		found[i] = append(found[i], ofOthers(t, bots[t.GetBotId()].all)...)
	}
	return found, nil
}

// ofOthers are the lines of other turns, the newest first.
func ofOthers(t *chorusv1.Turn, all []line) (found []said) {
	chat, number := t.GetId().GetChatId(), t.GetId().GetNumber()
	for _, l := range slices.Backward(all) {
		if l.chat != chat || l.turn != number {
			found = append(found, said{l.said, l.chat != chat})
		}
	}
	return found
}

// know takes a copy of what is known, so that a call which fails spoils nothing.
func know(asked, known map[int64]*lines, id int64) {
	if asked[id] == nil {
		asked[id] = &lines{}
		if l := known[id]; l != nil {
			*asked[id] = *l
		}
	}
}

func (s *spoken) read(ctx context.Context, chats, bots map[int64]*lines, waiting map[int64][]line) error {
	ids, after := make([]int64, 0, len(chats)), make([]int64, 0, len(chats))
	for id, l := range chats {
		ids, after = append(ids, id), append(after, l.number)
	}
	speakers, since := make([]int64, 0, len(bots)), make([]time.Time, 0, len(bots))
	for id, l := range bots {
		speakers, since = append(speakers, id), append(since, l.until.Add(-uncommitted))
	}
	var b pgx.Batch
	var id, number int64
	var l line
	var text string
	each(b.Queue(saidInChats, ids, after, chatWindow), []any{&id, &number, &text}, func() {
		c := chats[id]
		c.all, c.number = append(c.all[max(0, len(c.all)-chatWindow+1):], line{said: utteranceOf(text)}), number
	})
	each(b.Queue(saidByBots, speakers, since, botWindow), []any{&id, &l.chat, &l.turn, &l.part, &text, &l.at}, func() {
		bots[id].add(l, text)
	})
	each(b.Queue(aboutToBeSaid, ids), []any{&l.chat, &l.turn, &text}, func() {
		waiting[l.chat] = append(waiting[l.chat], line{chat: l.chat, turn: l.turn, said: utteranceOf(text)})
	})
	return s.pool.SendBatch(ctx, &b).Close() //nolint:wrapcheck // done above
}

// each scans the rows of a query.
func each(q *pgx.QueuedQuery, into []any, do func()) {
	q.Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, into, func() error { do(); return nil })
		return err //nolint:wrapcheck // the caller does
	})
}

// add adds a line of a bot, unless it is there.
func (l *lines) add(n line, text string) {
	for i := len(l.all) - 1; i >= 0 && n.at.Sub(l.all[i].at) <= 2*uncommitted; i-- {
		if o := &l.all[i]; o.chat == n.chat && o.turn == n.turn && o.part == n.part {
			return
		}
	}
	n.said = utteranceOf(text)
	l.all = append(l.all, n)
	if n.at.After(l.until) {
		l.until = n.at
	}
}
