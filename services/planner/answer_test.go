package planner_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/planner"
)

// silent is chats that never talk by themselves during a test.
func silent(s *stage, names ...string) []int64 {
	s.t.Helper()
	var ids []int64
	for _, name := range names {
		ids = append(ids, s.chat(name))
	}
	s.exec(`UPDATE chat_clock SET next_turn_at = now() + interval '1 day'`)
	return ids
}

// question is what a listener tells of a message to a chat, each of another person.
func (s *stage) question(chat int64, text string) *chorusv1.Update {
	s.t.Helper()
	number := s.says(chat, 0, text, 0)
	return &chorusv1.Update{
		ChatId: chat, Number: number, Kind: chorusv1.UpdateKind_UPDATE_KIND_MESSAGE, Message: number, PersonId: number, Text: text,
		Question: true, HappenedAt: timestamppb.Now(), ReceivedAt: timestamppb.Now(),
	}
}

// heard is an update as the listener publishes it.
func heard(t testing.TB, u *chorusv1.Update, publication int) bus.Message {
	t.Helper()
	payload, err := proto.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	return bus.Message{
		Subject: subject.Update(u.GetChatId()), ID: fmt.Sprintf("update-%d-%d-%d", u.GetChatId(), u.GetNumber(), publication), Payload: payload,
	}
}

func (s *stage) publish(b *bus.Bus, messages ...bus.Message) {
	s.t.Helper()
	if _, err := b.Publish(s.t.Context(), messages...); err != nil {
		s.t.Fatal(err)
	}
}

// hearing is what a planner needs to hear people.
func (s *stage) hearing(values planner.Settings, b *bus.Bus) planner.Deps {
	deps := s.deps(values, b)
	deps.Listen = func(ctx context.Context, hear bus.Handler[*chorusv1.Update]) error {
		return bus.NewConsumer(b, bus.Planner(), journal.New(deps.Pool), nil, hear).Run(ctx)
	}
	return deps
}

// listens waits until a planner reads the updates.
func (s *stage) listens(b *bus.Bus) {
	s.t.Helper()
	chat := s.chat("first")
	s.exec(`UPDATE chat_clock SET next_turn_at = now() + interval '1 day' WHERE chat_id = $1`, chat)
	s.publish(b, heard(s.t, s.question(chat, "Is anybody there?"), 0))
	s.eventually("a planner listens", `SELECT EXISTS (SELECT FROM turns WHERE chat_id = $1)`, chat)
}

func TestPeopleAreAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	answer(t, 20)
}

// BenchmarkAnswer prints how soon after a question its answer is planned and on the
// bus.
func BenchmarkAnswer(b *testing.B) {
	for b.Loop() {
		var took []float64
		for _, d := range answer(b, 60) {
			took = append(took, float64(d.Microseconds())/1000)
		}
		fmt.Printf("figure planner.answer_p50_ms %.1f ms\n", median(took))
	}
}

// answer asks so many questions, each in a chat of its own, and returns how soon each
// answer was on the bus.
func answer(t testing.TB, questions int) (took []time.Duration) {
	t.Helper()
	s := newSerialStage(t, "anna", "ben", "clara")
	b, server := busServer(t)
	s.plan(s.hearing(given(t), b))
	// The journal learns a while later that a turn is on the bus.
	nc, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	s.listens(b)
	for i := range questions {
		chat := silent(s, fmt.Sprintf("club-%d", i))[0]
		next := one[time.Time](s, `SELECT next_turn_at FROM chat_clock WHERE chat_id = $1`, chat)
		u := s.question(chat, "What do you think of the ending?")
		if i%2 == 1 {
			u.Question, u.AddressedBots = false, []int64{s.bots[1]}
		}
		handed, err := nc.SubscribeSync(subject.Turn(chat))
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		asked := time.Now()
		s.publish(b, heard(t, u, 0))
		if _, err := handed.NextMsg(patience); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(asked))
		s.eventually("the answer is published", `SELECT EXISTS (SELECT FROM turns WHERE chat_id = $1 AND published_at IS NOT NULL)`, chat)
		var bot, target int64
		var kind string
		var after time.Time
		err = s.pool.QueryRow(t.Context(), `
SELECT bot_id, target_message, kind, next_turn_at FROM turns JOIN chat_clock USING (chat_id, turn_no) WHERE chat_id = $1`, chat).
			Scan(&bot, &target, &kind, &after)
		if err != nil {
			t.Fatal(err)
		}
		if kind != "reply" || target != u.GetMessage() || i%2 == 1 && bot != s.bots[1] {
			t.Errorf("a %s of bot %d to message %d answers message %d of %v", kind, bot, target, u.GetMessage(), u.GetAddressedBots())
		}
		if !after.Equal(next) {
			t.Errorf("the answer moved the clock from %v to %v", next, after)
		}
	}
	return took
}

