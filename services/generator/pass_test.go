package generator_test

import (
	"strconv"
	"strings"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// aWriterMayPassOnceInARow passes one turn; the next has a text.
func aWriterMayPassOnceInARow(s *stage) {
	t := s.t
	s.says("PASS")
	s.becomes(s.turn(), "rejected") // nothing was said yet
	s.exec(`INSERT INTO messages (chat_id, bot_id, body, sent_at) VALUES ($1, $2, 'So it goes.', now())`, s.chat, s.bot)

	passed := s.turn()
	s.becomes(passed, "passed")
	if got := s.text(outcomeOf, s.chat, passed.GetId().GetNumber()); got != "passed: nothing to add" {
		t.Errorf("it ended with %q", got)
	}
	if n := s.text(`SELECT count(*)::text FROM deliveries WHERE chat_id = $1`, s.chat); n != "0" {
		t.Errorf("there are %s deliveries", n)
	}

	s.says(" PASS.", line)
	if got := s.delivery(s.turn()).GetText(); got != line {
		t.Errorf("after a silence it says %q", got)
	}
	again := s.prompts()
	if len(again) != 2 || strings.Contains(again[0][1].Content, "PASS") || !strings.Contains(again[1][3].Content, "PASS is no message") {
		t.Errorf("it was asked with %v", again)
	}

	s.says("PASS")
	s.becomes(s.turn(), "passed")
}

// aPersonIsNotMetWithSilence asks a writer again that passes.
func aPersonIsNotMetWithSilence(s *stage) {
	t := s.t
	number, err := strconv.ParseInt(s.text(`INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES ($1, $2::text::bigint, 'And you?', now()) RETURNING number::text`,
		s.chat, s.person("Tom", "")), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	s.says("PASS", line)
	turn := s.turn(func(turn *chorusv1.Turn) { turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REPLY, number })
	if got := s.delivery(turn).GetText(); got != line || len(s.prompts()) != 2 {
		t.Errorf("says %q after %d calls", got, len(s.prompts()))
	}
}
