package generator_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
)

func TestATextIsSentAsItsWriterBrokeIt(t *testing.T) {
	t.Parallel()
	hall := openHall(t)
	hall.run()
	for name, test := range map[string]struct {
		change     func(*chorusv1.Turn)
		disclaimer string
		want       []string
	}{
		"where it may be": {func(*chorusv1.Turn) {}, "", []string{"Ha, yes.", "Page by page, then.", "I like it."}},
		"who is answered is named first, and the disclaimer comes last": {
			func(turn *chorusv1.Turn) { turn.Mention = chorusv1.Mention_MENTION_END }, "A play.",
			[]string{"Ha, yes. Tom", "Page by page, then.", "I like it. A play."},
		},
		"not where it may not be": {
			func(turn *chorusv1.Turn) { turn.Bubbles = false }, "", []string{"Ha, yes.\n\nPage by page, then.\nI like it."},
		},
		"nor where there is no time": {within(15 * time.Second), "", []string{"Ha, yes.\nPage by page, then.\nI like it."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := hall.stage(t)
			s.model(llmapi.Options{Text: "Ha, yes.\n\nPage by page, then.\nI like it."})
			s.exec(`UPDATE chats SET disclaimer = $2 WHERE id = $1`, s.chat, test.disclaimer)
			tom := s.person("Tom", "")
			target, err := strconv.ParseInt(s.text(`INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES ($1, $2::text::bigint, 'Shall we?', now()) RETURNING number::text`, s.chat, tom), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			turn := s.turn(func(turn *chorusv1.Turn) {
				turn.Kind, turn.TargetMessage, turn.Bubbles = chorusv1.TurnKind_TURN_KIND_REPLY, target, true
			}, test.change)
			s.becomes(turn, "open waiting")
			var got []string
			for i, d := range s.deliveries(turn) {
				got = append(got, d.GetText())
				if answers := d.GetTargetMessage() != 0; answers != (i == 0) || d.GetTyping().AsDuration() == 0 {
					t.Errorf("part %d answers %d and is typed for %v", i+1, d.GetTargetMessage(), d.GetTyping().AsDuration())
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A text that was sent as a whole message must not be repeated as one of several.
func TestAPartIsNoRepetition(t *testing.T) {
	t.Parallel()
	s := openHall(t).stage(t)
	s.run()
	s.exec(`INSERT INTO messages (chat_id, bot_id, body, sent_at) VALUES ($1, $2, 'Chapter four is where it turns.', now())`, s.chat, s.bot)
	s.model(llmapi.Options{Text: "Quite a few of us will find it hard to put down this week.\nChapter four is where it turns."})
	turn := s.turn(func(turn *chorusv1.Turn) { turn.Bubbles = true })
	s.becomes(turn, "rejected")
}

// deliveries returns a turn's deliveries, in order.
func (s *stage) deliveries(turn *chorusv1.Turn) (all []*chorusv1.Delivery) {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `SELECT payload FROM deliveries WHERE chat_id = $1 AND turn_no = $2 ORDER BY part`,
		turn.GetId().GetChatId(), turn.GetId().GetNumber())
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var payload []byte
		d := &chorusv1.Delivery{}
		if err := rows.Scan(&payload); err != nil {
			s.t.Fatal(err)
		}
		if err := proto.Unmarshal(payload, d); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}