// One answer, however often the update comes, and to however many planners.
func TestAQuestionGetsOneAnswer(t *testing.T) {
	s := newStage(t, "anna", "ben", "clara")
	b, server := busServer(t)
	names := make([]string, 20)
	for i := range names {
		names[i] = fmt.Sprintf("club-%d", i)
	}
	ids := silent(s, names...)
	var updates []*chorusv1.Update
	for _, chat := range ids {
		updates = append(updates, s.question(chat, "What do you think, Anna? And you, Ben?"))
	}
	// Planners that are handed the same updates at the same time, and one that
	// reads them from the bus, in three publications.
	var planners sync.WaitGroup
	for range 3 {
		p := planner.New(planner.DefaultConfig(), s.deps(given(t), noBus{}))
		planners.Go(func() {
			for _, u := range updates {
				if err := p.Answer(t.Context(), u); err != nil {
					t.Error(err)
				}
			}
		})
	}
	s.plan(s.hearing(given(t), connect(t, server.URL())))
	for publication := range 3 {
		for _, u := range updates {
			s.publish(b, heard(t, u, publication))
		}
	}
	planners.Wait()
	// A last update that is handled after all of a chat's others.
	for _, chat := range ids {
		u := s.question(chat, "And which book is next?")
		s.publish(b, heard(t, u, 0))
	}
	s.eventually("every chat has two answers", `SELECT min(turn_no) >= 2 FROM chat_clock`)
	if double := one[int](s, `SELECT count(*) FROM (SELECT FROM turns GROUP BY chat_id, target_message HAVING count(*) > 1) t`); double != 0 {
		t.Errorf("%d questions got more than one answer", double)
	}
	s.intact()
}

