package generator_test

import (
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// set changes a setting of the stage's chat.
func (s *stage) set(d *settings.Definition, text string) {
	s.t.Helper()
	value, err := d.ParseText(text)
	if err != nil {
		s.t.Fatal(err)
	}
	s.hall.mu.Lock()
	defer s.hall.mu.Unlock()
	s.stored = append(s.stored, settings.Stored{Key: d.Key, Scope: settings.Chat, ScopeID: s.chat, Value: value})
}

func textsWaitForAPerson(s *stage) {
	seeded := func(seed uint64) *chorusv1.Turn { return s.turn(func(t *chorusv1.Turn) { t.Seed = seed }) }
	waits := func(what string, turn *chorusv1.Turn, want bool) {
		s.t.Helper()
		d := s.delivery(turn)
		held := s.text(`SELECT lane FROM deliveries WHERE chat_id = $1 AND turn_no = $2`, s.chat, turn.GetId().GetNumber()) == "held"
		if long := time.Until(d.GetExpiresAt().AsTime()) > 29*time.Minute; held != want || long != want {
			s.t.Errorf("%s: held %v, for long %v, want %v", what, held, long, want)
		}
	}
	waits("by default", seeded(0), false)
	waits("written again", s.turn(func(t *chorusv1.Turn) { t.Note = "Shorter." }), true)
	s.set(settings.ApprovalTTL.Definition, "30m")
	s.set(settings.ApprovalSamplePercent.Definition, "25")
	s.set(settings.Approval.Definition, "sample")
	waits("of the sample", seeded(124), true)
	waits("not of the sample", seeded(125), false)
	s.set(settings.Approval.Definition, "approve")
	waits("of all", seeded(125), true)
	waits("whether it is a bot", s.answers(s.person("Tom", ""), "Are you a human?"), false)
}
