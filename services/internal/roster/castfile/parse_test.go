package castfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
)

const anna = `
bots:
  - name: anna
    token: env:ANNA
    persona: {display_name: Anna, summary: Reads.}
`

func sticker(list string) string {
	return strings.Replace(anna, "Reads.", "Reads., stickers: ["+list+"]", 1)
}

const inline = "1234567890:AAbbccddeeffgghhiijjkkllmmnnooppqqr"

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"empty":               {"", `x.yaml: file: empty, want a YAML file with the lists bots and chats`},
		"only a comment":      {"# nothing\n", `x.yaml: file: empty, want`},
		"no YAML":             {"bots: [\n", `x.yaml:1:7: file: no YAML`},
		"a text":              {"hello", `x.yaml:1:1: file: "hello", want a mapping with the fields bots, chats`},
		"a list":              {"- a", `x.yaml:1:1: file: a list, want a mapping`},
		"two documents":       {"bots: []\n---\nbots: []\n", `x.yaml:3:1: file: a second document begins`},
		"unknown field":       {"bots: []\nrobots: []\n", `x.yaml:2:1: robots: unknown field, want one of bots, chats`},
		"unknown inside":      {anna + "    tmepo: 2\n", `x.yaml:6:5: bots[0].tmepo: unknown field, want one of name, token, username,`},
		"misspelt":            {"bots: []\nchatz: []\n", `x.yaml:2:1: chatz: unknown field, want one of bots, chats, did you mean chats?`},
		"indented less":       {"bots:\n  - name: a\n   token: env:A\n", `x.yaml:3:4: file: no YAML: value is not allowed in this context: check the indentation`},
		"indented more":       {"bots:\n  - name: a\n     token: env:A\n", `x.yaml:2:11: file: no YAML: mapping value is not allowed in this context: check the indentation, and put`},
		"a tab":               {"bots:\n\t- name: a\n", `cannot start any token: indent with spaces`},
		"given twice":         {anna + "    tempo: 2\n    tempo: 3\n", `x.yaml:7:5: bots[0].tempo: given twice`},
		"number out of range": {anna + "    tempo: 11\n", `x.yaml:6:12: bots[0].tempo: 11, want a number from 0.1 to 10`},
		"no number":           {anna + "    tempo: .nan\n", `x.yaml:6:12: bots[0].tempo: .nan, want a number from 0.1 to 10`},
		"fraction":            {anna + "    hourly_max: 1.5\n", `x.yaml:6:17: bots[0].hourly_max: 1.5, want a whole number from 1 to 1200`},
		"number for a text":   {anna + "    username: 123\n", `x.yaml:6:15: bots[0].username: "123", want 3 to 32 letters, digits and _, beginning with a letter, without the @`},
		"text for a switch":   {anna + "    enabled: yes\n", `x.yaml:6:14: bots[0].enabled: "yes", want true or false`},
		"map for a text":      {anna + "    username: {a: b}\n", `x.yaml:6:5: bots[0].username: a mapping, want 3 to 32 letters`},
		"bad hours":           {anna + "    active_hours: [8-12]\n", `x.yaml:6:20: bots[0].active_hours[0]: "8-12", want HH:MM-HH:MM, such as 08:00-23:30`},
		"min over max":        {anna + "    hourly_min: 9\n    hourly_max: 8\n", `x.yaml:6:17: bots[0].hourly_min: 9, want no more than hourly_max, which is 8`},
		"missing fields":      {"bots: [{token: env:A}]", `x.yaml:1:8: bots[0].name: missing, want 1 to 64 lower-case letters`},
		"missing persona":     {"bots: [{name: a, token: env:A}]", `x.yaml:1:8: bots[0].persona.display_name: missing, want 1 to 64 characters`},
		"null is missing":     {"bots:\n  - name: a\n    token:\n", `x.yaml:3:5: bots[0].token: missing, want env:NAME`},
		"bad name":            {"bots:\n  - name: Anna Bot\n", `x.yaml:2:11: bots[0].name: "Anna Bot", want 1 to 64 lower-case letters`},
		"too long":            {anna + "    stances: [{topic: t, stance: " + strings.Repeat("x", 1001) + "}]", `(1001 characters), want 1 to 1000 characters`},
		"stances twice":       {anna + "    stances: [{topic: t, stance: a}, {topic: t, stance: b}]", `x.yaml:6:46: bots[0].stances[1].topic: "t", want one that stands nowhere else; it is at bots[0].stances[0].topic, too`},
		"kind of memory":      {anna + "    memories: [{kind: dream, content: c}]", `x.yaml:6:23: bots[0].memories[0].kind: "dream", want fact, event, relationship or preference`},
		"no file id":          {sticker(`{mood: love}`), `bots[0].persona.stickers[0].file_id: missing, want 20 to 200 letters, digits, - and _`},
		"bad file id":         {sticker(`{file_id: "https://x", mood: love}`), `bots[0].persona.stickers[0].file_id: "https://x", want 20 to 200 letters`},
		"unknown mood":        {sticker(`{file_id: CAACAgIAAxkBAAIBYWZ, mood: glee}`), `bots[0].persona.stickers[0].mood: "glee", want love, kindness, approval,`},
		"sticker twice": {
			sticker(`{file_id: CAACAgIAAxkBAAIBYWZ_, mood: love}, {file_id: CAACAgIAAxkBAAIBYWZ_, mood: sadness}`),
			`stickers[1].file_id: "CAACAgIAAxkBAAIBYWZ_", want one that stands nowhere else; it is at bots[0].persona.stickers[0].file_id, too`,
		},
		"length of a voice":   {voiced(`{length: epic}`), `bots[0].persona.voice.length: "epic", want terse, short, even or long`},
		"stops of a voice":    {voiced(`{stops: yes}`), `bots[0].persona.voice.stops: "yes", want always, sometimes or never`},
		"opener twice":        {voiced(`{openers: ["Alas,", "Alas,"]}`), `bots[0].persona.voice.openers[1]: "Alas," stands twice`},
		"field of a voice":    {voiced(`{typos: often}`), `bots[0].persona.voice.typos: unknown field, want one of length, capitals, stops, emoji, register, openers`},
		"name twice":          {anna + "  - name: anna\n    token: env:B\n    persona: {display_name: B, summary: B}\n", `x.yaml:6:11: bots[1].name: "anna", want one that stands nowhere else`},
		"unknown bot":         {anna + "chats: [{name: c, cast: [anna, bert]}]", `x.yaml:6:32: chats[0].cast[1]: "bert", want the name of a bot that stands under bots`},
		"member twice":        {anna + "chats: [{name: c, cast: [anna, anna]}]", `x.yaml:6:32: chats[0].cast[1]: "anna" stands twice`},
		"positive id":         {"chats: [{name: c, telegram_id: 12}]", `x.yaml:1:32: chats[0].telegram_id: 12, want a negative number`},
		"id and kind":         {"chats: [{name: c, telegram_id: -12, kind: supergroup}]", `x.yaml:1:43: chats[0].kind: "supergroup", want group, which is what the telegram_id -12 says`},
		"id twice":            {"chats: [{name: c, telegram_id: -12}, {name: d, telegram_id: -12}]", `x.yaml:1:61: chats[1].telegram_id: "-12", want one that stands nowhere else`},
		"huge id":             {"chats: [{name: c, telegram_id: -92233720368547758080}]", `chats[0].telegram_id: "-92233720368547758080", want a negative number`},
		"time zone":           {"chats: [{name: c, time_zone: Mars/Olympus}]", `x.yaml:1:30: chats[0].time_zone: "Mars/Olympus", want a name of the IANA time zone database`},
		"this machine's zone": {"chats: [{name: c, time_zone: Local}]", `chats[0].time_zone: "Local", want`},
		"language":            {"chats: [{name: c, language: english!}]", `chats[0].language: "english!", want a BCP 47 tag`},
		"gap":                 {"chats: [{name: c, mean_gap: 8d}]", `x.yaml:1:29: chats[0].mean_gap: "8d", want a duration from 1s to 168h, such as 1m30s`},
		"gap too long":        {"chats: [{name: c, mean_gap: 169h}]", `chats[0].mean_gap: 169h, want a duration from 1s to 168h`},
		"gap without a unit":  {"chats: [{name: c, mean_gap: 30}]", `chats[0].mean_gap: 30, want a duration from 1s to 168h`},
		"control character":   {`chats: [{name: c, title: "a\x07"}]`, `chats[0].title: "a\a", want readable text`},
		"token inline":        {strings.Replace(anna, "env:ANNA", inline, 1), `x.yaml:4:12: bots[0].token: ***, want env:NAME for an environment variable or file:PATH for a file, never the secret itself`},
		"token after env":     {strings.Replace(anna, "env:ANNA", "env:"+inline, 1), `x.yaml:4:12: bots[0].token: ***, want env:NAME`},
		"token after file":    {strings.Replace(anna, "env:ANNA", "file:"+inline, 1), `x.yaml:4:12: bots[0].token: ***, want env:NAME`},
		"token elsewhere":     {anna + "    username: " + inline + "\n", `bots[0].username: "1234567890:***`},
		"token as a field":    {anna + "    ? " + inline + "\n    : 1\n", `unknown field`},
		"token in bad YAML":   {"token: " + inline + "\n  x: [\n", `x.yaml:`},
		"alias":               {"x: &a 1\nbots: *a\n", `x.yaml:2:7: bots: an anchor or alias, which can't stand here, want a list of up to 10000 entries`},
		"tag":                 {"bots: !mine a\n", `x.yaml:1:7: bots: a tag, which can't stand here, want`},
		"nested":              {"bots: " + strings.Repeat("[", 5000), `x.yaml:1:1: file: is too deeply nested`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := castfile.Parse("x.yaml", []byte(c.in))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got\n%v\nwant\n%s", err, c.want)
			}
			if strings.Contains(err.Error(), inline) {
				t.Errorf("the error repeats the token: %v", err)
			}
		})
	}
}

