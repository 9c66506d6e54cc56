package offline_test

import (
	"testing"

	"github.com/chorus-cast/chorus/services/internal/llm/offline"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// TestSilenceBeforeAShrug plays a talk in which all is said in the end. A scene in which
// one may pass has the same text, or none.
func TestSilenceBeforeAShrug(t *testing.T) {
	t.Parallel()
	p, err := offline.New()
	if err != nil {
		t.Fatal(err)
	}
	c := gardeners()
	s := script.Scene{Topic: "compost", Topics: c.topics, Purpose: c.purpose, Language: "en"}
	passed := map[bool]int{}
	const lines = 300
	for i := range lines {
		m := c.members[i%len(c.members)]
		s.Persona, s.Stances, s.Holdings, s.Seed, s.Length = m.persona, m.stances, m.holdings, uint64(i), script.Length(i%2)
		if s.Answering = nil; i%3 > 0 {
			s.Answering = &s.History[i-1]
		}
		s.MayPass = false
		text := p.Compose(s, 0)
		s.MayPass = true
		switch or := p.Compose(s, 0); {
		case script.Passes(or):
			passed[i > lines/2]++
		case or != text:
			t.Errorf("line %d is %q, or %q where it may pass", i, text, or)
		}
		s.History = append(s.History, script.Line{Author: m.persona.Name, Text: text, FromBot: true, Bot: int64(1 + i%len(c.members))})
	}
	if early, late := passed[false], passed[true]; early > lines/7 || late <= early {
		t.Errorf("it has passed %d times in the first half, and %d in the second", early, late)
	}
}
