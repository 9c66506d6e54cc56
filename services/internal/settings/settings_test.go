package settings_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/settings"
)

// A setting that is missing in the list could not be set.
func TestEverySettingIsInTheTable(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "table.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defined := 0
	for _, decl := range file.Decls {
		if vars, ok := decl.(*ast.GenDecl); ok && vars.Tok == token.VAR {
			defined += len(vars.Specs)
		}
	}
	if all := settings.All(); len(all) != defined || defined == 0 {
		t.Errorf("%d settings are defined, %d are in All", defined, len(all))
	}
}

func TestTableIsSound(t *testing.T) {
	t.Parallel()
	key := regexp.MustCompile(`^[a-z][a-z0-9_.]{0,63}$`) // the database's own check
	seen := map[string]bool{}
	for _, d := range settings.All() {
		if !key.MatchString(d.Key) || seen[d.Key] {
			t.Errorf("%s: the key is malformed or there twice", d.Key)
		}
		seen[d.Key] = true
		if d.Description == "" || d.Range == "" || len(d.Scopes) == 0 || d.Scopes[0] != settings.Global {
			t.Errorf("%s: incomplete: %+v", d.Key, d)
		}
		raw, err := d.ParseText(d.Default)
		if err != nil {
			t.Errorf("%s: its own default is refused: %v", d.Key, err)
			continue
		}
		for style, text := range d.Styles {
			if _, err := d.ParseText(text); err != nil || text == d.Default {
				t.Errorf("%s: the default %s of %s is refused, or none of its own: %v", d.Key, text, style, err)
			}
		}
		if again, err := d.ParseJSON(raw); err != nil || string(again) != string(raw) {
			t.Errorf("%s: %s became %s, %v", d.Key, raw, again, err)
		}
	}
}

func TestWrongValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, json, allowed string }{
		{"simulation_active", `"true"`, "true or false"},
		{"simulation_active", `"false"`, "true or false"},
		{"simulation_active", `1`, "true or false"},
		{"simulation_active", `null`, "true or false"},
		{"simulation_active", `True`, "true or false"},
		{"reply_probability", `"0.5"`, "0 to 1"},
		{"reply_probability", `1.01`, "0 to 1"},
		{"reply_probability", `-0.01`, "0 to 1"},
		{"reply_probability", `true`, "0 to 1"},
		{"reply_probability", `null`, "0 to 1"},
		{"reply_probability", `1e999`, "0 to 1"},
		{"max_msgs_per_min", `0`, "1 to 60"},
		{"max_msgs_per_min", `6.5`, "1 to 60"},
		{"max_msgs_per_min", `"6"`, "1 to 60"},
		{"max_msgs_per_min", `99999999999999999999`, "1 to 60"},
		{"turn_ttl", `120`, "5s to 1h"},
		{"turn_ttl", `"120"`, "5s to 1h"},
		{"turn_ttl", `"1s"`, "5s to 1h"},
		{"prime_hours", `"09:30-12:00"`, "HH:MM-HH:MM"},
		{"prime_hours", `["9-5"]`, "HH:MM-HH:MM"},
		{"prime_hours", `[null]`, "HH:MM-HH:MM"},
		{"prime_hours", `null`, "HH:MM-HH:MM"},
		{"reaction_mode", `"Native"`, "native, native_then_message, message or off"},
		{"reaction_mode", `false`, "native, native_then_message, message or off"},
		{"style", `"quick"`, "calm, lively, debate or play"},
		{"max_run", `0`, "1 to 10"},
		{"max_rally", `1`, "2 to 50"},
		{"lively_gap_factor", `0`, "0.05 to 1"},
		{"second_answer_probability", `1.5`, "0 to 1"},
		{"reaction_mode", ``, "native, native_then_message, message or off"},
	} {
		got, err := find(t, c.key).ParseJSON(json.RawMessage(c.json))
		if err == nil {
			t.Errorf("%s took %s as %s", c.key, c.json, got)
			continue
		}
		for _, part := range []string{c.key, c.json, c.allowed} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s %s: %v: want it to say %q", c.key, c.json, err, part)
			}
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, text, json string }{
		{"simulation_active", "false", "false"},
		{"reply_probability", ".5", "0.5"},
		{"max_msgs_per_min", "6", "6"},
		{"turn_ttl", "90s", `"1m30s"`},
		{"prime_hours", "09:30-12:00, 14:00-00:00", `["09:30-12:00","14:00-24:00"]`},
		{"prime_hours", "", `[]`},
		{"reaction_mode", "off", `"off"`},
	} {
		got, err := find(t, c.key).ParseText(c.text)
		if err != nil || string(got) != c.json {
			t.Errorf("%s = %q became %s, %v, want %s", c.key, c.text, got, err, c.json)
		}
	}
	for key, text := range map[string]string{
		"simulation_active": "yes", "reply_probability": "NaN", "max_msgs_per_min": "+6", "turn_ttl": "90",
		"prime_hours": "09:30-12:00,", "reaction_mode": "",
	} {
		if got, err := find(t, key).ParseText(text); err == nil {
			t.Errorf("%s took %q as %s", key, text, got)
		}
	}
}

