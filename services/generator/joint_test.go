package generator_test

import (
	"strconv"
	"strings"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/offline"
)

// oneAnswerNamesBothWhoAsked shows a writer two messages; the answer names both authors.
func oneAnswerNamesBothWhoAsked(s *stage) {
	t := s.t
	asks := func(name, username, text string) int64 {
		number, err := strconv.ParseInt(s.text(`INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES ($1, $2::text::bigint, $3, now()) RETURNING number::text`,
			s.chat, s.person(name, username), text), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	tom, mia := asks("Tom", "", "Which chapter?"), asks("Mia", "mia_reads", "And where is the map?")
	both := func(turn *chorusv1.Turn) {
		turn.Kind, turn.TargetMessage, turn.AlsoAnswers = chorusv1.TurnKind_TURN_KIND_REPLY, tom, mia
	}
	for text, want := range map[string]string{
		"The fourth, Tom, and on its first page.":                "@mia_reads: The fourth, Tom, and on its first page.",
		"The fourth. It has the map on its first page.":          "Tom, @mia_reads: The fourth. It has the map on its first page.",
		"Tom, the fourth. @mia_reads, look at page one.":         "Tom, the fourth. @mia_reads, look at page one.",
		"Look at the end of the fourth, where the printer signs": "Tom, @mia_reads: Look at the end of the fourth, where the printer signs",
	} {
		s.says(text)
		if d := s.delivery(s.turn(both)); d.GetText() != want || d.GetTargetMessage() != tom {
			t.Errorf("answers %d with %q, want %q", d.GetTargetMessage(), d.GetText(), want)
		}
		asked := s.prompts()[0][1].Content
		if !strings.Contains(asked, "answers these two messages") || !strings.Contains(asked, "Tom: Which chapter?\n[person] Mia: And where is the map?\n</chat>") {
			t.Errorf("it was asked with %q", asked)
		}
	}
	composer, err := offline.New()
	if err != nil {
		t.Fatal(err)
	}
	s.provide(chain.Link{Name: "offline", Provider: composer, Limits: chain.DefaultLimits()})
	if text := s.delivery(s.turn(both)).GetText(); !strings.Contains(text, "Tom") || !strings.Contains(text, "@mia_reads") {
		t.Errorf("templates answer %q", text)
	}

	s.says(line)
	s.exec(`DELETE FROM messages WHERE number = $1`, tom) // Tom asked to be forgotten
	if text := s.delivery(s.turn(both)).GetText(); strings.Contains(text, "Tom") {
		t.Errorf("says %q", text)
	}
}
