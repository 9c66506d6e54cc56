package offline_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// TestNewcomersAreAnswered asks members of the example casts what newcomers ask first.
func TestNewcomersAreAnswered(t *testing.T) {
	t.Parallel()
	tests := []struct {
		cast, member, asked, want string
	}{
		{"book-club", "Anna Lindqvist", "Hi everyone!", `hello|welcome|hi\b|good to (see|have)`},
		{"table", "Pip", "hello, I'm new here", `hello|welcome|hi\b|good to (see|have)`},
		{"pirates", "Bonny", "Hallo zusammen!", `hallo|willkommen`},
		{"book-club", "Viktor Hale", "How are you?", `fine|well enough|good|complain`},
		{"book-club", "Mia", "Who are you?", `mia.*chemistry student`},
		{"pirates", "Captain Teach", "Wer bist du?", `bot.*(teach|englisch)`},
		{"table", "Morwen", "introduce yourself please", `bot.*game master|game master.*bot`},
		{"book-club", "Anna Lindqvist", "Are you human?", `^no, .*bot`},
		{"market-floor", "Tom", "are you a bot?", `^yes, .*bot`},
		{"pirates", "Bonny", "Bist du ein Mensch?", `^nein, .*bot`},
		{"book-club", "Anna Lindqvist", "What did you do before you retired?", `librarian`},
		{"book-club", "Anna Lindqvist", "Was hast du früher gemacht?", `englisch`},
		{"book-club", "Mia", "What do you study?", `student|chemistry`},
		{"market-floor", "Greta Holm", "Did you ever work in shipping?", `shipping`},
		{"book-club", "Anna Lindqvist", "Where are you from?", `gothenburg`},
		{"book-club", "Professor Okafor", "What do you think of Moby-Dick?", `whal|moby|sea|melville|ahab|ishmael|queequeg`},
		{"book-club", "Viktor Hale", "What's your opinion on translation?", `translat|perform`},
		{"pirates", "Captain Teach", "What do you think about rum?", `ration`},
		{"pirates", "Bonny", "Was hältst du von treasure maps?", `englisch|meinung|unentschieden`},
		{"pirates", "Old Silver", "What do you like best?", `parrots|salted beef|shanties|the ship`},
		{"table", "Brom Ironfoot", "What are you carrying?", `axe|grudge|own|have|just`},
		{"book-club", "Mia", "What are you talking about here?", `frankenstein`},
		{"pirates", "Bonny", "Worum geht es hier?", `ship`},
		{"book-club", "Anna Lindqvist", "Can I join in?", `frankenstein|join|welcome`},
		{"book-club", "Viktor Hale", "What's the capital of France?", `demo|model`},
		{"market-floor", "Nils", "Who won the world cup in 2014?", `demo|model`},
		{"book-club", "Mia", "Wie hoch ist der Eiffelturm?", `demo|modell`},
		{"table", "Selene", "What's the weather in London tomorrow?", `demo|model`},
		{"pirates", "Bonny", "What is 7 times 8?", `56`},
		{"pirates", "Bonny", "Was ist null plus acht?", `0 \+ 8 = 8`},
		{"book-club", "Viktor Hale", "Was ist 12 + 30?", `42`},
		{"book-club", "Viktor Hale", "What's the square root of 144?", `two numbers`},
		{"book-club", "Mia", "Do you speak Spanish?", `english and`},
		{"book-club", "Mia", "¿Hablas español?", `english`},
		{"book-club", "Anna Lindqvist", "Sprichst du Deutsch?", `ja, deutsch|kann ich deutsch`},
		{"table", "Pip", "Thank you!", `welcome|any time|gladly|pleasure|mention`},
		{"table", "Pip", "Vielen Dank!", `gern|danken`},
		{"book-club", "Anna Lindqvist", "My grandmother died last week.", `sorry`},
		{"book-club", "Viktor Hale", "Meine Katze ist gestorben", `leid`},
		{"market-floor", "Tom", "You're wrong, and this is boring.", `sorry`},
		{"table", "Selene", "Tell me a joke", `joke|bar,|bots does it take`},
		{"pirates", "Old Silver", "Erzähl einen Witz!", `witz`},
		{"table", "Morwen", "Let's play a game!", `play|game|in\b`},
		{"book-club", "Mia", "haha that's funny", `laugh|more where|ha,`},
		{"pirates", "Captain Teach", "Flip a coin for me", `heads|tails`},
	}
	all := examples(t)
	shrug := regexp.MustCompile(`(?i)\b(no idea|don't know|can't know|no answer|weiß ich nicht|nicht wissen|beyond|hard to say|schwer zu sagen)\b`)
	pretends := regexp.MustCompile(`(?i)\bnot a bot|kein bot|i('m| am) (a )?(real|human)|ich bin ein mensch`)
	hits, shrugs := 0, 0
	for _, tt := range tests {
		c := all[tt.cast]
		for i, m := range c.members {
			if m.persona.Name != tt.member {
				continue
			}
			s := scene(c, i, tt.asked)
			said := say(t, s)
			t.Logf("%s, asked %q: %s", tt.member, tt.asked, said)
			if regexp.MustCompile(`(?i)` + tt.want).MatchString(said) {
				hits++
			} else {
				t.Logf("  ^ has nothing of %q", tt.want)
			}
			if shrug.MatchString(said) && !strings.Contains(said, "CHORUS_LLM_KIND") {
				shrugs++
			}
			if pretends.MatchString(said) {
				t.Errorf("%s, asked %q, pretends: %q", tt.member, tt.asked, said)
			}
			s.Stances = nil // the writer looks after them itself
			if o := guard.Check(guard.Draft{Text: said, Scene: s, Offline: true}); o != nil {
				t.Errorf("the guard objects to %q: %s", said, o.Reason)
			}
		}
	}
	if most := len(tests) / 10; hits < len(tests)*8/10 || shrugs > most {
		t.Errorf("of %d questions %d are answered to the point, and %d with a shrug", len(tests), hits, shrugs)
	}
}

