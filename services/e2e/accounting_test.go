package e2e_test

import (
	"strings"
	"testing"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/emulator/control"
)

// What doesn't fit must be found: otherwise the tests that rely on account
// prove nothing.
func TestAccountFindsWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	said := func(id int64, text string) control.Call {
		return control.Call{Chat: -1, Bot: "a", Method: sendMessage, Status: 200, Effect: effectSent, EffectMessageID: id, Description: text}
	}
	reacted := control.Call{Chat: -1, Bot: "a", Method: setReaction, Status: 200, Effect: effectReacted, EffectMessageID: 5}
	turnOf := func(number int64, kind, outcome string, sent, target int64, text string) turn {
		return turn{
			Chat: -1, Number: number, Bot: "a", Kind: kind, Outcome: outcome, Sent: sent, Target: target,
			Delivery: &chorusv1.Delivery{Text: text},
		}
	}
	first := turnOf(1, "message", delivered, 5, 0, "Hello.")
	tests := []struct {
		name  string
		calls []control.Call
		turns []turn
		want  string // empty: it fits
	}{
		{"a message", []control.Call{said(5, "Hello.")}, []turn{first}, ""},
		{"a message of unknown outcome, sent", []control.Call{said(5, "Hello.")}, []turn{turnOf(1, "message", unknown, 0, 0, "Hello.")}, ""},
		{"a message of unknown outcome, not sent", nil, []turn{turnOf(1, "message", unknown, 0, 0, "Hello.")}, ""},
		{"a fallback", []control.Call{said(5, "Hello."), said(6, "👍")}, []turn{first, turnOf(2, kindReaction, fellBack, 6, 5, "")}, ""},
		{"a reaction", []control.Call{said(5, "Hello."), reacted}, []turn{first, turnOf(2, kindReaction, delivered, 0, 5, "")}, ""},
		{"twice, the journal knows the first", []control.Call{said(5, "Hello."), said(6, "Hello.")}, []turn{first}, "message 6 of a"},
		{"twice, the journal knows the second", []control.Call{said(4, "Hello."), said(5, "Hello.")}, []turn{first}, "message 4 of a"},
		{
			"twice, the journal knows neither",
			[]control.Call{said(5, "Hello."), said(6, "Hello.")},
			[]turn{turnOf(1, "message", unknown, 0, 0, "Hello.")},
			"message 6 of a",
		},
		{"never sent", nil, []turn{first}, "sent 0 times"},
		{"delivered without a message", nil, []turn{turnOf(1, "message", delivered, 0, 0, "Hello.")}, "and message 0"},
		{"a gap", []control.Call{said(5, "Hello.")}, []turn{turnOf(2, "message", delivered, 5, 0, "Hello.")}, "turn 2 comes after turn 0"},
		{"a turn lost", nil, nil, "the clock is at turn 1"},
		{"a reaction never set", []control.Call{said(5, "Hello.")}, []turn{first, turnOf(2, kindReaction, delivered, 0, 5, "")}, "never got one"},
		{
			"a reaction changed twice",
			[]control.Call{said(5, "Hello."), reacted, reacted},
			[]turn{first, turnOf(2, kindReaction, delivered, 0, 5, "")},
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
			wrong := account(tt.calls, tt.turns, map[int64]int64{-1: last}, func(c control.Call) string { return c.Description })
			if got := strings.Join(wrong, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
