package offline

import (
	"strings"
)

// reading is what texts are compared by.
type reading struct {
	text      string
	normal    string
	opening   string   // its first two words
	claim     string   // what it claims in one clause, or ""
	length    int      // in words
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
	r.claim = l.claimOf(text)
	l.readings.Set(key, r)
	return r
}

func readingOf(text string) *reading {
	const run = 4
	all := words(text)
	r := &reading{text: text, normal: strings.Join(all, " "), length: len(all)}
	r.opening = strings.Join(all[:min(2, len(all))], " ")
	from, to := 0, -1 // of a run in the normalised text
	for i, w := range all {
		if to += len(w) + 1; i < run-1 {
			continue
		}
		r.runs = append(r.runs, hash(r.normal[from:to]))
		from += len(all[i-run+1]) + 1
	}
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

// set has a bit for each hash in it, which others may share: it tells at once of most
// that they are not in it.
type set []uint64

func (s set) add(hashes []uint64) {
	for _, h := range hashes {
		s[h>>6%uint64(len(s))] |= 1 << (h & 63)
	}
}

func (s set) mayHave(hash uint64) bool { return s[hash>>6%uint64(len(s))]&(1<<(hash&63)) != 0 }