func TestAPersonIsToldOnceHowToPlugInAModel(t *testing.T) {
	t.Parallel()
	c := bookClub()
	s := scene(c, 0, "What's the capital of France?")
	first := say(t, s)
	if !strings.Contains(first, "CHORUS_LLM_KIND") || !strings.Contains(first, "docs/models.md") {
		t.Errorf("said %q", first)
	}
	for _, member := range []int{0, 1} {
		again := scene(c, member, "And who is the president of Peru?")
		again.History = slices.Concat(s.History, []script.Line{line(c.members[0].persona.Name, first), again.History[0]})
		if text := say(t, again); strings.Contains(text, "CHORUS_LLM_KIND") {
			t.Errorf("said again %q", text)
		}
		again.Answering.Author = "Petra"
		again.History[len(again.History)-1].Author = "Petra"
		if text := say(t, again); !strings.Contains(text, "CHORUS_LLM_KIND") {
			t.Errorf("did not tell somebody else: %q", text)
		}
	}
}

// Whoever has no opinion says so once, whatever else the sentence names.
func TestNoOpinionIsSaidOnce(t *testing.T) {
	t.Parallel()
	var history []script.Line
	for n := range 40 {
		self := fmt.Sprint("Bot ", n%3)
		asked := script.Line{Author: "Tom", Text: fmt.Sprintf("What do you think of chapter %d?", n)}
		history = append(history, asked)
		text := say(t, script.Scene{
			Persona: script.Persona{ID: int64(n%3 + 1), Name: self}, Topics: []string{"books", "films"}, Topic: []string{"books", "films"}[n%2], Language: "en",
			History: history, Answering: &asked, Seed: uint64(n),
		})
		const shrug = "on everything else I listen"
		said := func(l script.Line) bool { return strings.Contains(l.Text, shrug) }
		if strings.Contains(text, shrug) && slices.ContainsFunc(history, said) {
			t.Errorf("answer %d says again %q", n+1, text)
		}
		history = append(history, line(self, text))
	}
}

func line(author, text string) script.Line {
	return script.Line{Author: author, Text: text, FromBot: true}
}
