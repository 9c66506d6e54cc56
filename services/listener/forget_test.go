package listener_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/memory"
	"github.com/chorus-cast/chorus/services/internal/people"
	"github.com/chorus-cast/chorus/services/internal/people/peopletest"
	stages "github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// A person is found by a word that nobody else uses, and by their name.
const (
	marker   = "quokkaberry"
	nickname = "Zebulon"
)

// everywhere returns each place that contains a text.
func (s *stage) everywhere(text string) []string {
	s.t.Helper()
	return peopletest.Search(s.t, s.pool, s.js, text)
}

// claims returns the claims of a process that the test plays.
func claims() journal.Claims { return journal.Claims{Owner: 1, Lease: time.Hour} }

// writing claims the next turn of a chat, as a generator does.
func (s *stage) writing(j *journal.Journal, chat int64) *journal.Unwritten {
	s.t.Helper()
	got, err := j.Texts(claims()).Claim(s.t.Context(), []int64{chat})
	if err != nil || len(got) != 1 {
		s.t.Fatal(got, err)
	}
	return got[0]
}

func (s *stage) written(j *journal.Journal, task *journal.Unwritten, result journal.Written) {
	s.t.Helper()
	ends := []stages.End[*journal.Unwritten, journal.Written]{{Task: task, Result: result, Last: true}}
	if _, err := j.Texts(claims()).Commit(s.t.Context(), ends); err != nil {
		s.t.Fatal(err)
	}
}

// says writes the text of a new turn. If sending is true, it also claims the delivery.
func (s *stage) says(j *journal.Journal, turn *chorusv1.Turn, text string, sending bool) *journal.Unsent {
	s.t.Helper()
	chat := turn.GetId().GetChatId()
	s.written(j, s.writing(j, chat), journal.Written{Deliveries: []*chorusv1.Delivery{journaltest.Message(turn, text)}})
	if !sending {
		return nil
	}
	return s.sending(j, chat)
}

// sending claims the next delivery of a chat, as a sender does.
func (s *stage) sending(j *journal.Journal, chat int64) *journal.Unsent {
	s.t.Helper()
	got, err := j.Deliveries(journal.LaneMessage, claims()).Claim(s.t.Context(), []int64{chat})
	if err != nil || len(got) != 1 {
		s.t.Fatal(got, err)
	}
	return got[0]
}

// sent closes a delivery as delivered.
func (s *stage) sent(j *journal.Journal, d *journal.Unsent) {
	s.t.Helper()
	ends := []stages.End[*journal.Unsent, journal.Sent]{{Task: d, Last: true, Result: journal.Sent{
		Outcome: chorusv1.Outcome_OUTCOME_DELIVERED,
		Message: &journal.Message{TelegramID: 9000 + d.GetId().GetNumber(), Text: d.GetText(), ReplyTo: d.GetTargetMessage(), At: time.Now()},
	}}}
	if _, err := j.Deliveries(journal.LaneMessage, claims()).Commit(s.t.Context(), ends); err != nil {
		s.t.Fatal(err)
	}
}

