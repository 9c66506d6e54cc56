package voice

import (
	"slices"
	"strings"
)

// Pairs of a short and a full form, in English. A formal register uses the full forms of the first
// list, a casual one the short forms of the second.
//
//nolint:gochecknoglobals // constant tables
var (
	contracted = []string{
		"it's been", "it has been", "it's", "it is", "that's", "that is", "there's", "there is", "what's", "what is", "who's", "who is",
		"i'm", "I am", "i'd", "I would", "i'll", "I will", "i've", "I have", "you're", "you are", "you'd", "you would", "we're", "we are",
		"they're", "they are", "can't", "cannot", "won't", "will not", "don't", "do not", "doesn't", "does not", "didn't", "did not",
		"isn't", "is not", "aren't", "are not", "wasn't", "was not", "wouldn't", "would not", "couldn't", "could not", "haven't", "have not",
		"hasn't", "has not", "let's", "let us",
	}
	clipped = []string{
		" cos ", " because ", " gonna ", " going to ", " wanna ", " want to ", " kinda ", " kind of ", " someone ", " somebody ",
		" no one ", " nobody ", " tho ", " though ", " i mean, ", " after all, ",
	}
	spoken = map[string]*strings.Replacer{Formal: replacer(contracted, 0), Casual: replacer(clipped, 1)}
	whole  = replacer(slices.Concat(contracted, clipped), 0)
	// shorts holds the clipped words, by their first bytes.
	shorts = byFirst(clipped)
)

// byFirst returns the first words of pairs, in lower case and with a capital.
func byFirst(pairs []string) (all [256][]string) {
	for i := 0; i < len(pairs); i += 2 {
		word := strings.TrimSpace(pairs[i])
		for _, w := range []string{word, strings.ToUpper(word[:1]) + word[1:]} {
			all[w[0]] = append(all[w[0]], w)
		}
	}
	return all
}

// replacer replaces one word of each pair by the other, the first or the second, with and without a
// capital.
func replacer(pairs []string, of int) *strings.Replacer {
	capital := func(s string) string {
		at := len(s) - len(strings.TrimLeft(s, " "))
		return s[:at] + strings.ToUpper(s[at:at+1]) + s[at+1:]
	}
	var all []string
	for i := 0; i < len(pairs); i += 2 {
		from, to := pairs[i+of], pairs[i+1-of]
		all = append(all, from, to, capital(from), capital(to))
	}
	return strings.NewReplacer(all...)
}

// Spoken converts a text to the voice's register.
func (v Voice) Spoken(text string) string {
	if r := spoken[v.Register]; r != nil {
		return r.Replace(text)
	}
	return text
}

// Whole replaces short forms by full ones, so that texts of different registers can be compared.
func Whole(text string) string {
	if !strings.Contains(text, "'") && !clips(text) { // this check is much cheaper
		return text
	}
	text = whole.Replace(" " + text + " ")
	return text[1 : len(text)-1]
}

// clips reports whether a text has a clipped word.
func clips(text string) bool {
	for {
		if text == "" {
			return false
		}
		for _, w := range shorts[text[0]] {
			if rest, begins := strings.CutPrefix(text, w); begins && (rest == "" || rest[0] == ' ') {
				return true
			}
		}
		_, text, _ = strings.Cut(text, " ")
	}
}
