package planner

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/planner/decide"
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

// A new setting or field that is missing in Effective would have no effect.
func TestEverySettingReachesTheRules(t *testing.T) {
	t.Parallel()
	fields := reflect.TypeFor[decide.Settings]()
	reached := map[string]bool{"Pace": true} // comes from the configuration
	for _, d := range settings.All() {
		if strings.HasPrefix(d.Key, "approval_") || strings.HasPrefix(d.Key, "keep_drafts") {
			continue // the generator reads them
		}
		changed := false
		for _, text := range []string{"true", "false", "0", "1", "0.5", "2", "3m", "5h", "calm", "off", "manual", "approve", "10:00-11:00", "word"} {
			value, err := d.ParseText(text)
			if err != nil || text == d.Default {
				continue
			}
			v, problems := settings.NewValues([]settings.Stored{{Key: d.Key, Scope: settings.Global, Value: value}})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			with, without := reflect.ValueOf(Effective(v, 7)), reflect.ValueOf(Effective(nil, 7))
			for i := range fields.NumField() {
				if !reflect.DeepEqual(with.Field(i).Interface(), without.Field(i).Interface()) {
					reached[fields.Field(i).Name], changed = true, true
				}
			}
		}
		if !changed {
			t.Errorf("%s changes nothing in decide.Settings: fill its field in Effective; if another service reads it, except it here", d.Key)
		}
	}
	for f := range fields.Fields() {
		if !reached[f.Name] {
			t.Errorf("no setting fills decide.Settings.%s", f.Name)
		}
	}
}