func TestLongValuesAreCut(t *testing.T) {
	t.Parallel()
	_, err := settings.ReactionMode.ParseText(strings.Repeat("x", 10_000))
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for wrong, want := range map[string]string{
		"reply_probabilityy": "did you mean reply_probability?",
		"scalefactor":        "did you mean scale_factor?",
		"colour":             "chorus settings list",
	} {
		if _, err := settings.Find(wrong); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Find(%s): %v, want %q", wrong, err, want)
		}
	}
}

func TestTheNarrowestHolds(t *testing.T) {
	t.Parallel()
	set := func(scope settings.Scope, id int64, value string) settings.Stored {
		return settings.Stored{Key: "scale_factor", Scope: scope, ScopeID: id, Value: json.RawMessage(value)}
	}
	v := values(t, set(settings.Global, 0, "2"), set(settings.Chat, 7, "3"))
	for _, c := range []struct {
		chat int64
		want float64
		text string
		from settings.Scope
	}{
		{0, 2, "2", settings.Global}, {7, 3, "3", settings.Chat}, {8, 2, "2", settings.Global},
	} {
		if got := settings.ScaleFactor.Of(v, c.chat, 0); got != c.want {
			t.Errorf("chat %d: %v, want %v", c.chat, got, c.want)
		}
		if text, from := v.Text(settings.ScaleFactor.Definition, c.chat, 0); text != c.text || from != c.from {
			t.Errorf("chat %d: %s from %q, want %s from %q", c.chat, text, from, c.text, c.from)
		}
	}
	if text, from := v.Text(settings.TurnTTL.Definition, 7, 0); text != "2m" || from != "" {
		t.Errorf("a default is shown as %s from %q", text, from)
	}
	for _, none := range []*settings.Values{nil, {}} {
		if got := settings.TurnTTL.Of(none, 1, 1); got != 2*time.Minute {
			t.Errorf("without values it is %v", got)
		}
	}
}

func TestAStyleChangesDefaults(t *testing.T) {
	t.Parallel()
	set := func(key string, scope settings.Scope, id int64, value string) settings.Stored {
		return settings.Stored{Key: key, Scope: scope, ScopeID: id, Value: json.RawMessage(value)}
	}
	v := values(t,
		set("style", settings.Chat, 7, `"calm"`), set("style", settings.Chat, 8, `"calm"`), set("max_run", settings.Chat, 8, "5"),
		set("style", settings.Chat, 9, `"debate"`))
	for chat, want := range map[int64]struct {
		run  int
		text string
	}{0: {3, "3"}, 7: {2, "2"}, 8: {5, "5"}, 9: {3, "3"}} {
		if got := settings.MaxRun.Of(v, chat, 0); got != want.run {
			t.Errorf("chat %d: %d, want %d", chat, got, want.run)
		}
		if got, _ := v.Text(settings.MaxRun.Definition, chat, 0); got != want.text {
			t.Errorf("chat %d: %s, want %s", chat, got, want.text)
		}
	}
	if got := settings.ReplyToBotsProbability.Of(v, 9, 0); got != 0.85 {
		t.Errorf("in a debate reply_to_bots_probability is %v", got)
	}
	// A global value is a set value, not a default.
	v = values(t, set("style", settings.Global, 0, `"calm"`), set("max_run", settings.Global, 0, "4"))
	if got := settings.MaxRun.Of(v, 7, 0); got != 4 {
		t.Errorf("max_run is %d, want 4", got)
	}
}

