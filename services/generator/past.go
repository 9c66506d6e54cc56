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
	// keptFor is how long what was read is added to instead of read anew: what a chat's next
	// text needs is much the same as the last, and to read all of it was the dearest
	// statement of a text. Where somebody was forgotten meanwhile, it is read anew at once.
	keptFor = time.Minute
	// uncommitted is how much earlier than the newest delivery one may have been written
	// that could not be seen yet. One whose statement took longer is missed for keptFor.
	uncommitted = time.Second
	// unnumbered is the same for messages, whose numbers come from one sequence.
	unnumbered = 1000
	// inARow is how many turns back one was passed that the next may not pass after: those
	// between them are reactions and commands. To look further is to read all turns of the
	// chat, where that is how PostgreSQL has planned it.
	inARow = 5
)

// question is what a text asks of the past: what its chat heard last, the messages that it
// answers, 0 for none, what its bot said anywhere and learned there, and how the text
// before that of its turn ended.
type question struct{ chat, turn, bot, number, also int64 }

// past is the answer.
type past struct {
	// lines are those of the chat, the oldest first; answered and also are nil if there is
	// none.
	lines          []*heardLine
	answered, also *target
	learned        []memory.Chosen
	// passed tells that the writer of the chat's last text before had nothing to add.
	passed bool
	// said is what the text must not repeat: first what its chat heard, the newest first.
	said []said
}

// heardLine is one that a chat heard. Its author is empty where that is a bot.
type heardLine struct {
	script.Line

	number int64
	said   *utterance
}

// target is a message that is answered.
type target struct {
	script.Line
	username, topic string
}

// said is a text, and whether it was said in another chat than that of whoever asks.
type said struct {
	*utterance
	elsewhere bool
}

// lately reads the past, of many turns by one statement.
type lately struct {
	pool *pgxpool.Pool
	// max is how many lines of a chat are read, keep for how long they are added to.
	max  int
	keep time.Duration

	mu       sync.Mutex
	since    time.Time
	erasures erasures // when chats and bots were read
	chats    map[int64][]*heardLine
	bots     map[int64]spoken
	said     map[string]*utterance
}

// erasures are by what one knows that somebody was forgotten: how many were, and when, in
// seconds that are added up.
type erasures struct {
	people int64
	when   float64
}

// spoken are the lines of a bot, the oldest first.
type spoken struct {
	all   []*line
	until time.Time // when the newest was written
}

// line is one that was written for a turn.
type line struct {
	chat, turn, part int64
	said             *utterance
	at               time.Time
}

// What the rows of readPast are.
const (
	ofLine = iota
	ofTarget
	ofMemory
	ofBot
	ofWaiting
	ofPassing
	ofErasures
)

// What a bot said is read from its deliveries, wherever it said it: they have an index for
// it, and it need not be in the log of messages by now. A text may come twice.
//
// Nothing is joined that could be read as a whole: a connection plans the statement
// while the tables are young.
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

// of answers questions.
func (l *lately) of(ctx context.Context, asked []question) ([]past, error) {
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

// look adds to what is known what is new.
func (l *lately) look(ctx context.Context, asked []question) (*reading, error) {
	r := &reading{lately: l, found: make([]past, len(asked)), waiting: map[int64][]*line{}}
	r.chats, r.bots = l.known(asked)
	return r, r.read(ctx, asked)
}

// utterance is that of a text. A bot writes it, it waits, its bot has said it, and its chat
// has heard it: its trigrams are taken once.
func (l *lately) utterance(text string) *utterance {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.said[text]
	if u == nil {
		u = utteranceOf(text)
		l.said[text] = u
	}
	return u
}

// forget drops what is known. The caller has the lock.
func (l *lately) forget() {
	l.chats, l.bots, l.said = map[int64][]*heardLine{}, map[int64]spoken{}, map[string]*utterance{}
}

// outdated tells whether somebody was forgotten since what is known was read, and drops it
// then: their words may be among it.
func (l *lately) outdated(now erasures) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.erasures == now {
		return false
	}
	l.erasures = now
	l.forget()
	return true
}

// known is what was read of the chats and bots before: a copy, so that others may read it
// and a call which fails spoils nothing.
func (l *lately) known(asked []question) (chats map[int64][]*heardLine, bots map[int64]spoken) {
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

// ofOthers are the lines of other turns, the newest first.
func ofOthers(q question, all []*line) (found []said) {
	for _, l := range slices.Backward(all) {
		if l.chat != q.chat || l.turn != q.turn {
			found = append(found, said{l.said, l.chat != q.chat})
		}
	}
	return found
}

// reading is what a statement reads.
type reading struct {
	lately   *lately
	found    []past
	erasures erasures
	chats    map[int64][]*heardLine
	bots     map[int64]spoken
	waiting  map[int64][]*line // of each chat, what is about to be said
}

// read adds what is new to what is known, in place of the newest of that, which is read
// once more.
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
		r.chats[id] = slices.DeleteFunc(lines, func(l *heardLine) bool { return l.number > newest-unnumbered })
		ids, after = append(ids, id), append(after, newest-unnumbered)
	}
	for id, b := range r.bots {
		from := b.until.Add(-uncommitted)
		b.all = slices.DeleteFunc(b.all, func(l *line) bool { return l.at.After(from) })
		r.bots[id] = b
		speakers, since = append(speakers, id), append(since, from)
	}
	args := append(memory.LearnedArgs(chats, bots), numbers, turns, ids, after, r.lately.max, speakers, since, botWindow, inARow)
	var f row
	return store.Each(ctx, r.lately.pool, "read the past", []any{
		&f.what, &f.whose, &f.id, &f.bot, &f.person, &f.author, &f.body, &f.username, &f.topic, &f.at, &f.strength, &f.bots, &f.people,
	}, func() error { r.add(&f); return nil }, readPast, args...)
}

// row is one of the statement: what it is says what is in it.
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
		r.chats[f.whose] = append(r.chats[f.whose], &heardLine{words, f.id, r.lately.utterance(f.body)})
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
		b.all = append(b.all, &line{f.id, f.bot, f.person, r.lately.utterance(f.body), f.at})
		r.bots[f.whose] = b
	case ofWaiting:
		r.waiting[f.whose] = append(r.waiting[f.whose], &line{chat: f.whose, turn: f.id, said: r.lately.utterance(f.body)})
	case ofPassing:
		r.found[f.whose-1].passed = true
	case ofErasures:
		r.erasures = erasures{f.id, f.strength}
	}
}

// order puts what was read in order, and leaves of chats so many lines.
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
