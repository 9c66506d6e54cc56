package guard_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/names"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scene returns a chat that forbids advice, and a persona with opinions, in each language.
func scene(language string) script.Scene {
	s := script.Scene{
		Persona:  script.Persona{Name: "Anna Lindqvist", Summary: "Reads on the ferry.", Tone: "warm"},
		Language: language, ForbidAdvice: true, Length: script.Medium, Topic: "endings",
		History: []script.Line{{Author: "Viktor Hale", Text: "Hm."}, {Author: "Tom", Text: "So?"}},
		Stances: []script.Stance{
			{Topic: "endings", Text: "An open ending trusts the reader.", Confidence: 0.8},
			{Topic: "translation", Text: "I love a translation that takes risks.", Confidence: 0.9},
			{Topic: "maps", Text: "Maps in novels are never needed.", Confidence: 0.2},
		},
	}
	switch language {
	case "de":
		s.Stances = []script.Stance{{Topic: "Enden", Text: "Ein offenes Ende vertraut dem Leser.", Confidence: 0.8}}
	case "es":
		s.Stances = []script.Stance{{Topic: "finales", Text: "Un final abierto confía en el lector.", Confidence: 0.8}}
	}
	return s
}

// The form belongs to the persona: no rule asks for capitals, full stops or more than one word.
func TestFormIsThePersonas(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"yes", "hm", "nope 🙂", "👍🏽", "exactly", "lol", "I", "ok", "i missed my stop for this", "omg, wait", "bah", "7", "no", "so... yes",
		"okay so nobody told me that it ends like this and i had to walk home in the dark",
	} {
		for _, l := range []script.Length{script.Short, script.Medium, script.Long} {
			s := scene("en")
			s.Length = l
			if o := guard.Check(guard.Draft{Text: text, Scene: s}); o != nil {
				t.Errorf("%q of length %v: %s: %s", text, l, o.Rule, o.Reason)
			}
		}
	}
}

// table reads the lines of a file: language, rule (for texts that must be rejected) and draft, in
// which \n is a line break.
func table(t *testing.T, file string, columns int) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows [][]string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, "#") {
			row := strings.SplitN(line, "\t", columns)
			if len(row) != columns {
				t.Fatalf("%s: %q has not %d columns", file, line, columns)
			}
			row[columns-1] = strings.NewReplacer(`\n`, "\n", `\z`, "\u200b", `{LONG}`, strings.Repeat("All of it, page by page. ", 60),
				`{HUGE}`, strings.Repeat("Und so weiter, Seite um Seite. ", 200)).Replace(row[columns-1])
			rows = append(rows, row)
		}
	}
	return rows
}

// seen returns a text as the rules may read it.
func seen(text string) string {
	return strings.ReplaceAll(strings.ToLower(names.Fold(names.Text(text))), "’", "'")
}

func TestHostileDraftsAreCaughtByTheirRule(t *testing.T) {
	t.Parallel()
	rows := table(t, "hostile.tsv", 3)
	languages, rules := map[string]int{}, map[string]int{}
	for _, row := range rows {
		languages[row[0]]++
		rules[row[1]]++
		o := guard.Check(guard.Draft{Text: row[2], Scene: scene(row[0]), Allowed: []string{"@tom_reads"}})
		switch {
		case o == nil:
			t.Errorf("%s passes: %.200q", row[1], row[2])
		case o.Rule != row[1]:
			t.Errorf("%s catches what %s should: %.200q", o.Rule, row[1], row[2])
		case !strings.Contains(seen(row[2]), seen(o.Found)):
			t.Errorf("%q was found by %s, which is not in %.200q", o.Found, o.Rule, row[2])
		case o.Found == "" && (o.Rule == "link" || o.Rule == "mention" || o.Rule == "human_claim" || o.Rule == "promise" || o.Rule == "advice"):
			t.Errorf("%s does not tell the words of %.200q", o.Rule, row[2])
		case !strings.HasSuffix(o.Reason, ".") && !strings.Contains(o.Reason, ": ") || strings.Contains(o.Reason, "\n"):
			t.Errorf("%q is no reason for a writer", o.Reason)
		}
	}
	if len(rows) < 60 || languages["en"] < 20 || languages["de"] < 15 || languages["es"] < 15 {
		t.Errorf("%d drafts, by language %v", len(rows), languages)
	}
	for _, r := range guard.Rules() {
		if rules[r.Name] == 0 {
			t.Errorf("no draft for the rule %s", r.Name)
		}
	}
}