func TestAnAnswerKeepsTheRules(t *testing.T) {
	for name, c := range map[string]struct {
		sql      string
		settings []string
		change   func(*stage, *chorusv1.Update)
		answered bool
	}{
		"a question":             {answered: true},
		"a plain message":        {change: func(_ *stage, u *chorusv1.Update) { u.Question = false }},
		"a mention":              {change: func(s *stage, u *chorusv1.Update) { u.Question, u.AddressedBots = false, s.bots }, answered: true},
		"of another cast's bot":  {change: func(_ *stage, u *chorusv1.Update) { u.AddressedBots = []int64{1 << 40} }},
		"to another person":      {change: func(_ *stage, u *chorusv1.Update) { u.ReplyTo = 7 }},
		"an edit":                {change: func(_ *stage, u *chorusv1.Update) { u.Kind = chorusv1.UpdateKind_UPDATE_KIND_EDIT }},
		"in a chat that is gone": {change: func(_ *stage, u *chorusv1.Update) { u.ChatId = 1 << 40 }},
		"of a message gone":      {change: func(_ *stage, u *chorusv1.Update) { u.Message = 1 << 40 }},
		"heard long ago":         {change: func(_ *stage, u *chorusv1.Update) { u.ReceivedAt = timestamppb.New(time.Now().Add(-2 * time.Hour)) }},
		"without a time":         {change: func(_ *stage, u *chorusv1.Update) { u.ReceivedAt = nil }, answered: true},
		"with a clock ahead":     {change: func(_ *stage, u *chorusv1.Update) { u.ReceivedAt = timestamppb.New(time.Now().Add(time.Hour)) }, answered: true},
		"dated long ago":         {sql: `UPDATE messages SET sent_at = now() - interval '10 minutes'`, answered: true}, // by another clock
		"dated in the future":    {sql: `UPDATE messages SET sent_at = now() + interval '10 minutes'`, answered: true},
		"that waited for long":   {change: func(_ *stage, u *chorusv1.Update) { u.HappenedAt = timestamppb.New(time.Now().Add(-10 * time.Minute)) }},
		"heard too late":         {change: func(_ *stage, u *chorusv1.Update) { u.ReceivedAt = timestamppb.New(time.Now().Add(-10 * time.Minute)) }},
		"with all asleep":        {sql: `UPDATE bots SET active_hours = ARRAY[to_char(now() + interval '6 hours', 'HH24:MI') || '-' || to_char(now() + interval '7 hours', 'HH24:MI')]`},
		"with the chat off":      {sql: `UPDATE chats SET enabled = false`},
		"with all off":           {settings: []string{"simulation_active", "false"}},
		"with the cast gone":     {sql: `UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked'`},
		"beyond the hour":        {sql: `UPDATE bots SET hourly_max = 1`, change: spent(false)},
		"beyond the minute":      {settings: []string{"max_msgs_per_min", "1"}, change: spent(false)},
		"of all chats":           {settings: []string{"global_max_msgs_per_min", "1"}, change: spent(false)},
		"beyond the open turns":  {settings: []string{"max_unwritten_turns", "1"}, change: spent(true)},
		"below all limits":       {change: spent(true), answered: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "anna")
			chat := silent(s, "club")[0]
			u := s.question(chat, "What do you think?")
			if c.sql != "" {
				s.exec(c.sql)
			}
			if c.change != nil {
				c.change(s, u)
			}
			before := one[int](s, `SELECT turn_no FROM chat_clock`)
			p := planner.New(planner.DefaultConfig(), s.deps(given(t, c.settings...), noBus{}))
			if err := p.Answer(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			answers := one[int](s, `SELECT count(*) FROM turns WHERE target_message = $1`, u.GetMessage())
			if (answers == 1) != c.answered || one[int](s, `SELECT turn_no FROM chat_clock`) != before+answers {
				t.Errorf("%d answers, want one: %v", answers, c.answered)
			}
		})
	}
}

// spent has the bot write a message a moment ago.
func spent(open bool) func(*stage, *chorusv1.Update) {
	return func(s *stage, u *chorusv1.Update) { s.turns(u.GetChatId(), s.bots[0], 1, "message", time.Second, open) }
}

// The limits of bots hold though many are asked at once, in many chats, by
// several planners.
func TestAnswersKeepLimitsTogether(t *testing.T) {
	s := newStage(t, "anna", "ben")
	s.exec(`UPDATE bots SET hourly_max = 5`)
	names := make([]string, 24)
	for i := range names {
		names[i] = fmt.Sprintf("club-%d", i)
	}
	var updates []*chorusv1.Update
	for _, chat := range silent(s, names...) {
		updates = append(updates, s.question(chat, "What do you think?"))
	}
	var asking sync.WaitGroup
	for part := range slices.Chunk(updates, 4) {
		p := planner.New(planner.DefaultConfig(), s.deps(given(t), noBus{}))
		asking.Go(func() {
			for _, u := range part {
				if err := p.Answer(t.Context(), u); err != nil {
					t.Error(err)
				}
			}
		})
	}
	asking.Wait()
	if n := one[int](s, `SELECT count(*) FROM turns`); n != 10 {
		t.Errorf("%d answers, want the 10 that two bots may give", n)
	}
}
