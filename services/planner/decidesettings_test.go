package planner

import (
	"encoding/json"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/settings"
)

func TestSimulationIsSwitchedOffGlobally(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		global, chat string
		want         bool
	}{
		{"true", "true", true}, {"true", "false", false}, {"false", "true", false}, {"false", "false", false},
	} {
		v, problems := settings.NewValues([]settings.Stored{
			{Key: "simulation_active", Scope: settings.Global, Value: json.RawMessage(c.global)},
			{Key: "simulation_active", Scope: settings.Chat, ScopeID: 7, Value: json.RawMessage(c.chat)},
		})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := Effective(v, 7).Active; got != c.want {
			t.Errorf("global %s, chat %s: active %v, want %v", c.global, c.chat, got, c.want)
		}
	}
}

func TestChatsOwnValueHolds(t *testing.T) {
	t.Parallel()
	v, problems := settings.NewValues([]settings.Stored{
		{Key: "reply_probability", Scope: settings.Global, Value: json.RawMessage("0.1")},
		{Key: "reply_probability", Scope: settings.Chat, ScopeID: 7, Value: json.RawMessage("0.9")},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if here, there := Effective(v, 7).ReplyProbability, Effective(v, 8).ReplyProbability; here != 0.9 || there != 0.1 {
		t.Errorf("reply_probability is %v in the chat and %v in others, want 0.9 and 0.1", here, there)
	}
}
