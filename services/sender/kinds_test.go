package sender_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/botapi"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// A kind that is missing somewhere would be sent as a message, or not at all.
func TestEveryActionIsCalledByItsMethod(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	page, err := os.ReadFile("../../docs/emulator.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range botapi.Methods() {
		if !strings.Contains(string(page), "`"+method+"`") {
			t.Errorf("docs/emulator.md has no %s", method)
		}
	}
	for number := range chorusv1.Action_name {
		action := chorusv1.Action(number)
		if action == chorusv1.Action_ACTION_UNSPECIFIED {
			continue
		}
		name, kind := subject.ActionName(action), journal.KindOf(action)
		switch {
		case kind.Action != action:
			t.Errorf("%s has no row in the table of kinds", name)
			continue
		case !slices.Contains(botapi.Methods(), kind.Method):
			t.Errorf("%s: the emulator has no method %s", name, kind.Method)
			continue
		}
		// Incomplete deliveries are refused by the emulator, which is a call, too.
		turn := s.turn(chat)
		turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REACTION, said
		d := journaltest.Reaction(turn, "👍", chorusv1.Fallback_FALLBACK_UNSPECIFIED)
		d.Action, d.Sticker, d.Text = action, stickerID, "hello"
		s.post(turn, d)
		s.eventually(name+" ends", func() (string, bool) {
			got, err := journaltest.State(t.Context(), s.pool, d.GetId())
			return got, err == nil && strings.HasSuffix(got, " closed")
		})
		if len(s.calls(kind.Method)) != 1 {
			t.Errorf("%s made no call of %s: the sender takes it for another kind", name, kind.Method)
		}
	}
}
