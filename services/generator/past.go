package generator

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/memory"
)

const (
	// cacheLifetime is the lifetime of cached lines. Reading a chat's whole history was the most
	// expensive statement of the generator, so for this long only new lines are read. An erasure of
	// a person drops the cache at once.
	cacheLifetime = time.Minute
	// commitLag is the overlap when new deliveries are read: one may have been written so much
	// earlier than the newest that was read, and committed later. A delivery whose statement took
	// longer is missed for cacheLifetime.
	commitLag = time.Second
	// numberLag is the same overlap for messages, whose numbers come from one sequence.
	numberLag = 1000
	// passLookback limits how many turns back an earlier pass is looked for: two texts in a row
	// must not be passed, and between them are reactions and commands. A search without this limit
	// reads all turns of the chat if PostgreSQL has planned it so.
	passLookback = 5
)

// question holds the keys of one turn by which its past is read: the chat and the turn, the bot,
// and the messages that the turn answers, 0 for none.
type question struct{ chat, turn, bot, number, also int64 }

// past is the answer to a question.
type past struct {
	// lines holds the chat's latest lines, the oldest first; answered and also are nil if there are
	// no such messages.
	lines          []*heardLine
	answered, also *target
	learned        []memory.Chosen
	// passed reports that the writer of the chat's previous text passed.
	passed bool
	// said holds the texts that must not be repeated: the chat's first, newest first, then other
	// chats'.
	said []said
}

// heardLine is a line in a chat's history. Its author is empty for a bot's line.
type heardLine struct {
	script.Line

	number int64
	said   *utterance
}

// target is a message that the turn answers.
type target struct {
	script.Line
	username, topic string
}

// said is an earlier text, and whether it was said in another chat than the question's.
type said struct {
	*utterance
	elsewhere bool
}

// historyReader reads the past of many turns by one statement, and caches it.
type historyReader struct {
	pool *pgxpool.Pool
	// max limits the lines read for a chat, keep is the lifetime of the cache.
	max  int
	keep time.Duration

	mu       sync.Mutex
	since    time.Time
	erasures erasures // the erasures when chats and bots were read
	chats    map[int64][]*heardLine
	bots     map[int64]spoken
	said     map[string]*utterance
}

// erasures identifies a state of the table of forgotten people: their number, and the sum of their
// times in seconds. A change means that somebody was forgotten.
type erasures struct {
	people int64
	when   float64
}

// spoken holds the lines of a bot, the oldest first.
type spoken struct {
	all   []*line
	until time.Time // time of the newest line
}

// line is the text of a delivery.
type line struct {
	chat, turn, part int64
	said             *utterance
	at               time.Time
}

// The first column of readPast: the kind of the row.
const (
	ofLine = iota
	ofTarget
	ofMemory
	ofBot
	ofWaiting
	ofPassing
	ofErasures
)

