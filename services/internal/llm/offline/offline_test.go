package offline_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/llmtest"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	llmtest.Run(t, llmtest.Suite{
		Works:         func(t *testing.T) llm.Provider { t.Helper(); return provider(t) },
		Deterministic: true,
	})
}

func casts() map[string]cast {
	return map[string]cast{"book club": bookClub(), "role play": roleplay(), "market": market(), "garden": gardeners(), "pirates": pirates()}
}

var maxChars = map[script.Length]int{script.Short: 160, script.Medium: 400, script.Long: 900}

// broken are patterns of what a template machine gets wrong.
var broken = map[string]*regexp.Regexp{
	"a placeholder":          regexp.MustCompile(`[{}]|%!|<no value>`),
	"two spaces":             regexp.MustCompile(`\s\s|^\s|\s$`),
	"a space before a comma": regexp.MustCompile(`\s[,.;:!?]`),
	"doubled punctuation":    regexp.MustCompile(`[,;:][,;:.!?]|[.!?][,;:]|\.\.|\?\?|!!|[!?]\.|\.[!?]`),
	"an unbound clause":      regexp.MustCompile(`(?i)\b(that|because) (ask|put|yes,|no,|none)\b`),
	"a doubled word":         regexp.MustCompile(`(?i)\b(and and|but but|the the|a a|i i|that that|to to)\b`),
}

// flaw says what is wrong with the form of a text, or "".
func flaw(text, disclaimer string, l script.Length) string {
	for name, re := range broken {
		if at := re.FindString(text); at != "" {
			return fmt.Sprintf("%s: %q", name, at)
		}
	}
	if !strings.HasSuffix(text, disclaimer) {
		return "no disclaimer"
	}
	body := strings.TrimSpace(strings.TrimSuffix(text, disclaimer))
	if n := utf8.RuneCountInString(body); n > maxChars[l] {
		return fmt.Sprintf("%d characters, want at most %d", n, maxChars[l])
	}
	return ""
}

func TestTalk(t *testing.T) {
	t.Parallel()
	const lines = 120
	for name, c := range casts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := talk(t, c, 0, lines, lines)
			seen := map[string]bool{}
			near := 0
			var before [][]uint32
			for _, l := range said {
				if f := flaw(l.Text, c.disclaimer, l.scene.Length); f != "" {
					t.Errorf("%q: %s", l.Text, f)
				}
				if n := stranger(l); n != "" {
					t.Errorf("%s says %q and there is no %s to be named", l.Author, l.Text, n)
				}
				if at := advice.FindString(l.Text); at != "" && c.disclaimer != "" {
					t.Errorf("%q: %q", l.Text, at)
				}
				if seen[l.Text] {
					t.Errorf("%q was said twice", l.Text)
				}
				seen[l.Text] = true
				grams := trigrams(strings.TrimSuffix(l.Text, c.disclaimer))
				if slices.ContainsFunc(before, func(b []uint32) bool { return similar(grams, b) > 0.6 }) {
					t.Log(l.Text)
					near++
				}
				before = append(before, grams)
			}
			// What is known of a topic is finite; a chat of unknown topics has the least to say.
			if most := lines / 20; near > most && name != "garden" || near > lines/5 {
				t.Errorf("%d of %d are near duplicates, want at most %d", near, lines, most)
			}
		})
	}
}

// similar is the Jaccard similarity of two texts' trigrams, as pg_trgm has it;
// 0 where it is not above a half.
func similar(x, y []uint32) float64 {
	if min(len(x), len(y))*2 < max(len(x), len(y)) {
		return 0 // can't be more than a half
	}
	both := 0
	for i, j := 0, 0; i < len(x) && j < len(y); {
		switch {
		case x[i] < y[j]:
			i++
		case x[i] > y[j]:
			j++
		default:
			both, i, j = both+1, i+1, j+1
		}
	}
	return float64(both) / float64(len(x)+len(y)-both)
}

