package offline

import (
	"math/bits"
	"slices"
	"strings"
)

// reading is what texts are compared by.
type reading struct {
	text      string
	normal    string
	opening   string   // its first two words
	noun      string   // a thing that it names, or ""
	length    int      // in words
	words     []uint64 // hashes of them, sorted, each once
	marks     set      // of words
	runs      []uint64 // hashes of its runs of four words
	sentences []uint64 // hashes of them, but for a short one that others follow
}

// clause is a text that may be said.
type clause struct {
	text   string
	normal string
	stems  []string // of its content
	runs   []uint64 // as a reading has them
}

func (l *language) clauseOf(text string) clause {
	r := readingOf(text)
	return clause{text, r.normal, l.contentStems(text), r.runs}
}

// read reads a message without the disclaimer, which is nobody's talk. What it gives is
// shared: the same message stands in the scenes of many texts.
func (l *language) read(message, disclaimer string) *reading {
	key := [2]string{disclaimer, message}
	if known, ok := l.readings.GetIfPresent(key); ok {
		return known
	}
	text := oneLine(bounded(message, maxText))
	if disclaimer != "" {
		text = strings.TrimSpace(strings.TrimSuffix(text, disclaimer))
	}
	r := readingOf(text)
	r.noun = l.nounOf(text)
	l.readings.Set(key, r)
	return r
}

func readingOf(text string) *reading {
	const run = 4
	all := words(text)
	r := &reading{text: text, normal: strings.Join(all, " "), marks: make(set, 4), length: len(all)}
	r.opening = strings.Join(all[:min(2, len(all))], " ")
	r.words = make([]uint64, 0, len(all))
	from, to := 0, -1 // of a run in the normalised text
	for i, w := range all {
		r.words = append(r.words, hash(w))
		if to += len(w) + 1; i < run-1 {
			continue
		}
		r.runs = append(r.runs, hash(r.normal[from:to]))
		from += len(all[i-run+1]) + 1
	}
	slices.Sort(r.words)
	r.words = slices.Compact(r.words)
	r.marks.add(r.words)
	r.sentences = sentencesOf(text)
	return r
}

// openerWords is how many words a sentence has at most that only opens a text, as
// "Quite so." does.
const openerWords = 3

func sentencesOf(text string) []uint64 {
	var all []uint64
	from := 0
	ends := sentenceEnds(text)
	if len(ends) == 0 || ends[len(ends)-1] < len(text) {
		ends = append(ends, len(text))
	}
	for _, end := range ends {
		w := words(text[from:end])
		if len(w) > openerWords || len(w) > 0 && (from > 0 || end == len(text)) {
			all = append(all, mix(hash(strings.Join(w, " "))))
		}
		from = end
	}
	return all
}

// common is how many words two texts have in common. It may be 0, too, if that makes
// them less alike than least, which is seen long before the end.
func (r *reading) common(other *reading, least float64) int {
	n, bound := 0, len(r.words)
	for i, m := range r.marks {
		bound -= bits.OnesCount64(m &^ other.marks[i]) // of each there is a word that other lacks
	}
	if float64(bound) < least/(1+least)*float64(len(r.words)+len(other.words)) {
		return 0
	}
	for i, j := 0, 0; i < len(r.words) && j < len(other.words); {
		switch a, b := r.words[i], other.words[j]; {
		case a < b:
			i++
		case a > b:
			j++
		default:
			n, i, j = n+1, i+1, j+1
		}
	}
	return n
}

// set has a bit for each hash in it, which others may share: it tells at once of most
// that they are not in it.
type set []uint64

func (s set) add(hashes []uint64) {
	for _, h := range hashes {
		s[h>>6%uint64(len(s))] |= 1 << (h & 63)
	}
}

func (s set) mayHave(hash uint64) bool { return s[hash>>6%uint64(len(s))]&(1<<(hash&63)) != 0 }
