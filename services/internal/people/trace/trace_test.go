package trace_test

import (
	"testing"

	"github.com/chorus-cast/chorus/services/internal/people/trace"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, username string
		cast           []string
		text           string
		want           bool
	}{
		{"Tom Reed", "tom_r", nil, "As Tom said.", true},
		{"Tom Reed", "tom_r", nil, "Toms Buch ist gut.", true},
		{"Tom Reed", "tom_r", nil, "tomorrow", false},
		{"Tom Reed", "tom_r", nil, "Mr. REED!", true},
		{"Tom Reed", "tom_r", nil, "ask @Tom_R", true},
		{"Tom Reed", "", nil, "I read a book.", false},
		{"Anna", "", []string{"Anna Lindqvist"}, "Anna is here.", false}, // the persona's name
		{"Anna Berg", "", []string{"Anna Lindqvist"}, "Anna is here.", false},
		{"Anna Berg", "", []string{"Anna Lindqvist"}, "Ms. Berg is here.", true},
		{"Anna", "anna_b", []string{"Anna Lindqvist"}, "ask @anna_b", true},
		{"Иван Петров", "", nil, "Я спросил Ивана.", true},
		{"李小龙", "", nil, "我同意李小龙的看法。", true},
		{"สมชาย", "", nil, "ผมเห็นด้วยกับสมชายครับ", true},
		{"Li", "", nil, "Li, you are right.", true},
		{"Li", "", nil, "I like it.", false},
		{"🦊🦊🦊", "", nil, "🦊🦊🦊 said it", true},
		{"", "", nil, "anything", false},
	} {
		if got := trace.NamesOf(c.name, c.username, c.cast...).In(c.text); got != c.want {
			t.Errorf("%q names %q @%s beside %q: %v", c.text, c.name, c.username, c.cast, got)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	var talk trace.Talk
	talk.Say("The ferry is late again.", false)
	talk.Say("My quokkas hate the ferry! Мои капибары спят, 我的水豚睡着了, call 5550123.", true)
	talk.Say("Quokkas? Really?", false)
	words := talk.Words()
	for text, want := range map[string]bool{
		"I like a quokka.":      true, // another form of a word
		"The ferry is late.":    false,
		"Really?":               false,
		"Все любят капибару.":   true,
		"大家都喜欢水豚睡着的样子。":         true,
		"Call 5550123 now.":     true,
		"Nothing of the kind.":  false,
		"":                      false,
		"My cat, too.":          false, // short words don't count
		"QUOKKAS are the best.": true,
	} {
		if got := words.In(text); got != want {
			t.Errorf("%q has a word of theirs: %v", text, got)
		}
	}
	if again := trace.WordsOf(words.List()); !again.In("quokka") || again.In("ferry") {
		t.Error("the words are not the same when they were written down")
	}
}
