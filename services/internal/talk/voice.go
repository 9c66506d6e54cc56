package talk

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Voices are compared for speakers with enough lines. A line in one part is guessed by models of
// the other parts.
const (
	minVoice = 10
	parts    = 5
)

// voiceSeparation is the share of lines whose speaker is guessed right, as a multiple of chance,
// which is 1 / speakers. Each speaker has the same weight, for any number of lines.
func voiceSeparation(t *transcript) figure {
	voices := t.voices()
	if len(voices) < 2 {
		return figure{}
	}
	sum := 0.0
	for part := range parts {
		models, vocabulary := train(voices, part)
		for i, v := range voices {
			for _, line := range v[part] {
				if guess(models, vocabulary, line) == i {
					lines := 0
					for _, p := range v {
						lines += len(p)
					}
					sum += 1 / float64(lines)
				}
			}
		}
	}
	return figure{sum, true} // sum / speakers, divided by 1 / speakers
}

// The kinds of features: the words of a line, its character trigrams, and one feature each for its
// length, its beginning, its end, the case of its first letter, and the mark at its end.
const (
	ofWords = iota
	ofThrees
	ofLength
	ofBeginning
	ofEnd
	ofCase
	ofMark
	kinds
)

// features holds the features of a line, by kind.
type features [kinds][]string

// voice holds the features of a speaker's lines. Its parts are blocks in order of time, so that the
// same topic is rarely in the training and the tested part.
type voice [parts][]features

// voices returns the voices, ordered by speaker's name.
func (t *transcript) voices() []voice {
	by := map[string][]features{}
	for _, l := range t.texts {
		by[l.Who] = append(by[l.Who], featuresOf(l.Text))
	}
	var names []string
	for who, lines := range by {
		if len(lines) >= minVoice {
			names = append(names, who)
		}
	}
	slices.Sort(names)
	all := make([]voice, len(names))
	for i, who := range names {
		lines := by[who]
		for j, f := range lines {
			part := j * parts / len(lines)
			all[i][part] = append(all[i][part], f)
		}
	}
	return all
}

func featuresOf(text string) features {
	f := features{ofWords: words(text)}
	letters := []rune(" " + strings.Join(strings.Fields(text), " ") + " ")
	n := len(letters)
	for i := 3; i <= n; i++ {
		f[ofThrees] = append(f[ofThrees], string(letters[i-3:i]))
	}
	f[ofLength] = []string{strconv.Itoa(int(math.Log2(float64(len(f[ofWords]) + 1))))}
	f[ofBeginning] = []string{string(letters[:min(n, 2)])}
	f[ofEnd] = []string{string(letters[max(n-2, 0):])}
	first := strings.IndexFunc(text, unicode.IsLetter)
	if first >= 0 {
		r, _ := utf8.DecodeRuneInString(text[first:])
		f[ofCase] = []string{strconv.FormatBool(unicode.IsLower(r))}
	}
	f[ofMark] = []string{mark(letters)}
	return f
}

// mark returns the punctuation at the end of a line, or a name for other ends.
func mark(letters []rune) string {
	switch last := letters[max(len(letters)-2, 0)]; {
	case unicode.IsLetter(last) || unicode.IsNumber(last):
		return "a word"
	case unicode.IsPunct(last):
		return string(last)
	}
	return "another sign"
}

// model counts the features of a speaker's lines, by kind.
type model [kinds]struct {
	of    map[string]int
	total int
}

// train counts the features outside of a part, and the different features of each kind.
func train(voices []voice, without int) (models []model, vocabulary [kinds]int) {
	var seen [kinds]map[string]bool
	for k := range kinds {
		seen[k] = map[string]bool{}
	}
	models = make([]model, len(voices))
	for i, v := range voices {
		m := &models[i]
		for k := range kinds {
			m[k].of = map[string]int{}
		}
		for part, lines := range v {
			if part == without {
				continue
			}
			for _, line := range lines {
				for k, all := range line {
					m[k].total += len(all)
					for _, f := range all {
						m[k].of[f]++
						seen[k][f] = true
					}
				}
			}
		}
	}
	for k := range kinds {
		vocabulary[k] = len(seen[k])
	}
	return models, vocabulary
}

// guess returns the speaker whose model gives the line's features the highest probability: naive
// Bayes with Laplace's smoothing within each kind, and equal priors. The features of a kind depend
// on one another, most of all overlapping trigrams, so n of them get the weight of √n independent
// ones. Otherwise a line's topic outvotes everything that shows its author.
func guess(models []model, vocabulary [kinds]int, line features) int {
	best, highest := 0, math.Inf(-1)
	for i := range models {
		likely := 0.0
		for k, all := range line {
			m, sum := &models[i][k], 0.0
			for _, f := range all {
				sum += math.Log(float64(m.of[f]+1) / float64(m.total+vocabulary[k]+1))
			}
			likely += sum / math.Sqrt(float64(max(len(all), 1)))
		}
		if likely > highest {
			best, highest = i, likely
		}
	}
	return best
}
