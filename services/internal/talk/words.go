package talk

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// words returns the words of a text in lower case, without punctuation.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) && r != '\'' && r != '’'
	})
}

// Lengths returns the number of words of each line, split at spaces, in order of time.
func Lengths(lines []Line) []int { return newTranscript(lines).lengths() }

func (t *transcript) lengths() []int {
	all := make([]int, len(t.texts))
	for i, l := range t.texts {
		all[i] = len(strings.Fields(l.Text))
	}
	return all
}

func number(n int) float64 { return float64(n) }

func medianWords(t *transcript) figure { return median(t.lengths(), number) }

func manyWords(t *transcript) figure { return quantile(t.lengths(), 0.9, number) }

// lengthVariation is the standard deviation of the number of words in a line, divided by the mean.
func lengthVariation(t *transcript) figure {
	mean, deviation := moments(t.lengths(), number)
	return ratio(deviation, mean)
}

func shortLines(maxWords int) func(*transcript) figure {
	return func(t *transcript) figure {
		return share(t.lengths(), func(n int) bool { return n <= maxWords })
	}
}

// withText is the share of the lines whose texts fit.
func withText(fits func(string) bool) func(*transcript) figure {
	return func(t *transcript) figure {
		return share(t.texts, func(l Line) bool { return fits(l.Text) })
	}
}

func ends(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(strings.TrimSpace(text))
	return strings.ContainsRune(".!?…。！？", last)
}

func exclaims(text string) bool { return strings.ContainsAny(text, "!！") }

// lowerCase is the share of lines that begin with a small letter, of those that begin with a letter
// that has a case. Mentions at the beginning are skipped.
func lowerCase(t *transcript) figure {
	lower, cased := 0, 0
	for _, l := range t.texts {
		text := l.Text
		for strings.HasPrefix(text, "@") {
			_, text, _ = strings.Cut(text, " ")
		}
		at := strings.IndexFunc(text, unicode.IsLetter)
		if at < 0 {
			continue
		}
		switch first, _ := utf8.DecodeRuneInString(text[at:]); {
		case unicode.IsLower(first):
			lower++
			cased++
		case unicode.IsUpper(first):
			cased++
		}
	}
	return ratio(float64(lower), float64(cased))
}

// distinctWords is the number of words that distinct uses: its figure falls as a text grows.
const distinctWords = 10_000

// distinct is the share of different n-grams among those of the first words.
func distinct(n int) func(*transcript) figure {
	return func(t *transcript) figure {
		var all []string
		for _, l := range t.texts {
			all = append(all, words(l.Text)...)
		}
		if len(all) < distinctWords {
			return figure{}
		}
		grams := ngrams(all[:distinctWords], n)
		once := map[string]bool{}
		for _, g := range grams {
			once[g] = true
		}
		return ratio(float64(len(once)), float64(len(grams)))
	}
}

func ngrams(all []string, n int) []string {
	var grams []string
	for i := n; i <= len(all); i++ {
		grams = append(grams, strings.Join(all[i-n:i], " "))
	}
	return grams
}

// trigramReuse is the share of the different word trigrams that several speakers used.
func trigramReuse(t *transcript) figure {
	const several = "\x00" // no possible name
	by := map[string]string{}
	for _, l := range t.texts {
		for _, g := range ngrams(words(l.Text), 3) {
			if who, said := by[g]; said && who != l.Who {
				by[g] = several
			} else {
				by[g] = l.Who
			}
		}
	}
	shared := 0
	for _, who := range by {
		if who == several {
			shared++
		}
	}
	return ratio(float64(shared), float64(len(by)))
}

// repeats is the share of sentences that were said before within 12 hours, by any speaker.
// Sentences with fewer than repeatedWords words are skipped.
func repeats(t *transcript) figure {
	const repeatedWords, span = 4, 12 * time.Hour
	said := map[string]time.Time{}
	again, all := 0, 0
	for _, l := range t.texts {
		for sentence := range strings.FieldsFuncSeq(l.Text, func(r rune) bool { return strings.ContainsRune(".!?…。！？\n", r) }) {
			spoken := words(sentence)
			if len(spoken) < repeatedWords {
				continue
			}
			all++
			key := strings.Join(spoken, " ")
			if before, was := said[key]; was && l.At.Sub(before) <= span {
				again++
			}
			said[key] = l.At
		}
	}
	return ratio(float64(again), float64(all))
}

// content returns the stems of a text's words that carry meaning: the first letters of long words
// that aren't among the most frequent ones of English and German.
func content(text string) map[string]bool {
	const minLetters, stem = 4, 5
	stems := map[string]bool{}
	for _, w := range words(text) {
		if letters := []rune(w); len(letters) >= minLetters && !strings.Contains(functionWords, " "+w+" ") {
			stems[string(letters[:min(len(letters), stem)])] = true
		}
	}
	return stems
}

// functionWords are frequent words of four letters and more that carry little meaning.
const functionWords = `
 about actually after again almost already also always another around back because been before 
 being best better both came cannot can't come could couldn't didn't does doesn't doing done don't 
 down each else enough even ever every everyone everything exactly feel find first from gets give 
 goes going gone good great have haven't having here here's he's into isn't it's i'd i'll i'm i've 
 just keep kind know last least less let's like little long look made make makes many matter maybe 
 mean might more most much must myself need never next nothing often once only other others over 
 part people perhaps point quite rather read really right said same says seem should since some 
 someone something sometimes sort still such sure take talk tell than that that's their them then 
 there there's these they they're thing things think this those though thought through today 
 together told took true turn under until upon used very want wants wasn't well were what what's 
 when where which while whole will with without wonder won't word words work would wouldn't years 
 your yours you'd you'll you're you've aber alle allem allen aller alles also auch beim bist damit 
 dann darf darum dass dein deine deinen deiner dem denn denen deren dessen dich dies diese diesem 
 diesen dieser dieses doch dort durch eben eher eigentlich eine einem einen einer eines einfach 
 einmal etwas euch euer fast ganz geht genau gerade gern gibt habe haben hast hatte hatten hier 
 hätte ihnen ihre ihrem ihren ihrer immer jede jedem jeden jeder jedes jetzt kann kannst kein keine 
 keinen keiner könnte könnten machen macht mein meine meinem meinen meiner mich mehr muss müssen 
 nach nicht nichts noch nochmal oder ohne schon sehr sein seine seinem seinen seiner seit sich sind 
 sogar soll sollte sondern sonst viel viele vielleicht vom von vor wann waren warum weil weiter 
 welche welcher wenn werde werden wieder will wird wirklich wissen wohl wollen worden wurde wurden 
 würde würden über zwar zwischen `