// trigrams are those of a text's words, sorted, each once.
func trigrams(s string) []uint32 {
	var all []uint32
	for w := range strings.FieldsSeq(strings.ToLower(s)) {
		w = "  " + strings.Trim(w, `.,!?:;"'`) + " "
		for i := range len(w) - 2 {
			all = append(all, uint32(w[i])<<16|uint32(w[i+1])<<8|uint32(w[i+2]))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// name is that of a member of a cast. Novels have such, too, and who is asked what it
// is tells its own.
var (
	name   = regexp.MustCompile(`\b(Anna|Teach|Bonny|Viktor|Mia|Okafor|Morwen|Brom|Selene|Pip|Leyla|Tom|Greta|Ines|Harald|Oyelaran)\b`)
	others = regexp.MustCompile(`Anna Karenina|Pip (alone|is a nothing)|\w+ is a persona|about [A-Z]\w+( [A-Z]\w+)?: `)
)

// stranger is whom a line names who isn't there, or "".
func stranger(l spoken) string {
	for _, n := range name.FindAllString(others.ReplaceAllString(l.Text, ""), -1) {
		there := l.scene.Answering != nil && strings.Contains(l.scene.Answering.Author, n)
		for _, h := range l.scene.History {
			there = there || strings.Contains(h.Author, n)
		}
		if !there || strings.Contains(l.Author, n) {
			return n
		}
	}
	return ""
}

// advice is what nobody says who must not give any.
var advice = regexp.MustCompile(`(?i)\b(you should|i'd buy|buy now|sell now|buy the|sell the|guaranteed|will (rise|fall|go up|go down|double)|can't lose|sure thing|risk[- ]free|my tip|i recommend)\b`)

func TestSaysThatItIsABot(t *testing.T) {
	t.Parallel()
	plainly := regexp.MustCompile(`(?i)\bbot\b`)
	for q, asked := range []string{
		"are you a bot?", "Are you a real person?", "Hey Anna, are you human or what?", "r u a bot", "you're a bot, right?",
		"Is this a bot?", "are you all bots?", "Am I talking to a machine here?", "am i chatting with ChatGPT", "Who wrote your messages?",
		"what are you?", "Honestly, I think you are an AI.", "bot?", "@anna_reads_bot are you real?", "Is anyone here real?",
		"human or bot?", "Are you an LLM", "you sound like a robot", "do you have feelings?", "can you pass the Turing test?",
		"Aren't you just software?", "so is everyone here a bot?", "do you use ChatGPT?", "prove that you're human", "Bist du ein Bot?",
		"¿Eres un bot?", "Es-tu un robot ?", "sen bir bot musun", "Are any of you actual people?", "Are they bots?",
	} {
		for name, c := range casts() {
			i := q % len(c.members)
			text := say(t, scene(c, i, asked))
			if !plainly.MatchString(text) || strings.Contains(text, "not a bot") {
				t.Errorf("%s, %s: asked %q, answered %q", name, c.members[i].persona.Name, asked, text)
			}
			if f := flaw(text, c.disclaimer, script.Long); f != "" {
				t.Errorf("%q: %s", text, f)
			}
		}
	}
}

func TestAnswersWithNoWhereAHumanIsAskedFor(t *testing.T) {
	t.Parallel()
	for asked, begins := range map[string]string{
		"Are you a human?": "No, ", "are you real?": "No, ", "Am I talking to a human?": "No, ", "Is anyone here real?": "No, ", "Bist du ein Mensch?": "Nein, ",
		"Are you a bot?": "Yes, ", "you're a bot, right?": "Yes, ", "Is this a bot?": "Yes, ",
	} {
		for name, c := range casts() {
			for _, i := range []int{0, len(c.members) - 1} {
				if text := say(t, scene(c, i, asked)); !strings.HasPrefix(text, begins) {
					t.Errorf("%s, %s: asked %q, answered %q", name, c.members[i].persona.Name, asked, text)
				}
			}
		}
	}
	for _, asked := range []string{"Are you a human or a bot?", "you're not a bot, right?", "Aren't you a bot?"} {
		text := say(t, scene(bookClub(), 0, asked))
		if strings.HasPrefix(text, "No") || strings.HasPrefix(text, "Yes") || !strings.Contains(text, "bot") {
			t.Errorf("asked %q, answered %q", asked, text)
		}
	}
}

func TestNeverClaimsToBeHuman(t *testing.T) {
	t.Parallel()
	claim := regexp.MustCompile(`(?i)i('m| am) (a )?(human|real person)|not a bot`)
	c := cast{purpose: "A chat.", topics: []string{"why I am human"}, members: []member{{
		persona: script.Persona{Name: "Eve", Summary: "Insists.", Tone: "blunt", Phrases: []string{"I am a real person."}},
		stances: []script.Stance{{Topic: "human", Text: "I'm not a bot.", Confidence: 1}},
	}}}
	for seed := range uint64(50) {
		s := scene(c, 0, "What do you think of humans?")
		if s.Seed = seed; seed%2 == 0 {
			s.Answering = nil
		}
		if text := say(t, s); claim.MatchString(text) {
			t.Errorf("said %q", text)
		}
	}
}

func TestSpeaksOfTheMatterWhenNotAsked(t *testing.T) {
	t.Parallel()
	for _, asked := range []string{
		"Is the creature human?", "Are the coins real?", "What are you reading?", "Is it a real treasure?", "Who wrote Dracula?",
		"Are you sure about the ending?", "Do you like machines in novels?",
	} {
		if text := say(t, scene(bookClub(), 0, asked)); strings.Contains(text, "bot") {
			t.Errorf("asked %q, answered %q", asked, text)
		}
	}
}

// scene is a person's message to a member of a cast.
func scene(c cast, member int, text string) script.Scene {
	m := c.members[member]
	asked := script.Line{Author: "Jonas", Text: text, At: time.Unix(0, 0)}
	return script.Scene{
		Persona: m.persona, Stances: m.stances, Holdings: m.holdings, Topic: c.topics[0], Answering: &asked,
		History: []script.Line{asked}, Length: script.Short, Language: "en", Purpose: c.purpose, Disclaimer: c.disclaimer, Seed: 1,
	}
}

func say(tb testing.TB, s script.Scene) string {
	tb.Helper()
	r, err := provider(tb).Generate(script.With(tb.Context(), s), llm.Request{})
	if err != nil {
		tb.Fatal(err)
	}
	return r.Text
}

func TestAnswersWhatWasSaid(t *testing.T) {
	t.Parallel()
	tests := []struct {
		cast   cast
		member int
		said   string
		want   string // one of these must be in the answer, as a pattern
	}{
		{bookClub(), 0, "Who is the real monster in Frankenstein?", `Victor, because|court that hangs|loneliness|creature by the end`},
		{bookClub(), 1, "I think a translation is a performance, not a copy.", `(?i)translat|performer|pianist|author|wrong`},
		{bookClub(), 2, "I really hated the whale.", `(?i)whale|hated`},
		{bookClub(), 3, "I had pancakes this morning", `(?i)pancakes`},
		{bookClub(), 0, "thanks!", `(?i)pleasure|welcome|any time|gladly|thank`},
		{bookClub(), 2, "Hello everyone", `(?i)^(hi|hello|hey|welcome|good)`},
		{roleplay(), 1, "Who is paying for the broken chair?", `(?i)sat on it|bard|nobody|expense`},
		{roleplay(), 0, "I open the door and run!", `.`},
		{market(), 0, "Why does the index rise on bad news?", `(?i)feared|cheaper money|priced in|one crowd`},
		{gardeners(), 0, "What would you tell a newcomer about tomatoes?", `(?i)small|watch others|pinch of salt|beginning`},
	}
	for _, tt := range tests {
		for seed := range uint64(8) {
			s := scene(tt.cast, tt.member, tt.said)
			s.Seed = seed
			if text := say(t, s); !regexp.MustCompile(tt.want).MatchString(text) {
				t.Errorf("%s heard %q and said %q", s.Persona.Name, tt.said, text)
			}
		}
	}
}

func TestStanceDecides(t *testing.T) {
	t.Parallel()
	claim := "An open ending trusts the reader."
	against := regexp.MustCompile(`(?i)ran out of road|paid for the whole story|two endings`)
	s := scene(bookClub(), 0, claim) // whose stance is the claim itself
	s.Topic = "endings"
	for s.Seed = range 40 {
		if text := say(t, s); against.MatchString(text) {
			t.Errorf("who holds that %q said %q", claim, text)
		}
	}
}

func TestOtherLanguagesGetEnglish(t *testing.T) {
	t.Parallel()
	s := scene(bookClub(), 0, "Who is the real monster in Frankenstein?")
	want := say(t, s)
	for _, tag := range []string{"en-GB", "tr-TR", "", "not a tag"} {
		if s.Language = tag; say(t, s) != want {
			t.Errorf("language %q gave %q, want %q", tag, say(t, s), want)
		}
	}
}

// TestAnyScene gives the composer scenes that no example has.
func TestAnyScene(t *testing.T) {
	t.Parallel()
	p := provider(t)
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "Are you a bot?", "the ending", "{name}", "{{.}}", "Who? Me?", "...", "¿Qué?", "@anna_bot /start"}),
		rapid.StringMatching(`[A-Za-z' ,]{1,60}[.!?]?`),
	)
	name := rapid.SampledFrom([]string{"", "Anna", "Dr. Maria Weiß", "The Innkeeper", "@x", "李", "X Æ A-12"})
	rapid.Check(t, func(t *rapid.T) {
		s := script.Scene{
			Persona: script.Persona{
				Name: name.Draw(t, "name"), Summary: text.Draw(t, "summary"), Tone: text.Draw(t, "tone"),
				Phrases: []string{text.Draw(t, "phrase")}, Interests: []string{text.Draw(t, "interest")},
			},
			Stances: []script.Stance{{Topic: text.Draw(t, "on"), Text: text.Draw(t, "stance"), Confidence: rapid.Float64Range(0, 1).Draw(t, "confidence")}},
			Topic:   text.Draw(t, "topic"), Length: script.Length(rapid.IntRange(-1, 4).Draw(t, "length")),
			Language: "en", Purpose: text.Draw(t, "purpose"), Seed: rapid.Uint64().Draw(t, "seed"),
		}
		if rapid.Bool().Draw(t, "answers") {
			s.Answering = &script.Line{Author: name.Draw(t, "author"), Text: text.Draw(t, "answered")}
		}
		most := rapid.IntRange(0, 100).Draw(t, "tokens")
		said := p.Compose(s, most)
		limit, ok := maxChars[s.Length]
		if !ok {
			limit = maxChars[script.Medium]
		}
		if most > 0 {
			limit = min(limit, 4*most)
		}
		if n := utf8.RuneCountInString(said); n == 0 || n > limit {
			t.Errorf("%d characters in %q, want 1 to %d", n, said, limit)
		}
		if again := p.Compose(s, most); again != said {
			t.Errorf("%q and then %q", said, again)
		}
	})
}

func BenchmarkGenerate(b *testing.B) {
	for name, c := range casts() {
		b.Run(name, func(b *testing.B) {
			said := talk(b, c, 1, 300, 100)[100:]
			p := provider(b)
			for i := 0; b.Loop(); i++ {
				p.Compose(said[i%len(said)].scene, 0)
			}
		})
	}
}
