package planner_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/planner"
)

// silent creates chats that don't talk by themselves during a test.
func silent(s *stage, names ...string) []int64 {
	s.t.Helper()
	var ids []int64
	for _, name := range names {
		ids = append(ids, s.chat(name))
	}
	s.exec(`UPDATE chat_clock SET next_turn_at = now() + interval '1 day'`)
	return ids
}

// question writes a person's message and returns its prompt. Each message is from another
// person.
func (s *stage) question(chat int64, text string, addressed ...int64) *journal.Prompt {
	s.t.Helper()
	number := s.says(chat, 0, text, 0)
	q := &journal.Prompt{
		ChatID: chat, Message: number, Person: number, AddressedBots: append([]int64{}, addressed...), HappenedAt: time.Now(), HeardAt: time.Now(),
	}
	s.prompt(q)
	return q
}

// prompt writes a prompt, like a listener.
func (s *stage) prompt(q *journal.Prompt) {
	s.t.Helper()
	err := pgx.BeginFunc(s.t.Context(), s.pool, func(tx pgx.Tx) error { return journal.New(s.pool).AddPrompt(s.t.Context(), tx, q) })
	if err != nil {
		s.t.Fatal(err)
	}
}

// answers makes a planner handle prompts one after the other.
func (s *stage) answers(p *planner.Planner, prompts ...*journal.Prompt) {
	s.t.Helper()
	for _, q := range prompts {
		if _, err := p.Answer(s.t.Context(), q); err != nil && !strings.HasPrefix(err.Error(), "it has to wait") {
			s.t.Error(err)
		}
	}
}

// answering returns the dependencies of a planner that answers people.
func (s *stage) answering(values planner.Settings, b *bus.Bus) planner.Deps {
	s.t.Helper()
	deps := s.deps(values, b)
	deps.Lease = lease.New(s.pool, lease.Planner, deps.Log)
	testenv.Background(s.t, deps.Lease.Run)
	s.until("the planner is seen to live", deps.Lease.Held)
	return deps
}

// ringing returns a function that waits for a chat's ring on a subject; chat 0 is any.
func ringing(t testing.TB, url, subject string) (rung func(chat int64)) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	rings, err := nc.SubscribeSync(subject)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return func(chat int64) {
		t.Helper()
		for {
			m, err := rings.NextMsg(patience)
			if err != nil {
				t.Fatalf("nobody rings for chat %d on %s: %v", chat, subject, err)
			}
			var told chorusv1.Ring
			if err := proto.Unmarshal(m.Data, &told); err != nil {
				t.Fatal(err)
			}
			if chat == 0 || slices.Contains(told.GetChats(), chat) {
				return
			}
		}
	}
}

func TestPeopleAreAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	answer(t, 20)
}

// BenchmarkAnswer prints the time from a question until its answer is planned and rung for.
func BenchmarkAnswer(b *testing.B) {
	for b.Loop() {
		var took []float64
		for _, d := range answer(b, 60) {
			took = append(took, float64(d.Microseconds())/1000)
		}
		fmt.Printf("figure planner.answer_p50_ms %.1f ms\n", median(took))
	}
}

// answer asks questions, each in its own chat, and returns the time until each answer's
// ring.
func answer(t testing.TB, questions int) (took []time.Duration) {
	t.Helper()
	s := newSerialStage(t, "anna", "ben", "clara")
	b, server := busServer(t)
	s.plan(s.answering(given(t), b))
	rung := ringing(t, server.URL(), subject.Text)
	for i := range questions {
		chat := silent(s, fmt.Sprintf("club-%d", i))[0]
		next := one[time.Time](s, `SELECT next_turn_at FROM chat_clock WHERE chat_id = $1`, chat)
		var addressed []int64
		if i%2 == 1 {
			addressed = s.bots[1:2]
		}
		q := s.question(chat, "What do you think of the ending?", addressed...)
		asked := time.Now()
		b.Ring(bus.Prompts(), chat)
		rung(chat)
		took = append(took, time.Since(asked))
		var bot, target int64
		var kind string
		var after time.Time
		err := s.pool.QueryRow(t.Context(), `
SELECT bot_id, target_message, kind, next_turn_at FROM turns JOIN chat_clock USING (chat_id, turn_no) WHERE chat_id = $1`, chat).
			Scan(&bot, &target, &kind, &after)
		if err != nil {
			t.Fatal(err)
		}
		if kind != "reply" || target != q.Message || addressed != nil && bot != addressed[0] {
			t.Errorf("a %s of bot %d to message %d answers message %d to %v", kind, bot, target, q.Message, addressed)
		}
		if !after.Equal(next) {
			t.Errorf("the answer moved the clock from %v to %v", next, after)
		}
		s.eventually("the prompt is done with", `SELECT NOT EXISTS (SELECT FROM prompts WHERE chat_id = $1)`, chat)
	}
	return took
}

