package credential

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// stolen has what people choose for passwords, by how often it was found in lists of stolen
// ones: the 10,000 most frequent of six characters and more, and all longer ones, lowercase.
// Its license is beside it.
//
//go:embed common.txt.gz
var stolen []byte

// stolenWords is read when somebody first chooses a password.
var stolenWords = sync.OnceValue(func() map[string]bool { //nolint:gochecknoglobals // constant
	words := map[string]bool{}
	unpacked, err := gzip.NewReader(bytes.NewReader(stolen))
	if err != nil {
		panic(err) // it is embedded
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		panic(err)
	}
	for word := range strings.Lines(string(text)) {
		words[strings.TrimSpace(word)] = true
	}
	return words
})

// leet are letters as they are often written.
var leet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i") //nolint:gochecknoglobals // constant

// guessable reports whether a password has too few different characters besides its easily
// guessed parts: the given words, a stolen password, years, runs of one character, of the
// alphabet or of keys, and repetitions. Words with digits in place of letters count as words.
func guessable(password string, words []string, fewest int) bool {
	password = strings.ToLower(password)
	for _, text := range []string{password, leet.Replace(password)} {
		g := &guess{text: []rune(text)}
		g.known = make([]bool, len(g.text))
		g.repetitions()
		g.words(words)
		g.years()
		g.runs()
		g.stolen()
		if g.unknown() < fewest {
			return true
		}
	}
	return false
}

// guess is a password, and which of its characters a guess would have.
type guess struct {
	text  []rune
	known []bool
}

func (g *guess) mark(from, to int) {
	for i := from; i < to; i++ {
		g.known[i] = true
	}
}

// unknown counts the different characters that are left.
func (g *guess) unknown() int {
	different := map[rune]bool{}
	for i, r := range g.text {
		if !g.known[i] {
			different[r] = true
		}
	}
	return len(different)
}

// repetitions leaves of a text that is repeated its first time.
func (g *guess) repetitions() {
	n := len(g.text)
	for period := 1; period <= n/2; period++ {
		same := true
		for i := period; i < n && same; i++ {
			same = g.text[i] == g.text[i-period]
		}
		if same {
			g.mark(period, n)
			return
		}
	}
}

func (g *guess) words(words []string) {
	const short = 3
	for _, word := range words {
		w := []rune(word)
		for i := 0; len(w) >= short && i+len(w) <= len(g.text); i++ {
			if string(g.text[i:i+len(w)]) == word {
				g.mark(i, i+len(w))
			}
		}
	}
}

var year = regexp.MustCompile(`(?:19|20)\d\d`)

func (g *guess) years() {
	text := string(g.text)
	for _, at := range year.FindAllStringIndex(text, -1) {
		from := utf8.RuneCountInString(text[:at[0]])
		g.mark(from, from+4) //nolint:mnd // digits
	}
}

// rows returns the keys of keyboards, from left to right and top to bottom.
func rows() []string {
	return []string{
		"1234567890", "qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn",
		"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "1q2w3e4r5t6y7u8i9o0p", "qazwsxedcrfvtgbyhnujmikolp", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю",
	}
}

// runs marks runs of one character, of the alphabet, the digits and the keys, forwards and
// backwards.
func (g *guess) runs() {
	const shortest = 4
	next := map[[2]rune]bool{}
	for _, row := range rows() {
		keys := []rune(row)
		for i := 1; i < len(keys); i++ {
			next[[2]rune{keys[i-1], keys[i]}], next[[2]rune{keys[i], keys[i-1]}] = true, true
		}
	}
	for _, follows := range []func(a, b rune) bool{
		func(a, b rune) bool { return b == a },
		func(a, b rune) bool { return b == a+1 },
		func(a, b rune) bool { return b == a-1 },
		func(a, b rune) bool { return next[[2]rune{a, b}] },
	} {
		from := 0
		for i := 1; i <= len(g.text); i++ {
			if i < len(g.text) && follows(g.text[i-1], g.text[i]) {
				continue
			}
			if i-from >= shortest {
				g.mark(from, i)
			}
			from = i
		}
	}
}

// stolen marks the longest stolen password in the text, wherever it is. Of several words
// one remains hard to guess: those of a long phrase are all in such lists.
func (g *guess) stolen() {
	const shortest, longest = 6, 24
	words := stolenWords()
	best := ""
	for from := range g.text {
		for to := from + shortest; to <= min(from+longest, len(g.text)); to++ {
			if word := string(g.text[from:to]); to-from > utf8.RuneCountInString(best) && words[word] {
				best = word
			}
		}
	}
	g.words([]string{best})
}
