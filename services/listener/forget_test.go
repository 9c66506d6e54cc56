package listener_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/memory"
	"github.com/chorus-cast/chorus/services/internal/people"
	"github.com/chorus-cast/chorus/services/internal/people/peopletest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// What a person is found by: a word that they alone brought up, and their name.
const (
	marker   = "quokkaberry"
	nickname = "Zebulon"
)

// everywhere gives each place that holds a text.
func (s *stage) everywhere(text string) []string {
	s.t.Helper()
	return peopletest.Search(s.t, s.pool, s.js, text)
}

// said lets a bot say something: written down, sent if sent is true, and published.
func (s *stage) said(j *journal.Journal, turn *chorusv1.Turn, text string, sent bool) *journal.Claim {
	s.t.Helper()
	ctx := s.t.Context()
	e, made, err := j.Deliver(ctx, journaltest.Message(turn, text), "")
	if err != nil || !made {
		s.t.Fatal(made, err)
	}
	sequences, err := s.bus.Publish(ctx, e.Message)
	if err != nil {
		s.t.Fatal(err)
	}
	s.exec(`UPDATE deliveries SET published_at = now(), bus_sequence = $3 WHERE chat_id = $1 AND turn_no = $2`, turn.GetId().GetChatId(), turn.GetId().GetNumber(), int64(sequences[0]))
	if !sent {
		return nil
	}
	claim, refused, err := j.Claim(ctx, turn.GetId(), "sender")
	if err != nil || claim == nil {
		s.t.Fatal(refused, err)
	}
	return claim
}

func (s *stage) ends(j *journal.Journal, turn *chorusv1.Turn, claim *journal.Claim, text string) {
	s.t.Helper()
	receipt := journal.ExpiredReceipt(turn, "")
	receipt.Outcome = chorusv1.Outcome_OUTCOME_DELIVERED
	_, err := j.Finish(s.t.Context(), claim, receipt, &journal.Sent{TelegramID: 9000 + claim.Number, Text: text, ReplyTo: turn.GetTargetMessage(), At: time.Now()})
	if err != nil {
		s.t.Fatal(err)
	}
}

// planned writes a turn of a chat down.
func (s *stage) plans(j *journal.Journal, chat, bot, target int64) *chorusv1.Turn {
	s.t.Helper()
	tx, err := s.pool.Begin(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(s.t.Context())) }()
	var number int64
	if err := tx.QueryRow(s.t.Context(), `UPDATE chat_clock SET turn_no = turn_no + 1 WHERE chat_id = $1 RETURNING turn_no`, chat).Scan(&number); err != nil {
		s.t.Fatal(err)
	}
	turn := journaltest.Turn(chat, number, bot)
	turn.ExpiresAt = timestamppb.New(time.Now().Add(10 * time.Minute))
	if target != 0 {
		turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REPLY, target
	}
	turn.Reasons = []*chorusv1.Reason{{Rule: "target.person", Weight: 8, Detail: "a person"}}
	if target != 0 { // as those that were planned before reasons named nobody
		turn.Reasons[0].Detail = nickname + " Quist"
	}
	if _, _, err := j.Plan(s.t.Context(), tx, []journal.Planned{{Turn: turn}}); err != nil {
		s.t.Fatal(err)
	}
	if err := tx.Commit(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return turn
}

func (s *stage) number(body string) int64 {
	s.t.Helper()
	return value[int64](s, `SELECT number FROM messages WHERE body = $1`, body)
}

