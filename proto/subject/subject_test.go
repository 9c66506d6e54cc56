package subject

import (
	"testing"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		OutcomeName(chorusv1.Outcome_OUTCOME_FELL_BACK):   "fell_back",
		ActionName(chorusv1.Action_ACTION_SET_REACTION):   "set_reaction",
		TurnKindName(chorusv1.TurnKind_TURN_KIND_COMMAND): "command",
		TurnID(&chorusv1.TurnId{ChatId: 3, Number: 17}):   "3-17",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzParseTurnID(f *testing.F) {
	f.Add("3-17")
	f.Add("--")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseTurnID(s)
		if err != nil {
			return
		}
		again, err := ParseTurnID(TurnID(id))
		if err != nil || again.GetChatId() != id.GetChatId() || again.GetNumber() != id.GetNumber() {
			t.Errorf("%q: %v read back as %v, %v", s, id, again, err)
		}
	})
}