// A bot's earlier texts are read from its deliveries, in all chats: there is an index for that, and
// the log of messages may not have them yet. A text may come twice.
//
// No join can turn into a scan of a whole table: a connection plans the statement while the tables
// are young, and keeps the plan.
const readPast = `-- read the past
SELECT 0, u.chat_id, m.number, coalesce(m.bot_id, 0), coalesce(m.person_id, 0), coalesce((SELECT name FROM people WHERE telegram_id = m.person_id), ''),
    m.body, '', '', m.sent_at, 0::float8, NULL::bigint[], NULL::bigint[]
FROM unnest($7::bigint[], $8::bigint[]) AS u(chat_id, after) CROSS JOIN LATERAL (
    SELECT * FROM messages WHERE chat_id = u.chat_id AND talk AND number > u.after ORDER BY number DESC LIMIT $9) m
UNION ALL
SELECT 1, u.n, m.number, coalesce(m.bot_id, 0), coalesce(m.person_id, 0), coalesce(who.name, ''), m.body, coalesce(who.username, ''),
    coalesce((SELECT topic FROM turns WHERE chat_id = m.chat_id AND turn_no = m.turn_no), ''), m.sent_at, 0, NULL, NULL
FROM unnest($2::bigint[] || $2::bigint[], $5::bigint[]) WITH ORDINALITY AS u(chat_id, number, n) CROSS JOIN LATERAL (
    SELECT * FROM messages WHERE chat_id = u.chat_id AND number = u.number AND u.number > 0 LIMIT 1) m
LEFT JOIN LATERAL (SELECT name, username FROM people WHERE telegram_id = m.person_id OFFSET 0) who ON true
UNION ALL
SELECT 2, n, id, 0, 0, '', content, '', '', 'epoch', strength, bots, people FROM (` + memory.LearnedIn + `) l(n, id, content, strength, bots, people)
UNION ALL
SELECT 3, u.bot_id, d.chat_id, d.turn_no, d.part, '', d.body, '', '', d.created_at, 0, NULL, NULL
FROM unnest($10::bigint[], $11::timestamptz[]) AS u(bot_id, since) CROSS JOIN LATERAL (
    SELECT * FROM deliveries WHERE bot_id = u.bot_id AND body IS NOT NULL AND created_at > greatest(u.since, now() - $12::interval) OFFSET 0) d
UNION ALL
SELECT 4, u.chat_id, d.turn_no, 0, 0, '', d.body, '', '', 'epoch', 0, NULL, NULL
FROM unnest($7::bigint[]) AS u(chat_id) CROSS JOIN (VALUES ('message'), ('held')) AS l(lane) CROSS JOIN LATERAL (
    SELECT * FROM deliveries WHERE lane = l.lane AND chat_id = u.chat_id AND closed_at IS NULL AND body IS NOT NULL OFFSET 0) d
UNION ALL
SELECT 5, u.n, t.turn_no, 0, 0, '', '', '', '', 'epoch', 0, NULL, NULL
FROM unnest($2::bigint[], $6::bigint[]) WITH ORDINALITY AS u(chat_id, turn_no, n) CROSS JOIN LATERAL (
    SELECT turn_no, outcome FROM turns WHERE chat_id = u.chat_id AND turn_no >= u.turn_no - $13 AND turn_no < u.turn_no AND kind IN ('message', 'reply')
    ORDER BY turn_no DESC LIMIT 1) t
WHERE t.outcome = 'passed'
UNION ALL
SELECT 6, 0, count(*), 0, 0, '', '', '', '', 'epoch', coalesce(sum(extract(epoch FROM at)), 0)::float8, NULL, NULL FROM forgotten`

// of answers questions. It reads again if somebody was forgotten since the cache was filled.
func (l *historyReader) of(ctx context.Context, asked []question) ([]past, error) {
	r, err := l.look(ctx, asked)
	if err == nil && l.outdated(r.erasures) {
		r, err = l.look(ctx, asked)
	}
	if err != nil {
		return nil, err
	}
	r.order(l.max)
	l.mu.Lock()
	if r.erasures == l.erasures {
		maps.Copy(l.chats, r.chats)
		maps.Copy(l.bots, r.bots)
	}
	l.mu.Unlock()
	for i, q := range asked {
		lines, p := r.chats[q.chat], &r.found[i]
		p.lines = lines
		for _, heard := range slices.Backward(lines[max(0, len(lines)-chatWindow):]) {
			p.said = append(p.said, said{heard.said, false})
		}
		p.said = append(append(p.said, ofOthers(q, r.waiting[q.chat])...), ofOthers(q, r.bots[q.bot].all)...)
	}
	return r.found, nil
}

// look reads the new rows and adds them to a copy of the cache.
func (l *historyReader) look(ctx context.Context, asked []question) (*reading, error) {
	r := &reading{reader: l, found: make([]past, len(asked)), waiting: map[int64][]*line{}}
	r.chats, r.bots = l.known(asked)
	return r, r.read(ctx, asked)
}

// utterance returns the utterance of a text. The same text occurs as a draft, a waiting delivery, a
// bot's line and a chat's line; its trigrams are computed once.
func (l *historyReader) utterance(text string) *utterance {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.said[text]
	if u == nil {
		u = utteranceOf(text)
		l.said[text] = u
	}
	return u
}

// forget drops the cache. The caller holds the lock.
func (l *historyReader) forget() {
	l.chats, l.bots, l.said = map[int64][]*heardLine{}, map[int64]spoken{}, map[string]*utterance{}
}

// outdated reports whether somebody was forgotten since the cache was filled, and drops the cache
// in this case: it may contain their words.
func (l *historyReader) outdated(now erasures) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.erasures == now {
		return false
	}
	l.erasures = now
	l.forget()
	return true
}

// known returns the cached lines of the chats and bots. They are copies: concurrent calls may use
// them, and a failed call leaves the cache as it was.
func (l *historyReader) known(asked []question) (chats map[int64][]*heardLine, bots map[int64]spoken) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.since) >= l.keep {
		l.since = time.Now()
		l.forget()
	}
	chats, bots = map[int64][]*heardLine{}, map[int64]spoken{}
	for _, q := range asked {
		chats[q.chat] = slices.Clone(l.chats[q.chat])
		b := l.bots[q.bot]
		b.all = slices.Clone(b.all)
		bots[q.bot] = b
	}
	return chats, bots
}

