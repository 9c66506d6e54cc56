package decide

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

// found are the words of a list that a text contains.
func found(text string, list ...string) []string {
	var k keywords
	for i, word := range list {
		k.addTerm(word, topicSense, i)
	}
	var got []string
	k.visit(text, func(k keyword) { got = append(got, list[k.bit]) })
	return got
}

func TestWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, term string
		want       bool
	}{
		{"The ENDING, again!", "ending", true},
		{"endings", "ending", true},
		{"ending", "endings", true},
		{"bending", "ending", false},
		{"was it AI?", "AI", true},
		{"said", "AI", false},
		{"the hat", "the ending", false},
		{"what an ending", "the ending", true},
		{"Über ÖLPREISE", "Ölpreise", true},
		{"İstanbul'da kira", "kira", true},
		{"sci-fi and history", "sci-fi", true},
		{"anna_bot", "anna", false},
		{"@anna_bot:", "anna_bot", true},
		{"2026 elections", "2026", true},
		{"", "ending", false},
		{"ending", "", false},
		{"\xff\xfeending\xff", "ending", true},
		{strings.Repeat("x ", scanBytes) + "ending", "ending", false},
	} {
		if got := len(found(c.text, c.term)) > 0; got != c.want {
			t.Errorf("%q in %.30q: %v, want %v", c.term, c.text, got, c.want)
		}
	}
	if got := found("pacing and ending and pacing", "ending", "pacing"); !slices.Equal(got, []string{"pacing", "ending", "pacing"}) {
		t.Errorf("found %v", got)
	}
}

// words finds the same words as the library, in any text.
func FuzzWords(f *testing.F) {
	for _, seed := range []string{"The ending, again!", "Über ÖLPREISE", "\xff\xfe", "a_b @c1", "日本語のテスト", "été"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want := len(strings.FieldsFunc(text, func(r rune) bool {
			return r == unicode.ReplacementChar || r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
		}))
		got := 0
		w := words{text: text}
		for _, letters, ok := w.next(); ok; _, letters, ok = w.next() {
			got++
			if letters == 0 || got > len(text) {
				t.Fatalf("word %d of %q has %d letters", got, text, letters)
			}
		}
		if got != want {
			t.Errorf("%q has %d words, want %d", text, got, want)
		}
	})
}
