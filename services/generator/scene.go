package generator

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/memory"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
)

// scene is what a turn's text is written from.
type scene struct {
	script.Scene
	// answering is the username or name of whom the turn answers; empty for none, and
	// for a name that must not be said.
	answering string
	// also is the same of whom it answers with them.
	also string
	wpm  float64
	// timeZone is the chat's.
	timeZone string
	// present are the usernames of whom the text may mention.
	present []string
	// memories are those that hold everywhere, and then those that come to mind;
	// learned are those of this chat.
	memories, learned []memory.Chosen
	// cast are the names of the chat's personas.
	cast []string
}

const (
	lineOf = `SELECT u.n, coalesce(p.display_name, who.name, ''), m.body, coalesce(m.bot_id, 0), coalesce(m.person_id, 0), m.sent_at`
	author = ` LEFT JOIN personas p ON p.bot_id = m.bot_id LEFT JOIN people who ON who.telegram_id = m.person_id`
	before = ` LEFT JOIN LATERAL (
    SELECT outcome FROM turns WHERE chat_id = u.chat_id AND turn_no < u.turn_no AND kind IN ('message', 'reply') ORDER BY turn_no DESC LIMIT 1) t ON true`
	historyOf = lineOf + `, coalesce(t.outcome = 'passed', false)
FROM unnest($1::bigint[], $3::bigint[]) WITH ORDINALITY AS u(chat_id, turn_no, n) CROSS JOIN LATERAL (
    SELECT * FROM messages WHERE chat_id = u.chat_id AND talk ORDER BY sent_at DESC, number DESC LIMIT $2) m` + before + author + `
ORDER BY u.n, m.sent_at DESC, m.number DESC`
	targetOf = lineOf + `, coalesce(b.username, who.username, ''), coalesce(t.topic, '')
FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS u(chat_id, number, n) CROSS JOIN LATERAL (
    SELECT * FROM messages WHERE chat_id = u.chat_id AND number = u.number LIMIT 1) m` + author + ` LEFT JOIN bots b ON b.id = m.bot_id
LEFT JOIN turns t ON t.chat_id = m.chat_id AND t.turn_no = m.turn_no`
)

// question is what a scene asks of the past: what its chat heard last, the messages that
// it answers, 0 for none, what its bot learned there, and how the text before that of its
// turn ended.
type question struct{ chat, turn, bot, number, also int64 }

// past is the answer. The newest line is the first; answered and also are nil if there is
// none.
type past struct {
	lines          []script.Line
	answered, also *target
	learned        []memory.Chosen
	// passed tells that the writer of the chat's last text before had nothing to add.
	passed bool
}

// mayPass tells whether there may be no text: nobody passes twice in a row, nor where
// nothing was said, and no person who asks is left without an answer.
func (p past) mayPass() bool {
	return len(p.lines) > 0 && !p.passed && p.also == nil && (p.answered == nil || p.answered.FromBot)
}

// target is a message that is answered.
type target struct {
	script.Line
	username, topic string
}

// maxMemories is how many memories a prompt shows.
const maxMemories = 3

// offlineHistory is how much of a chat a provider without a model looks at, so as
// not to say again what was said.
const offlineHistory = 200

func (g *Generator) shown() int {
	if g.Texts.Model() {
		return g.cfg.History
	}
	return offlineHistory
}

// load reads a scene: who speaks, from the cache, and what was said, which every message
// changes, in one round trip with others.
func (g *Generator) load(ctx context.Context, t *chorusv1.Turn) (*scene, error) {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	s := &scene{Scene: script.Scene{
		Topic: t.GetTopic(), Seed: t.GetSeed(), Length: lengthOf(t.GetLength()), Refresh: t.GetRefreshPersona(), Bubbles: t.GetBubbles(),
		Now: g.Now(),
	}}
	chat := t.GetId().GetChatId()
	if err := s.part(ctx, g.Roster, rostercache.BotID(t.GetBotId()), rostercache.ChatID(chat)); err != nil {
		return nil, err
	}
	past, err := g.past.Do(ctx, question{chat, t.GetId().GetNumber(), t.GetBotId(), t.GetTargetMessage(), t.GetAlsoAnswers()})
	if err != nil {
		return nil, err
	}
	s.MayPass = past.mayPass()
	s.set(past.lines, past.answered, past.also)
	s.learned = past.learned
	s.remember()
	return s, nil
}

