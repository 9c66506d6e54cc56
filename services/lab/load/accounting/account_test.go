package accounting_test

import (
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/load/accounting"
)

const (
	delivered, fellBack, unknown = accounting.Delivered, accounting.FellBack, accounting.Unknown

	kindReaction = accounting.Reaction
)

// Compare must find every violation: otherwise the tests that rely on it prove nothing.
func TestCompareFindsWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	said := func(id int64, text string) accounting.Call {
		return accounting.Call{Chat: -1, Bot: "a", Method: accounting.SendMessage, Status: 200, Effect: "sent", Message: id, Text: text}
	}
	reacted := accounting.Call{Chat: -1, Bot: "a", Method: accounting.SetReaction, Status: 200, Effect: "reacted", Message: 5}
	turnOf := func(number int64, kind, outcome string, sent, target int64, text string) accounting.Turn {
		return accounting.Turn{
			Chat: -1, Number: number, Bot: "a", Kind: kind, Outcome: outcome, Sent: sent, Target: target, Text: text,
		}
	}
	first := turnOf(1, "message", delivered, 5, 0, "Hello.")
	tests := []struct {
		name  string
		calls []accounting.Call
		turns []accounting.Turn
		want  string // empty: it fits
	}{
		{"a message", []accounting.Call{said(5, "Hello.")}, []accounting.Turn{first}, ""},
		{"a message of unknown outcome, sent", []accounting.Call{said(5, "Hello.")}, []accounting.Turn{turnOf(1, "message", unknown, 0, 0, "Hello.")}, ""},
		{"a message of unknown outcome, not sent", nil, []accounting.Turn{turnOf(1, "message", unknown, 0, 0, "Hello.")}, ""},
		{"a fallback", []accounting.Call{said(5, "Hello."), said(6, "👍")}, []accounting.Turn{first, turnOf(2, kindReaction, fellBack, 6, 5, "")}, ""},
		{"a reaction", []accounting.Call{said(5, "Hello."), reacted}, []accounting.Turn{first, turnOf(2, kindReaction, delivered, 0, 5, "")}, ""},
		{"twice, the journal knows the first", []accounting.Call{said(5, "Hello."), said(6, "Hello.")}, []accounting.Turn{first}, "message 6 of a"},
		{"twice, the journal knows the second", []accounting.Call{said(4, "Hello."), said(5, "Hello.")}, []accounting.Turn{first}, "message 4 of a"},
		{
			"twice, the journal knows neither",
			[]accounting.Call{said(5, "Hello."), said(6, "Hello.")},
			[]accounting.Turn{turnOf(1, "message", unknown, 0, 0, "Hello.")},
			"message 6 of a",
		},
		{"never sent", nil, []accounting.Turn{first}, "sent 0 times"},
		{"delivered without a message", nil, []accounting.Turn{turnOf(1, "message", delivered, 0, 0, "Hello.")}, "and message 0"},
		{"a gap", []accounting.Call{said(5, "Hello.")}, []accounting.Turn{turnOf(2, "message", delivered, 5, 0, "Hello.")}, "turn 2 comes after turn 0"},
		{"a turn lost", nil, nil, "the clock is at turn 1"},
		{"a reaction never set", []accounting.Call{said(5, "Hello.")}, []accounting.Turn{first, turnOf(2, kindReaction, delivered, 0, 5, "")}, "never got one"},
		{
			"a reaction changed twice",
			[]accounting.Call{said(5, "Hello."), reacted, reacted},
			[]accounting.Turn{first, turnOf(2, kindReaction, delivered, 0, 5, "")},
			"2 times for 1 turns",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			last := int64(max(len(tt.turns), 1))
			if len(tt.turns) > 0 {
				last = tt.turns[len(tt.turns)-1].Number
			}
			var wrong []string
			for _, p := range accounting.Compare(tt.calls, tt.turns, nil, map[int64]int64{-1: last}) {
				wrong = append(wrong, p.Text)
			}
			if got := strings.Join(wrong, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