// TestForgettingLeavesNothing plants a word and a name in all that Chorus makes of what
// a person says, finished, waiting and under way, and looks through everything when
// the person is forgotten. What is exported before is what is found.
func TestForgettingLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, 2)
	s.listen()
	chat, there := s.chat(world.Supergroup, "Here")
	other, elsewhere := s.chat(world.Supergroup, "There")
	const first = "My parrot is called " + marker + "."
	s.say(there, nickname+" Quist", first, 0)
	s.say(elsewhere, nickname+" Quist", "And here, too: "+marker, 0)
	s.say(there, "Ann", "I like tea.", 0)
	s.hears(chat, 2)
	s.hears(other, 1)
	s.settled()
	person, _ := s.world().Find(nickname + " Quist")
	ann, _ := s.world().Find("Ann")
	j := journal.New(s.pool)

	// What bots made of it: an answer that says neither word nor name, lines that say
	// one of them, one that waits, one that is being sent, and one that is being written.
	answer, named, worded := s.plans(j, chat, s.bots[0], s.number(first)), s.plans(j, chat, s.bots[1], 0), s.plans(j, other, s.bots[0], 0)
	s.ends(j, answer, s.said(j, answer, "A fine bird.", true), "A fine bird.")
	s.ends(j, named, s.said(j, named, nickname+"s bird is fine.", true), nickname+"s bird is fine.")
	s.ends(j, worded, s.said(j, worded, "Quokkaberry is a fine name.", true), "Quokkaberry is a fine name.")
	innocent := s.plans(j, chat, s.bots[1], 0)
	s.ends(j, innocent, s.said(j, innocent, "It rains.", true), "It rains.")
	refused := s.plans(j, chat, s.bots[0], 0)
	if _, err := j.CloseTurn(t.Context(), func() *chorusv1.Receipt {
		r := journal.ExpiredReceipt(refused, `the guard objects: it says what was said: "`+marker+`"`)
		r.Outcome = chorusv1.Outcome_OUTCOME_REJECTED
		return r
	}()); err != nil {
		t.Fatal(err)
	}
	dead := s.plans(j, chat, s.bots[0], 0)
	s.said(j, dead, "Dear "+nickname+"!", false)
	if err := j.Bury(t.Context(), &chorusv1.DeadLetter{Id: "letter", Stream: subject.Deliveries, Reason: "for " + marker, Payload: []byte("Dear " + nickname), Turn: dead.GetId()}); err != nil {
		t.Fatal(err)
	}
	update, err := proto.Marshal(s.heard(chat)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Bury(t.Context(), &chorusv1.DeadLetter{Id: "update", Stream: subject.Updates, Payload: update}); err != nil {
		t.Fatal(err)
	}
	sending := s.plans(j, other, s.bots[1], 0)
	inFlight := s.said(j, sending, "Is it "+nickname+" again?", true)
	waiting := s.plans(j, chat, s.bots[0], 0)
	s.said(j, waiting, "I thought of "+marker+" all day.", false)
	writing := s.plans(j, chat, s.bots[1], s.number(first))

	// What a bot learned, and is about to learn.
	talk := func() *memory.Talk {
		return &memory.Talk{
			Chat: chat, Cast: map[int64]string{s.bots[0]: "bot0"}, People: map[int64]string{person.ID: nickname, ann.ID: "Ann"}, Until: time.Now(),
			Lines: []memory.Line{{Number: s.number(first)}},
		}
	}
	learning := talk()
	learned := []memory.New{{Bot: s.bots[0], Kind: "fact", Content: nickname + "'s parrot is called " + marker + ".", Relevance: 0.9, AboutPeople: []int64{person.ID}}}
	if err := memory.Learn(t.Context(), s.pool, talk(), learned); err != nil {
		t.Fatal(err)
	}
	others := &memory.Talk{Chat: chat, Cast: map[int64]string{}, People: map[int64]string{ann.ID: "Ann"}, Until: time.Now()}
	if err := memory.Learn(t.Context(), s.pool, others, []memory.New{{Bot: s.bots[0], Kind: "fact", Content: "Ann likes tea.", Relevance: 0.9}}); err != nil {
		t.Fatal(err)
	}
	s.exec(`INSERT INTO memories (bot_id, kind, content, source) VALUES ($1, 'fact', 'The cast file says so.', 'cast')`, s.bots[0])
	s.exec(`INSERT INTO answers (chat_id, message, person_id) VALUES ($1, 1, $2)`, chat, person.ID)

	before := s.everywhere(marker)
	for _, place := range []string{"messages_", "memories.content", "deliveries.payload", "deliveries.body", "receipts.reason", "dead_letters.reason", "stream UPDATES", "stream DELIVERIES"} {
		if !slices.ContainsFunc(before, func(p string) bool { return strings.HasPrefix(p, place) }) {
			t.Errorf("nothing was planted in %s, only in %v", place, before)
		}
	}
	s.exported(person.ID)

	s.pass(time.Second) // Telegram's times are whole seconds
	if d := s.asks(chat, there, nickname+" Quist", "/forgetme"); !strings.HasPrefix(d.GetText(), "Done.") {
		t.Errorf("the answer is %v", d)
	}
	testenv.Eventually(t, "the tables are vacuumed", func() (string, bool) {
		all := value[string](s, `SELECT coalesce(string_agg(relname, ' '), '') FROM pg_stat_user_tables WHERE relname IN ('messages_0', 'memories', 'people', 'turns', 'updates') AND vacuum_count > 0`)
		return all, len(strings.Fields(all)) == 5
	})
	// What was under way goes on.
	s.ends(j, sending, inFlight, "Is it "+nickname+" again?")
	if _, made, err := j.Deliver(t.Context(), journaltest.Message(writing, "So "+marker+" it is."), ""); err != nil || made {
		t.Errorf("what was written from their words is delivered: %v, %v", made, err)
	}
	if err := memory.Learn(t.Context(), s.pool, learning, learned); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{marker, nickname, "Quist", "A fine bird"} {
		if left := s.everywhere(text); len(left) > 0 {
			t.Errorf("%s is left in %v", text, left)
		}
	}
	if kept, err := people.Read(t.Context(), s.pool, person.ID); err != nil || len(kept.Messages)+len(kept.Lines)+len(kept.Memories)+kept.Updates+kept.Answers > 0 || kept.Name != "" || kept.Forgotten == nil {
		t.Errorf("%+v is kept, %v", kept, err)
	}
	for what, sql := range map[string]string{
		"what others said":                 `SELECT count(*) FROM messages WHERE body = 'I like tea.'`,
		"what bots said else":              `SELECT count(*) FROM messages WHERE body = 'It rains.'`,
		"what is known of others":          `SELECT count(*) FROM memories WHERE content = 'Ann likes tea.'`,
		"what the cast file says":          `SELECT count(*) FROM memories WHERE source = 'cast'`,
		"how the turn that was sent ended": fmt.Sprintf(`SELECT count(*) FROM turns WHERE chat_id = %d AND turn_no = %d AND outcome = 'delivered'`, other, sending.GetId().GetNumber()),
	} {
		if n := value[int](s, sql); n != 1 {
			t.Errorf("%s is there %d times, want once", what, n)
		}
	}
}