// The sweep finds a prompt without a ring.
func TestAQuestionWithoutARingIsAnswered(t *testing.T) {
	s := newStage(t, "anna")
	b, _ := busServer(t)
	chat := silent(s, "club")[0]
	q := s.question(chat, "Is anybody there?")
	s.plan(s.answering(given(t), b))
	s.eventually("it is answered", `SELECT EXISTS (SELECT FROM turns WHERE target_message = $1)`, q.Message)
}

// A prompt gets one answer, however often and by however many planners it is handled.
func TestAQuestionGetsOneAnswer(t *testing.T) {
	s := newStage(t, "anna", "ben", "clara")
	b, server := busServer(t)
	names := make([]string, 20)
	for i := range names {
		names[i] = fmt.Sprintf("club-%d", i)
	}
	ids := silent(s, names...)
	var prompts []*journal.Prompt
	for _, chat := range ids {
		prompts = append(prompts, s.question(chat, "What do you think, Anna? And you, Ben?"))
	}
	// Three planners handle the same prompts at the same time, and two claim them.
	var planners sync.WaitGroup
	for range 3 {
		p := planner.New(planner.DefaultConfig(), s.deps(given(t), nil))
		planners.Go(func() { s.answers(p, prompts...) })
	}
	for range 2 {
		s.plan(s.answering(given(t), connect(t, server.URL())))
		b.Ring(bus.Prompts(), ids...)
	}
	planners.Wait()
	s.eventually("all prompts are done with", `SELECT NOT EXISTS (SELECT FROM prompts)`)
	// The same messages again, and a new one in each chat.
	for _, q := range prompts {
		s.prompt(q)
		s.question(q.ChatID, "And which book is next?")
		b.Ring(bus.Prompts(), q.ChatID)
	}
	s.eventually("all prompts are done with", `SELECT NOT EXISTS (SELECT FROM prompts)`)
	if n := one[int](s, `SELECT min(turn_no) FROM chat_clock`); n != 2 {
		t.Errorf("a chat has %d answers, want 2", n)
	}
	if double := one[int](s, `SELECT count(*) FROM (SELECT FROM turns GROUP BY chat_id, target_message HAVING count(*) > 1) t`); double != 0 {
		t.Errorf("%d questions got more than one answer", double)
	}
	s.intact()
}

// A person who is forgotten before the answer is planned gets none, and nothing is written
// about them.
func TestAPromptThatIsGoneIsNotAnswered(t *testing.T) {
	s := newStage(t, "anna")
	q := s.question(silent(s, "club")[0], "What do you think?")
	s.exec(`DELETE FROM prompts`)
	s.answers(planner.New(planner.DefaultConfig(), s.deps(given(t), nil)), q)
	if n := one[int](s, `SELECT (SELECT count(*) FROM turns) + (SELECT count(*) FROM answers) + (SELECT count(*) FROM prompt_skips)`); n != 0 {
		t.Errorf("%d rows are written", n)
	}
}

