package generator

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sentences returns a text up to the end of its last whole sentence, with the quotation marks,
// brackets and emoji that belong to it; "" if it has none. The end of a line ends a sentence, too.
func sentences(text string) string {
	end := 0
	for at, r := range text {
		size := utf8.RuneLen(r)
		if size < 0 { // invalid UTF-8
			size = 1
		}
		switch {
		case r == '\n' && strings.TrimSpace(text[end:at]) != "":
			end = at
		case terminal(r) && ends(text, at, at+size):
			end = at + size + trailing(text[at+size:])
		}
	}
	return strings.TrimSpace(text[:end])
}

func terminal(r rune) bool { return r == '…' || unicode.Is(unicode.Sentence_Terminal, r) }

// ends reports whether the punctuation at a position ends a sentence. A dot within a number or an
// address or after an abbreviation doesn't.
func ends(text string, at, after int) bool {
	next, _ := utf8.DecodeRuneInString(text[after:])
	if text[at] >= utf8.RuneSelf && text[at:after] != "…" {
		return true // full stops of scripts that put no space after them
	}
	if after < len(text) && !unicode.IsSpace(next) && !closing(next) && !terminal(next) && !emoji(next) {
		return false
	}
	if text[at] != '.' {
		return true
	}
	before := text[:at]
	word := before[strings.LastIndexFunc(before, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '.' })+1:]
	return !abbreviated(word)
}

// abbreviated reports whether a dot after this word belongs to the word: a letter, a number that
// may continue or be an ordinal, a title.
func abbreviated(word string) bool {
	const year = 4 // a number with at least so many digits ends at its dot
	runes := []rune(word)
	switch {
	case len(runes) == 0:
		return false
	case !slices.ContainsFunc(runes, func(r rune) bool { return !unicode.IsDigit(r) }):
		return len(runes) < year
	case len(runes) == 1, slices.Contains(runes, '.') && len(runes) <= year: // "e.g"
		return unicode.IsLetter(runes[0]) && runes[0] < utf8.RuneSelf && runes[0] != 'I'
	}
	switch strings.ToLower(word) {
	case "dr", "mr", "mrs", "ms", "prof", "st", "vs", "nr", "bzw", "ca", "evtl", "ggf", "vgl", "sr", "sra", "srta", "ud", "uds", "dña", "mme", "mlle":
		return true
	}
	return false
}

// trailing returns how many bytes after a sentence's end belong to the sentence.
func trailing(rest string) int {
	end, spaced := 0, false
	for at, r := range rest {
		switch {
		case r == ' ' && !spaced:
			spaced = true // only an emoji may follow
			continue
		case emoji(r), !spaced && (closing(r) || terminal(r)):
			end, spaced = at+utf8.RuneLen(r), false
		default:
			return end
		}
	}
	return end
}

// closing reports whether r is a closing quotation mark or bracket. » opens in some languages and
// closes in others; directly after a sentence it closes.
func closing(r rune) bool {
	return r == '"' || r == '\'' || unicode.In(r, unicode.Pe, unicode.Pf, unicode.Pi) || r == '*' || r == '_'
}

func emoji(r rune) bool {
	const joiner, variation = '\u200d', '\ufe0f'
	return unicode.Is(unicode.So, r) || unicode.Is(unicode.Sk, r) && r > unicode.MaxLatin1 || r == joiner || r == variation
}