// exported makes sure that the export of a person has all that the search finds.
func (s *stage) exported(person int64) {
	s.t.Helper()
	kept, err := people.Read(s.t.Context(), s.pool, person)
	if err != nil {
		s.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := yaml.NewEncoder(&out).Encode(kept); err != nil {
		s.t.Fatal(err)
	}
	for _, want := range []string{
		"My parrot is called " + marker, "And here, too", "A fine bird.", nickname + "s bird", "Quokkaberry is a fine name.", "the guard objects", "Dear " + nickname,
		"for " + marker, "Is it " + nickname, "I thought of " + marker,
	} {
		if !strings.Contains(out.String(), want) {
			s.t.Errorf("no %q in the export:\n%s", want, &out)
		}
	}
	if len(kept.Memories) != 1 || !kept.Memories[0].About || len(kept.Messages) != 2 {
		s.t.Errorf("the export is\n%s", &out)
	}
	if strings.Contains(out.String(), "It rains.") || strings.Contains(out.String(), "Ann likes") {
		s.t.Errorf("the export has what is not about them:\n%s", &out)
	}
}

// broken is a bus that fails to erase.
type broken struct{ *bus.Bus }

var errFails = errors.New("no updates are deleted")

func (broken) Erase(context.Context, string, ...uint64) error {
	return jetstream.ErrJetStreamNotEnabled
}

// An erasure that dies half-way is done to its end later, though what it searches by
// is gone from where it was.
func TestAnErasureOutlivesACrash(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	stop := s.listen()
	chat, there := s.chat(world.Supergroup, "Here")
	s.say(there, nickname, "I have a "+marker, 0)
	s.hears(chat, 1)
	s.settled()
	stop()
	person, _ := s.world().Find(nickname)
	j := journal.New(s.pool)
	turn := s.plans(j, chat, s.bots[0], 0)
	s.ends(j, turn, s.said(j, turn, "A "+marker+"?", true), "A "+marker+"?")

	e := people.Erasure{Pool: s.pool, Journal: j, Bus: broken{}, Updates: func(context.Context, int64) error { return nil }}
	if err := e.Forget(t.Context(), person.ID, time.Now().Add(time.Second)); err == nil {
		t.Fatal("it did not fail")
	}
	if n := value[int](s, `SELECT count(*) FROM messages WHERE person_id = $1`, person.ID); n != 0 {
		t.Errorf("%d messages are left at once", n)
	}
	// One whose erasure fails again comes first.
	s.exec(`INSERT INTO forgotten (person_id, at, marks) VALUES (-1, now(), '{}')`)
	s.exec(`UPDATE forgotten SET at = at - interval '1 hour'`)
	e.Bus, e.Updates = s.bus, func(_ context.Context, person int64) error {
		if person == -1 {
			return errFails
		}
		return nil
	}
	if err := e.Resume(t.Context(), time.Minute); !errors.Is(err, errFails) {
		t.Fatalf("the error is %v, want %v", err, errFails)
	}
	s.exec(`DELETE FROM forgotten WHERE person_id = -1`)
	s.exec(`DELETE FROM updates`)
	if left := slices.DeleteFunc(s.everywhere(marker), func(p string) bool { return strings.HasPrefix(p, "stream "+subject.Updates) }); len(left) > 0 {
		t.Errorf("it is left in %v", left)
	}
	if n := value[int](s, `SELECT count(*) FROM forgotten WHERE marks IS NOT NULL`); n != 0 {
		t.Error("by what they were recognised is kept")
	}
}

// Whatever table is to hold people is to be searched, too.
func TestAllColumnsWithPeopleAreKnown(t *testing.T) {
	t.Parallel()
	s := &stage{t: t, pool: journaltest.Open(t)}
	got := value[[]string](s, `
SELECT array_agg((table_name || '.' || column_name)::text ORDER BY table_name::text) FROM information_schema.columns c
WHERE table_schema = 'public' AND (column_name LIKE 'person%' OR table_name = 'people' AND column_name = 'telegram_id')
  AND table_name NOT SIMILAR TO '%[0-9]'`)
	if !slices.Equal(got, people.Places()) {
		t.Errorf("people's ids are in %v, and searched in %v", got, people.Places())
	}
}
