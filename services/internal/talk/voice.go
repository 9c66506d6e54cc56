package talk

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Voices are compared of speakers who said enough, by models that know all parts of a
// speaker's lines but the one that is asked about.
const (
	minVoice = 10
	parts    = 5
)

// voiceSeparation is how often a line tells its speaker, in multiples of chance, which is
// 1 by the number of speakers. Each speaker counts the same, however much they say.
func voiceSeparation(t *transcript) figure {
	voices := t.voices()
	if len(voices) < 2 {
		return figure{}
	}
	sum := 0.0
	for part := range parts {
		models, vocabulary := train(voices, part)
		for i, v := range voices {
			for _, features := range v[part] {
				if guess(models, vocabulary, features) == i {
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

// voice is the features of a speaker's lines. Its parts are blocks in the order of time,
// so that one topic is seldom both learnt from and asked about.
type voice [parts][][]string

// voices are in the order of names.
func (t *transcript) voices() []voice {
	by := map[string][][]string{}
	for _, l := range t.texts {
		by[l.Who] = append(by[l.Who], features(l.Text))
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

// features are the words of a line, its threes of characters, and how long it is, begins
// and ends.
func features(text string) []string {
	all := words(text)
	length := len(all)
	letters := []rune(" " + strings.Join(strings.Fields(text), " ") + " ")
	for i := 3; i <= len(letters); i++ {
		all = append(all, "3 "+string(letters[i-3:i]))
	}
	n := len(letters)
	return append(all, "length "+strconv.Itoa(int(math.Log2(float64(length+1)))),
		"begins "+string(letters[:min(n, 2)]), "ends "+string(letters[max(n-2, 0):]))
}

// model counts the features of a speaker's lines.
type model struct {
	of    map[string]int
	total int
}

// train counts what the speakers said outside of a part.
func train(voices []voice, without int) (models []model, vocabulary int) {
	seen := map[string]bool{}
	models = make([]model, len(voices))
	for i, v := range voices {
		models[i].of = map[string]int{}
		for part, lines := range v {
			if part == without {
				continue
			}
			for _, line := range lines {
				for _, f := range line {
					models[i].of[f]++
					models[i].total++
					seen[f] = true
				}
			}
		}
	}
	return models, len(seen)
}

// guess is the speaker whose model makes the features most likely: naive Bayes with
// Laplace's smoothing and equal chances of all speakers.
func guess(models []model, vocabulary int, features []string) int {
	best, highest := 0, math.Inf(-1)
	for i, m := range models {
		likely := -float64(len(features)) * math.Log(float64(m.total+vocabulary+1))
		for _, f := range features {
			likely += math.Log(float64(m.of[f] + 1))
		}
		if likely > highest {
			best, highest = i, likely
		}
	}
	return best
}