// pastOf answers many questions in one round trip.
func (g *Generator) pastOf(ctx context.Context, asked []question) ([]past, error) {
	found := make([]past, len(asked))
	chats, turns, bots := make([]int64, len(asked)), make([]int64, len(asked)), make([]int64, len(asked))
	var in, numbers []int64 // the messages that are answered
	var answered []**target
	for i, q := range asked {
		chats[i], turns[i], bots[i] = q.chat, q.turn, q.bot
		if q.number != 0 {
			in, numbers, answered = append(in, q.chat), append(numbers, q.number), append(answered, &found[i].answered)
		}
		if q.also != 0 {
			in, numbers, answered = append(in, q.chat), append(numbers, q.also), append(answered, &found[i].also)
		}
	}
	var b pgx.Batch
	memory.QueueLearned(&b, chats, bots, func(i int, m memory.Chosen) { found[i].learned = append(found[i].learned, m) })
	b.Queue(historyOf, chats, g.shown(), turns).Query(func(rows pgx.Rows) error {
		var n int
		var l script.Line
		var passed bool
		_, err := pgx.ForEachRow(rows, []any{&n, &l.Author, &l.Text, &l.Bot, &l.Person, &l.At, &passed}, func() error {
			l.FromBot = l.Bot != 0
			found[n-1].lines, found[n-1].passed = append(found[n-1].lines, l), passed
			return nil
		})
		return read(err)
	})
	if len(numbers) == 0 {
		return found, g.ask(ctx, &b)
	}
	b.Queue(targetOf, in, numbers).Query(func(rows pgx.Rows) error {
		var n int
		var t target
		_, err := pgx.ForEachRow(rows, []any{&n, &t.Author, &t.Text, &t.Bot, &t.Person, &t.At, &t.username, &t.topic}, func() error {
			t.FromBot = t.Bot != 0
			*answered[n-1] = new(t)
			return nil
		})
		return read(err)
	})
	return found, g.ask(ctx, &b)
}

func (g *Generator) ask(ctx context.Context, b *pgx.Batch) error {
	if err := g.Pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("load scenes: %w", err)
	}
	return nil
}

// read says what an error of rows was.
func read(err error) error {
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// set puts what was read where it belongs. Should the first message that is answered be
// gone, the other one is.
func (s *scene) set(past []script.Line, answered, also *target) {
	if answered == nil {
		answered, also = also, nil
	}
	slices.Reverse(past)
	lines := make([]*script.Line, 0, len(past)+1)
	for i := range past {
		lines = append(lines, &past[i])
	}
	if answered != nil {
		lines = append(lines, &answered.Line)
	}
	if also != nil {
		lines = append(lines, &also.Line)
	}
	mark(lines, s.Persona.ID)
	s.History = past
	if answered == nil {
		return
	}
	s.Answering, s.answering = &answered.Line, s.naming(answered)
	if answered.topic != "" {
		s.Topic = answered.topic // an answer stays with what it answers
	}
	if also == nil {
		return
	}
	// A text that answers somebody whom it can't name would not be found when they want to
	// be forgotten.
	if name := s.naming(also); name != "" {
		s.Also, s.also = &also.Line, name
	}
}

// naming is how whoever wrote a message is called; "" where they can't be.
func (s *scene) naming(t *target) string {
	if t.username == "" {
		return names.Sayable(t.Author)
	}
	s.present = append(s.present, "@"+t.username)
	return "@" + t.username
}

// memorable is how many messages back somebody counts as there.
const memorable = 15

// remember leaves of the bot's memories those that come to mind.
func (s *scene) remember() {
	present := memory.Present{Bots: map[int64]string{}, People: map[int64]string{}, Cast: s.cast}
	for _, l := range s.History[max(0, len(s.History)-memorable):] {
		switch {
		case l.Person != 0:
			present.People[l.Person] = l.Author
		case l.Bot != s.Persona.ID:
			present.Bots[l.Bot] = l.Author
		}
	}
	s.memories = memory.Choose(slices.Concat(s.memories, s.learned), s.Topic, present, maxMemories)
	for _, m := range s.memories {
		s.Memories = append(s.Memories, m.Content)
	}
}

func lengthOf(l chorusv1.Length) script.Length {
	switch l {
	case chorusv1.Length_LENGTH_SHORT:
		return script.Short
	case chorusv1.Length_LENGTH_LONG:
		return script.Long
	case chorusv1.Length_LENGTH_MEDIUM, chorusv1.Length_LENGTH_UNSPECIFIED:
	}
	return script.Medium
}
