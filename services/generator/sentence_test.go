package generator

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSentences(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"I read it twice. Then I gave it to my", "I read it twice."},
		{"I read it twice! And", "I read it twice!"},
		{"Did you? I di", "Did you?"},
		{"Hm… I don't", "Hm…"},
		{"Hm... I don't", "Hm..."},
		{"She said \"No.\" Then she", "She said \"No.\""},
		{"„Nein.“ Dann ging", "„Nein.“"},
		{"»Nein!« Dann ging", "»Nein!«"},
		{"(So it was.) And then", "(So it was.)"},
		{"Great! 😀 And the", "Great! 😀"},
		{"Great!😀👍🏽 And the", "Great!😀👍🏽"},
		{"Great 😀 And the", ""},
		{"我读了两遍。然后我把", "我读了两遍。"},
		{"本当？はい！それ", "本当？はい！"},
		{"彼は「はい。」と", "彼は「はい。」"},
		{"هل قرأته؟ نعم، لقد", "هل قرأته؟"},
		{"मैंने पढ़ा। फिर मैं", "मैंने पढ़ा।"},
		{"Ես կարդացի։ Հետո", "Ես կարդացի։"},
		{"¿De verdad? Pues", "¿De verdad?"},
		{"It costs 3.5 and then", ""},
		{"It costs 3.", ""},
		{"It is of 1813. It has", "It is of 1813."},
		{"Am 3. Mai war", ""},
		{"I met Dr. Smith and", ""},
		{"Das ist z. B. ein", ""},
		{"Some, e.g. the", ""},
		{"It was I. Then", "It was I."},
		{"See example.com for", ""},
		{"First line\nSecond li", "First line"},
		{"No end at all", ""},
		{"", ""},
		{"...", "..."},
		{"All of it.", "All of it."},
	} {
		if got := sentences(test.text); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

func FuzzSentences(f *testing.F) {
	f.Add("One. Two! 😀 \"Three?\" fo")
	f.Add("\xff.\xf0 a")
	f.Fuzz(func(t *testing.T, text string) {
		got := sentences(text)
		if !strings.Contains(text, got) || utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}