func TestGoodDraftsPass(t *testing.T) {
	t.Parallel()
	rows := table(t, "good.tsv", 2)
	languages := map[string]int{}
	for _, row := range rows {
		languages[row[0]]++
		if o := guard.Check(guard.Draft{Text: row[1], Scene: scene(row[0]), Allowed: []string{"@tom_reads"}}); o != nil {
			t.Errorf("%s objects to %q: %s", o.Rule, row[1], o.Reason)
		}
	}
	if len(rows) < 60 || languages["en"] < 20 || languages["de"] < 15 || languages["es"] < 15 {
		t.Errorf("%d drafts, by language %v", len(rows), languages)
	}
}

func TestWhatTheOfflineProviderSaysPasses(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../internal/llm/offline/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			_, said, found := strings.Cut(strings.TrimSpace(line), ": ")
			if !found || strings.HasPrefix(line, " ") {
				continue
			}
			s := scene("en")
			s.Length, s.Stances = script.Long, nil
			if o := guard.Check(guard.Draft{Text: said, Scene: s}); o != nil {
				t.Errorf("%s: %s objects to %q", filepath.Base(file), o.Rule, said)
			}
		}
	}
}

func TestAdviceIsFreeWhereNoRuleForbidsIt(t *testing.T) {
	t.Parallel()
	for _, row := range table(t, "hostile.tsv", 3) {
		if row[1] != "advice" && row[1] != "promise" {
			continue
		}
		s := scene(row[0])
		s.ForbidAdvice = false
		if o := guard.Check(guard.Draft{Text: row[2], Scene: s}); o != nil {
			t.Errorf("%s objects to %q", o.Rule, row[2])
		}
	}
}

func TestMend(t *testing.T) {
	t.Parallel()
	for draft, want := range map[string]string{
		"Anna: Page by page.":                   "Page by page.",
		"**Anna Lindqvist:** Page by **page**.": "Page by page.",
		`"Page by page."`:                       "Page by page.",
		"Assistant: \"Page by page.\"":          "Page by page.",
		"# Thoughts\n- One.\n- Two.":            "Thoughts One. Two.",
		"<b>Page</b> by *page*.":                "Page by page.",
		"It is 3:15, then.":                     "It is 3:15, then.",
		"Two things: ink and paper.":            "Two things: ink and paper.",
	} {
		d := guard.Draft{Text: draft, Scene: scene("en")}
		got := guard.Mend(d)
		if got != want {
			t.Errorf("%q becomes %q, want %q", draft, got, want)
		}
		if o := guard.Check(guard.Draft{Text: got, Scene: scene("en")}); o != nil {
			t.Errorf("%s objects to the mended %q", o.Rule, got)
		}
	}
}

func TestOnlyWhatMatchesAStanceInPartIsDoubtful(t *testing.T) {
	t.Parallel()
	for draft, want := range map[string]string{
		"I would not leave an open ending to anybody.": "endings",
		"An open ending trusts the reader, always.":    "",
		"I read nothing but letters this week.":        "",
		"I would never need maps in novels or poems.":  "", // its confidence is too low
	} {
		got := ""
		if s := guard.Doubtful(guard.Draft{Text: draft, Scene: scene("en")}); s != nil {
			got = s.Topic
		}
		if got != want {
			t.Errorf("%q is doubtful for %q, want %q", draft, got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("Hello there.", "en")
	f.Add("**Anna:** \"go to http://x.y\"", "de")
	f.Add("\u202e@tom\u200b", "zh")
	f.Fuzz(func(t *testing.T, text, language string) {
		d := guard.Draft{Text: text, Scene: scene(language)}
		first := guard.Check(d)
		if second := guard.Check(d); fmt.Sprint(first) != fmt.Sprint(second) {
			t.Errorf("%q: %v, then %v", text, first, second)
		}
		mended := guard.Mend(d)
		if o := guard.Check(guard.Draft{Text: mended, Scene: d.Scene}); first == nil && o != nil {
			t.Errorf("%q passes, but mended to %q %s objects", text, mended, o.Rule)
		}
		if !within(mended, text) {
			t.Errorf("mending adds to %q: %q", text, mended)
		}
		if again := guard.Mend(guard.Draft{Text: mended, Scene: d.Scene}); !within(again, mended) {
			t.Errorf("mending adds to the mended %q: %q", mended, again)
		}
		guard.Doubtful(d)
	})
}

// within reports whether a text can result from deletions in another one, white space aside.
func within(left, of string) bool {
	rest := []rune(strings.ToValidUTF8(of, ""))
	for _, r := range left {
		if unicode.IsSpace(r) {
			continue
		}
		at := slices.Index(rest, r)
		if at < 0 {
			return false
		}
		rest = rest[at+1:]
	}
	return true
}