// plans plans a turn of a chat.
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
	if target != 0 { // like turns from before reasons stopped to contain names
		turn.Reasons[0].Detail = nickname + " Quist"
	}
	if err := j.Plan(s.t.Context(), tx, []journal.Planned{{Turn: turn}}); err != nil {
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

// TestForgettingLeavesNothing puts a word and a name into everything that Chorus derives
// from a person's messages: finished, waiting and under way. After the erasure it searches
// all tables. The export before must contain all that the search finds.
func TestForgettingLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, 2)
	s.listen()
	chat, there := s.chat(world.Supergroup, "Here")
	other, elsewhere := s.chat(world.Supergroup, "There")
	const first = "My parrot is called " + marker + "."
	s.say(there, nickname+" Quist", first, 0)
	s.say(elsewhere, nickname+" Quist", "And here, too: who knows "+marker+"?", 0)
	s.say(there, "Ann", "I like tea.", 0)
	s.hears(chat, 2)
	s.hears(other, 1)
	s.settled()
	person, _ := s.world().Find(nickname + " Quist")
	ann, _ := s.world().Find("Ann")
	j := journal.New(s.pool)

	// The bots' texts: an answer with neither word nor name, lines with one of them, one
	// that waits, one that is being sent, and one that is being written.
	s.sent(j, s.says(j, s.plans(j, chat, s.bots[0], s.number(first)), "A fine bird.", true))
	s.sent(j, s.says(j, s.plans(j, chat, s.bots[1], 0), nickname+"s bird is fine.", true))
	s.sent(j, s.says(j, s.plans(j, other, s.bots[0], 0), "Quokkaberry is a fine name.", true))
	rains := s.plans(j, chat, s.bots[1], 0)
	s.written(j, s.writing(j, chat), journal.Written{
		Deliveries: []*chorusv1.Delivery{journaltest.Message(rains, "It rains.")},
		Drafts: &journal.Drafts{
			Prompt: []journal.Asked{{Role: "user", Text: nickname + ": " + first}},
			Drafts: []journal.Draft{{Text: "It rains."}},
		},
	})
	s.sent(j, s.sending(j, chat))
	s.plans(j, chat, s.bots[0], 0)
	s.written(j, s.writing(j, chat), journal.Written{Outcome: chorusv1.Outcome_OUTCOME_REJECTED, Reason: `the guard objects: it says what was said: "` + marker + `"`})
	s.plans(j, chat, s.bots[0], 0)
	s.written(j, s.writing(j, chat), journal.Written{
		Outcome: chorusv1.Outcome_OUTCOME_REJECTED, Reason: "the guard objects: link",
		Drafts: &journal.Drafts{Drafts: []journal.Draft{{Text: "See quokkaberry.example.", Rule: "link", Reason: "It has a link.", Found: "quokkaberry.example"}}},
	})
	dead := s.says(j, s.plans(j, chat, s.bots[0], 0), "Dear "+nickname+"!", true)
	if err := j.Deliveries(journal.LaneMessage, claims()).DeadLetter(t.Context(), dead, "for "+marker); err != nil {
		t.Fatal(err)
	}
	sending := s.plans(j, other, s.bots[1], 0)
	inFlight := s.says(j, sending, "Is it "+nickname+" again?", true)
	s.says(j, s.plans(j, chat, s.bots[0], 0), "I thought of "+marker+" all day.", false)
	late := s.plans(j, chat, s.bots[1], s.number(first))
	writing := s.writing(j, chat)

	// What a bot has remembered, and is about to remember.
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
	for _, place := range []string{"messages.body", "memories.content", "deliveries.payload", "deliveries.body", "turns.reason", "dead_letters.reason", "drafts.prompt", "drafts.drafts"} {
		if !slices.ContainsFunc(before, func(p string) bool { return strings.HasPrefix(p, place) }) {
			t.Errorf("nothing was planted in %s, only in %v", place, before)
		}
	}
	if i := slices.IndexFunc(before, func(p string) bool { return strings.HasPrefix(p, "stream") }); i >= 0 {
		t.Errorf("it lies on the bus: %s", before[i])
	}
	s.exported(person.ID)

	s.pass(time.Second) // Telegram's times are whole seconds
	if d := s.asks(chat, there, nickname+" Quist", "/forgetme"); !strings.HasPrefix(d.GetText(), "Done.") {
		t.Errorf("the answer is %v", d)
	}
	testenv.Eventually(t, "the tables are vacuumed", func() (string, bool) {
		all := value[string](s, `SELECT coalesce(string_agg(relname, ' '), '') FROM pg_stat_user_tables WHERE relname IN ('messages', 'memories', 'people', 'turns', 'prompts', 'drafts') AND vacuum_count > 0`)
		return all, len(strings.Fields(all)) == 6
	})
	// The work under way is finished.
	s.sent(j, inFlight)
	s.written(j, writing, journal.Written{Deliveries: []*chorusv1.Delivery{journaltest.Message(late, "So "+marker+" it is.")}})
	if n := value[int](s, `SELECT count(*) FROM deliveries WHERE chat_id = $1 AND turn_no = $2`, chat, late.GetId().GetNumber()); n != 0 {
		t.Error("what was written from their words is delivered")
	}
	if err := memory.Learn(t.Context(), s.pool, learning, learned); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{marker, nickname, "Quist", "A fine bird"} {
		if left := s.everywhere(text); len(left) > 0 {
			t.Errorf("%s is left in %v", text, left)
		}
	}
	if kept, err := people.Read(t.Context(), s.pool, person.ID); err != nil || len(kept.Messages)+len(kept.Lines)+len(kept.Memories)+kept.Prompts+kept.Answers > 0 || kept.Name != "" || kept.Forgotten == nil {
		t.Errorf("%+v is kept, %v", kept, err)
	}
	for what, sql := range map[string]string{
		"what others said":                 `SELECT count(*) FROM messages WHERE body = 'I like tea.'`,
		"how a turn of theirs was written": `SELECT count(*) FROM drafts WHERE prompt IS NULL AND drafts->0->>'text' = 'It rains.'`,
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

// exported checks that a person's export contains everything that the search finds.
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
		"for " + marker, "Is it " + nickname, "I thought of " + marker, "See quokkaberry.example.",
	} {
		if !strings.Contains(out.String(), want) {
			s.t.Errorf("no %q in the export:\n%s", want, &out)
		}
	}
	if len(kept.Memories) != 1 || !kept.Memories[0].About || len(kept.Messages) != 2 || kept.Prompts != 1 {
		s.t.Errorf("the export is\n%s", &out)
	}
	if strings.Contains(out.String(), "It rains.") || strings.Contains(out.String(), "Ann likes") {
		s.t.Errorf("the export has what is not about them:\n%s", &out)
	}
}

// A new table with people's data must be added to the search.
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
