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
	r, words := readingOf(text)
	return clause{text, r.normal, l.stems(words), r.runs}
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
	r, _ := readingOf(text)
	r.claim = l.claimOf(text)
	l.readings.Set(key, r)
	return r
}

// openerWords is how many words a sentence has at most that only opens a text, as
// "Quite so." does.
const openerWords = 3

// readingOf reads a text once, sentence by sentence. It returns its words, too.
func readingOf(text string) (*reading, []string) {
	ends := sentenceEnds(text)
	if len(ends) == 0 || ends[len(ends)-1] < len(text) {
		ends = append(ends, len(text))
	}
	all := make([]string, 0, len(text)/4+1)
	counts := make([]int, len(ends)) // of words up to the end of each sentence
	from := 0
	for i, end := range ends {
		all, from = appendWords(all, text[from:end]), end
		counts[i] = len(all)
	}
	r := &reading{text: text, normal: strings.Join(all, " "), length: len(all)}
	behind := make([]int, len(all)+1) // where each word begins in the normalised text
	for i, w := range all {
		behind[i+1] = behind[i] + len(w) + 1
	}
	part := func(from, to int) string { return r.normal[behind[from] : behind[to]-1] }
	if len(all) > 0 {
		r.opening = part(0, min(2, len(all)))
	}
	const run = 4
	for i := run; i <= len(all); i++ {
		r.runs = append(r.runs, hash(part(i-run, i)))
	}
	first := 0
	for i, end := range counts {
		if n := end - first; n > openerWords || n > 0 && (i > 0 || len(ends) == 1) {
			r.sentences = append(r.sentences, mix(hash(part(first, end))))
		}
		first = end
	}
	return r, all
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