// Parse reports all errors at once, in the order of the file, each on a line.
func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := castfile.Parse("x.yaml", []byte(`chats:
  - name: club
    cast: [anna, carl]
    mean_gap: soon
bots:
  - name: anna
    token: env:A
    tempo: 99
    persona:
      summary: "line\nbreak"
      empathy: -1
      height: 2
`))
	want := []string{
		`x.yaml:3:18: chats[0].cast[1]: "carl", want the name of a bot that stands under bots`,
		`x.yaml:4:15: chats[0].mean_gap: "soon", want a duration from 1s to 168h, such as 1m30s`,
		`x.yaml:8:12: bots[0].tempo: 99, want a number from 0.1 to 10`,
		`x.yaml:10:7: bots[0].persona.display_name: missing, want 1 to 64 characters`,
		`x.yaml:11:16: bots[0].persona.empathy: -1, want a number from 0 to 1`,
		`x.yaml:12:7: bots[0].persona.height: unknown field, want one of display_name, summary, tone, hint, phrases, interests, empathy, energy, voice, stickers`,
	}
	if diff := cmp.Diff(strings.Join(want, "\n"), fmt.Sprint(err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var one *castfile.Error
	if !errors.As(err, &one) || one.File != "x.yaml" || one.Line != 3 || one.Column != 18 {
		t.Errorf("errors.As gives %+v", one)
	}
}

func TestDefaultsFillIn(t *testing.T) {
	t.Parallel()
	file, err := castfile.Parse("x.yaml", []byte(anna+"chats: [{name: c, cast: [anna], telegram_id: -7}, {name: d, title:  }]\n"))
	if err != nil {
		t.Fatal(err)
	}
	b, c, d := file.Cast.Bots[0], file.Cast.Chats[0], file.Cast.Chats[1]
	if b.Tempo != 1 || b.TypingWPM != 40 || !b.Enabled || b.HourlyMax != 60 || b.Persona.Tone != "neutral" || b.Persona.Empathy != 0.5 {
		t.Errorf("bot is %+v", b)
	}
	if c.MeanGap.Seconds() != 30 || !c.Enabled || c.TimeZone != "UTC" || c.Language != "en" || c.RetentionDays != 30 || c.Kind != roster.Group {
		t.Errorf("chat is %+v", c)
	}
	if d.Kind != roster.Supergroup {
		t.Errorf("a chat without an id is a %s", d.Kind)
	}
}

func TestLoadSaysWhichFile(t *testing.T) {
	t.Parallel()
	if _, err := castfile.Load("testdata/none.yaml"); err == nil || !strings.Contains(err.Error(), "testdata/none.yaml") {
		t.Errorf("got %v", err)
	}
	if _, err := castfile.Load("."); err == nil {
		t.Error("a folder was read")
	}
}

// For any content, Parse returns a cast that can be written and read back, or errors of one line
// each that repeat no token.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		anna, anna + "chats: [{name: c, cast: [anna]}]", "bots: [", "a: &x *x", "? [a]: b", "bots: !!map {<<: *a}",
		"token: " + inline, "- |\n x", "\ufeffbots: []", "bots: >-\n\n a\n", "{", "\"\\", "%YAML 1.2\n---\nbots:\n...", "bots:\n\t- a",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := castfile.Parse("x.yaml", data)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "x.yaml:") {
					t.Errorf("a line does not say where: %q", line)
				}
			}
			if strings.Contains(err.Error(), inline) {
				t.Errorf("the error repeats a token: %v", err)
			}
			return
		}
		again, err := castfile.Parse("again.yaml", castfile.Format(file.Cast))
		if err != nil && (len(file.Cast.Bots) > 0 || len(file.Cast.Chats) > 0) {
			t.Fatalf("can't be read back: %v", err)
		}
		if err == nil {
			if plan := roster.Diff(file.Cast, again.Cast, true); !plan.Empty() {
				t.Errorf("read back it differs:\n%s", plan)
			}
		}
	})
}

// voiced returns a cast file whose bot has a voice.
func voiced(voice string) string {
	return "bots: [{name: anna, token: env:ANNA, persona: {display_name: Anna, summary: Reads., voice: " + voice + "}}]"
}