func TestAnAnswerKeepsTheRules(t *testing.T) {
	for name, c := range map[string]struct {
		sql      string
		settings []string
		change   func(*stage, *journal.Prompt)
		answered bool
	}{
		"a question":             {answered: true},
		"a mention":              {change: func(s *stage, q *journal.Prompt) { q.AddressedBots = s.bots }, answered: true},
		"of another cast's bot":  {change: func(_ *stage, q *journal.Prompt) { q.AddressedBots = []int64{1 << 40} }},
		"in a chat that is gone": {change: func(_ *stage, q *journal.Prompt) { q.ChatID = 1 << 40 }},
		"of a message gone":      {sql: `DELETE FROM messages`},
		"dated long ago":         {sql: `UPDATE messages SET sent_at = now() - interval '10 minutes'`, answered: true}, // the row has Telegram's time
		"dated in the future":    {sql: `UPDATE messages SET sent_at = now() + interval '10 minutes'`, answered: true},
		"that waited for long":   {change: func(_ *stage, q *journal.Prompt) { q.HappenedAt = time.Now().Add(-10 * time.Minute) }},
		"that waited for hours":  {change: func(_ *stage, q *journal.Prompt) { q.HappenedAt = time.Now().Add(-2 * time.Hour) }},
		"heard a moment ago":     {change: func(_ *stage, q *journal.Prompt) { q.HeardAt = time.Now().Add(time.Hour) }, answered: true},
		"with all asleep":        {sql: `UPDATE bots SET active_hours = ARRAY[to_char(now() + interval '6 hours', 'HH24:MI') || '-' || to_char(now() + interval '7 hours', 'HH24:MI')]`},
		"with the chat off":      {sql: `UPDATE chats SET enabled = false`},
		"with all off":           {settings: []string{"simulation_active", "false"}},
		"with the cast gone":     {sql: `UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked'`},
		"beyond the hour":        {sql: `UPDATE bots SET hourly_max = 1`, change: spent(false)},
		"beyond the minute":      {settings: []string{"max_msgs_per_min", "1"}, change: spent(false)},
		"of all chats":           {settings: []string{"global_max_msgs_per_min", "1"}, change: spent(false)},
		"beyond the texts":       {settings: []string{"max_unwritten_turns", "1"}, change: spent(true)},
		"with texts to be sent": {settings: []string{"max_unwritten_turns", "1"}, change: func(s *stage, q *journal.Prompt) {
			spent(true)(s, q)
			s.exec(`UPDATE turns SET written_at = now()`)
		}, answered: true},
		"below all limits": {change: spent(true), answered: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "anna")
			chat := silent(s, "club")[0]
			q := s.question(chat, "What do you think?")
			if c.sql != "" {
				s.exec(c.sql)
			}
			if c.change != nil {
				c.change(s, q)
			}
			before := one[int](s, `SELECT turn_no FROM chat_clock`)
			s.answers(planner.New(planner.DefaultConfig(), s.deps(given(t, c.settings...), nil)), q)
			answers := one[int](s, `SELECT count(*) FROM turns WHERE target_message = $1`, q.Message)
			if (answers == 1) != c.answered || one[int](s, `SELECT turn_no FROM chat_clock`) != before+answers {
				t.Errorf("%d answers, want one: %v", answers, c.answered)
			}
		})
	}
}

// spent makes the bot write a message one second ago.
func spent(open bool) func(*stage, *journal.Prompt) {
	return func(s *stage, q *journal.Prompt) { s.turns(q.ChatID, s.bots[0], 1, "message", time.Second, open) }
}

// The limits of bots hold when many people ask at once, in many chats, and several planners
// answer.
func TestAnswersKeepLimitsTogether(t *testing.T) {
	s := newStage(t, "anna", "ben")
	s.exec(`UPDATE bots SET hourly_max = 5`)
	names := make([]string, 24)
	for i := range names {
		names[i] = fmt.Sprintf("club-%d", i)
	}
	var prompts []*journal.Prompt
	for _, chat := range silent(s, names...) {
		prompts = append(prompts, s.question(chat, "What do you think?"))
	}
	var asking sync.WaitGroup
	for part := range slices.Chunk(prompts, 4) {
		p := planner.New(planner.DefaultConfig(), s.deps(given(t), nil))
		asking.Go(func() { s.answers(p, part...) })
	}
	asking.Wait()
	if n := one[int](s, `SELECT count(*) FROM turns`); n != 10 {
		t.Errorf("%d answers, want the 10 that two bots may give", n)
	}
}