func TestStoredNonsenseIsLeftOut(t *testing.T) {
	t.Parallel()
	stored := []settings.Stored{
		{Key: "scale_factor", Scope: settings.Global, Value: json.RawMessage("2")},
		{Key: "no_such_thing", Scope: settings.Global, Value: json.RawMessage("2")},
		{Key: "prime_hours_boost", Scope: settings.Global, Value: json.RawMessage(`"false"`)},
		{Key: "global_max_msgs_per_min", Scope: settings.Chat, ScopeID: 1, Value: json.RawMessage("2")},
		{Key: "scale_factor", Scope: settings.Chat, Value: json.RawMessage("5")},
		{Key: "scale_factor", Scope: settings.Bot, ScopeID: 1, Value: json.RawMessage("5")},
	}
	v, problems := settings.NewValues(stored)
	if len(problems) != len(stored)-1 {
		t.Errorf("%d problems, want %d: %v", len(problems), len(stored)-1, problems)
	}
	if got := settings.ScaleFactor.Of(v, 1, 1); got != 2 {
		t.Errorf("scale_factor is %v, want 2", got)
	}
	if !settings.PrimeHoursBoost.Of(v, 0, 0) {
		t.Error(`the string "false" was taken for a bool`)
	}
}

// Every accepted value is in range, and survives storing unchanged.
func TestAcceptedNumbersAreInRange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-1, 2)).Draw(t, "number")
		raw, err := json.Marshal(number)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := settings.ReplyProbability.ParseJSON(raw)
		if in := number >= 0 && number <= 1; in != (err == nil) {
			t.Fatalf("%v: %v", number, err)
		}
		if err != nil {
			return
		}
		v, problems := settings.NewValues([]settings.Stored{{Key: "reply_probability", Scope: settings.Global, Value: stored}})
		if got := settings.ReplyProbability.Of(v, 0, 0); len(problems) > 0 || got != number {
			t.Fatalf("%v was read as %v, %v", number, got, problems)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`true`, `"true"`, `0.5`, `7`, `"1m"`, `["09:00-10:00"]`, `null`, `{}`, `[`, "1e400", `"off"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range settings.All() {
			for _, parse := range []func() (json.RawMessage, error){
				func() (json.RawMessage, error) { return d.ParseJSON(json.RawMessage(text)) },
				func() (json.RawMessage, error) { return d.ParseText(text) },
			} {
				raw, err := parse()
				if err != nil {
					continue
				}
				again, err := d.ParseJSON(raw)
				if err != nil || string(again) != string(raw) {
					t.Errorf("%s: %q became %s, which became %s, %v", d.Key, text, raw, again, err)
				}
			}
		}
	})
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := settings.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2+len(settings.All()) {
		t.Errorf("%d lines for %d settings", len(lines), len(settings.All()))
	}
	for _, line := range lines {
		if strings.Count(line, "|") != 6 {
			t.Errorf("not five columns: %s", line)
		}
	}
}

func find(t *testing.T, key string) *settings.Definition {
	t.Helper()
	d, err := settings.Find(key)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func values(t *testing.T, stored ...settings.Stored) *settings.Values {
	t.Helper()
	v, problems := settings.NewValues(stored)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return v
}