// ofOthers returns the lines of other turns, the newest first.
func ofOthers(q question, all []*line) (found []said) {
	for _, l := range slices.Backward(all) {
		if l.chat != q.chat || l.turn != q.turn {
			found = append(found, said{l.said, l.chat != q.chat})
		}
	}
	return found
}

// reading collects the rows of one statement.
type reading struct {
	reader   *historyReader
	found    []past
	erasures erasures
	chats    map[int64][]*heardLine
	bots     map[int64]spoken
	waiting  map[int64][]*line // by chat: texts of open deliveries
}

// read replaces the newest cached lines and adds the new ones: it reads from a little before the
// newest cached line, because a later commit may have added lines there.
func (r *reading) read(ctx context.Context, asked []question) error {
	n := len(asked)
	chats, turns, bots, numbers := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, 2*n)
	for i, q := range asked {
		chats[i], turns[i], bots[i], numbers[i], numbers[n+i] = q.chat, q.turn, q.bot, q.number, q.also
	}
	var ids, after, speakers []int64
	var since []time.Time
	for id, lines := range r.chats {
		newest := int64(0)
		for _, l := range lines {
			newest = max(newest, l.number)
		}
		r.chats[id] = slices.DeleteFunc(lines, func(l *heardLine) bool { return l.number > newest-numberLag })
		ids, after = append(ids, id), append(after, newest-numberLag)
	}
	for id, b := range r.bots {
		from := b.until.Add(-commitLag)
		b.all = slices.DeleteFunc(b.all, func(l *line) bool { return l.at.After(from) })
		r.bots[id] = b
		speakers, since = append(speakers, id), append(since, from)
	}
	args := append(memory.LearnedArgs(chats, bots), numbers, turns, ids, after, r.reader.max, speakers, since, botWindow, passLookback)
	var f row
	return store.Each(ctx, r.reader.pool, "read the past", []any{
		&f.what, &f.whose, &f.id, &f.bot, &f.person, &f.author, &f.body, &f.username, &f.topic, &f.at, &f.strength, &f.bots, &f.people,
	}, func() error { r.add(&f); return nil }, readPast, args...)
}

// row is a row of readPast. Its kind, what, says which columns are used.
type row struct {
	what                          int
	whose, id, bot, person        int64
	author, body, username, topic string
	at                            time.Time
	strength                      float64
	bots, people                  []int64
}

func (r *reading) add(f *row) {
	words := script.Line{Author: f.author, Text: f.body, FromBot: f.bot != 0, Bot: f.bot, Person: f.person, At: f.at}
	switch f.what {
	case ofLine:
		r.chats[f.whose] = append(r.chats[f.whose], &heardLine{words, f.id, r.reader.utterance(f.body)})
	case ofTarget:
		t, n := &target{words, f.username, f.topic}, int64(len(r.found))
		if f.whose <= n {
			r.found[f.whose-1].answered = t
		} else {
			r.found[f.whose-1-n].also = t
		}
	case ofMemory:
		p := &r.found[f.whose-1]
		p.learned = append(p.learned, memory.Chosen{ID: f.id, Content: f.body, Strength: f.strength, Learned: true, Bots: f.bots, People: f.people})
	case ofBot:
		b := r.bots[f.whose]
		b.all = append(b.all, &line{f.id, f.bot, f.person, r.reader.utterance(f.body), f.at})
		r.bots[f.whose] = b
	case ofWaiting:
		r.waiting[f.whose] = append(r.waiting[f.whose], &line{chat: f.whose, turn: f.id, said: r.reader.utterance(f.body)})
	case ofPassing:
		r.found[f.whose-1].passed = true
	case ofErasures:
		r.erasures = erasures{f.id, f.strength}
	}
}

// order sorts the lines and keeps the newest maxLines of each chat.
func (r *reading) order(maxLines int) {
	for id, lines := range r.chats {
		slices.SortFunc(lines, func(a, b *heardLine) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.number, b.number)) })
		r.chats[id] = lines[max(0, len(lines)-maxLines):]
	}
	for id, b := range r.bots {
		slices.SortFunc(b.all, func(x, y *line) int {
			return cmp.Or(x.at.Compare(y.at), cmp.Compare(x.chat, y.chat), cmp.Compare(x.turn, y.turn), cmp.Compare(x.part, y.part))
		})
		if n := len(b.all); n > 0 {
			b.until = b.all[n-1].at
		}
		r.bots[id] = b
	}
}
