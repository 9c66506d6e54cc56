package guard

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/abadojack/whatlanggo"
	xlanguage "golang.org/x/text/language"
)

// fewLetters is the number of letters from which a language can be told from similar ones.
const fewLetters = 50

// language objects only if there is no doubt: the text is in another script, or is long enough and
// clearly in another language.
func language(d *Draft) string {
	tag, _, _ := strings.Cut(strings.ToLower(d.Scene.Language), "-")
	if d.Offline || tag == "" {
		return ""
	}
	plain := common(tag, d.words)
	if plain && ascii(d.lower) {
		return ""
	}
	want := whatlanggo.CodeToLang(code(tag))
	if want < 0 {
		return ""
	}
	reason := fmt.Sprintf("It is in another language: write %q.", d.Scene.Language)
	words := letters(d.Text)
	if utf8.RuneCountInString(words) < 4 {
		return ""
	}
	if own := scriptOf(want); own != nil && (own != unicode.Latin || !ascii(words)) {
		if script := whatlanggo.DetectScript(words); script != nil && script != own {
			return reason
		}
	}
	if utf8.RuneCountInString(words)-strings.Count(words, " ") < fewLetters {
		return ""
	}
	if plain {
		return ""
	}
	found := whatlanggo.DetectWithOptions(words, whatlanggo.Options{Whitelist: candidates(want)})
	if found.Lang != want && found.IsReliable() && found.Confidence >= certain {
		return reason
	}
	return ""
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// smallWords are words in nearly every text of a language, and in no similar language.
//
//nolint:gochecknoglobals // constant
var smallWords = map[string]map[string]bool{
	"en": wordSet(`the and of to that it is was with for you this but not they what have from i my he she we`),
	"de": wordSet(`der die das und ist nicht ein eine ich es zu den mit sich auf auch war dem wie man noch nur so wenn aber`),
	"es": wordSet(`el la de que y en un una los las por con para del lo como más pero sus le ya muy mi eso`),
}

// common reports whether a text is surely in a language, by its small words, which is fast: at
// least every fourth word, and three different ones.
func common(tag string, words []string) bool {
	n := 0
	different := map[string]bool{}
	for _, w := range words {
		if smallWords[tag][w] {
			n++
			different[w] = true
		}
	}
	return len(different) >= 3 && 4*n >= len(words)
}

// certain is the least confidence for an objection.
const certain = 0.9

// code returns the library's code of a language. It is that of ISO 639-3, which names single
// languages where ISO 639-1 names a family.
func code(tag string) string {
	switch tag {
	case "zh":
		return "cmn"
	case "ar":
		return "arb"
	case "fa":
		return "pes"
	case "no":
		return "nob"
	}
	base, err := xlanguage.ParseBase(tag)
	if err != nil {
		return ""
	}
	return base.ISO3()
}

// scriptOf returns the script of a language, if it has only one.
func scriptOf(l whatlanggo.Lang) *unicode.RangeTable {
	switch l { //nolint:exhaustive // of the others no script is known to be theirs alone
	case whatlanggo.Jpn, whatlanggo.Srp, whatlanggo.Azj, whatlanggo.Uzb:
		return nil
	case whatlanggo.Rus, whatlanggo.Ukr, whatlanggo.Bel, whatlanggo.Bul, whatlanggo.Mkd:
		return unicode.Cyrillic
	case whatlanggo.Ell:
		return unicode.Greek
	case whatlanggo.Cmn:
		return unicode.Han
	case whatlanggo.Kor:
		return unicode.Hangul
	case whatlanggo.Arb, whatlanggo.Pes, whatlanggo.Urd:
		return unicode.Arabic
	case whatlanggo.Heb, whatlanggo.Ydd:
		return unicode.Hebrew
	case whatlanggo.Hin, whatlanggo.Mar, whatlanggo.Nep, whatlanggo.Bho, whatlanggo.Mai:
		return unicode.Devanagari
	case whatlanggo.Eng, whatlanggo.Deu, whatlanggo.Spa, whatlanggo.Fra, whatlanggo.Ita, whatlanggo.Por, whatlanggo.Nld, whatlanggo.Pol, whatlanggo.Tur,
		whatlanggo.Swe, whatlanggo.Dan, whatlanggo.Nob, whatlanggo.Nno, whatlanggo.Fin, whatlanggo.Ces, whatlanggo.Hun, whatlanggo.Ron, whatlanggo.Vie, whatlanggo.Ind:
		return unicode.Latin
	}
	return nil
}

// candidates returns the languages that models tend to write, and the wanted one. With all
// languages of the library, a short text is too often taken for a rare one.
func candidates(want whatlanggo.Lang) map[whatlanggo.Lang]bool {
	return map[whatlanggo.Lang]bool{
		whatlanggo.Eng: true, whatlanggo.Deu: true, whatlanggo.Spa: true, whatlanggo.Fra: true, whatlanggo.Ita: true, whatlanggo.Por: true,
		whatlanggo.Nld: true, whatlanggo.Tur: true, whatlanggo.Pol: true, whatlanggo.Rus: true, whatlanggo.Ukr: true, want: true,
	}
}

// letters removes from a text everything that is no word: numbers, emoji, names of accounts.
func letters(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsMark(r) || r == '\'' || r == '’' {
			return r
		}
		return ' '
	}, s)), " ")
}
