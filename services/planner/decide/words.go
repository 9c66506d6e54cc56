package decide

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// scanBytes limits the part of a message that is read, in bytes: the rules need only its gist.
const scanBytes = 400

// words cuts a text into words and returns their hashes. Letters, digits and underscores form
// words. It ignores case, and an s at the end of longer words.
type words struct {
	text string
	at   int
}

// next is the hash and the length, in letters, of the next word.
func (w *words) next() (hash uint64, letters int, ok bool) {
	// FNV-1a: for short inputs, and a wrong hit in 2^64 costs half a point.
	const basis, prime = 14695981039346656037, 1099511628211
	hash = basis
	text, at := w.text, w.at
	for at < len(text) && ascii[text[at]] == 0 { // what separates, for the most part
		if text[at] >= utf8.RuneSelf {
			r, size := fold(text[at:])
			if r != 0 {
				break
			}
			at += size - 1
		}
		at++
	}
	before, last := hash, rune(0)
	for at < len(text) {
		r, size := rune(ascii[text[at]]), 1
		if r == 0 {
			if text[at] < utf8.RuneSelf {
				break
			}
			if r, size = fold(text[at:]); r == 0 {
				break
			}
		}
		at += size
		before, last = hash, r
		hash = (hash ^ uint64(r)) * prime //nolint:gosec // runes are positive
		letters++
	}
	w.at = at
	if last == 's' && letters > 3 {
		return before, letters, true
	}
	return hash, letters, letters > 0
}

// ascii is each character of a word in lower case; 0 for what separates, and for
// what is no ASCII.
var ascii = func() (table [256]uint8) { //nolint:gochecknoglobals // constant
	for c := range uint8(utf8.RuneSelf) {
		switch letter := c | 0x20; {
		case letter-'a' < 26:
			table[c] = letter
		case c-'0' < 10, c == '_':
			table[c] = c
		}
	}
	return table
}()

// fold is the first character of a text in lower case; 0 for what separates.
func fold(text string) (rune, int) {
	r, size := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
		return 0, size
	}
	return unicode.ToLower(r), size
}

// sense is the meaning of a keyword.
type sense uint8

const (
	topicSense sense = iota // bit is the topic's index in the pool
	interestSense
	nameSense // bit is unused, or the bot's index in the cast
	curiousSense
	negativeSense
	positiveSense
	moodSense // bit is the mood
)

type keyword struct {
	hash  uint64
	sense sense
	bit   uint16
}

// keywords is a set of words to look for.
type keywords struct {
	list []keyword
	// One bit of 1024 for each hash: almost every other word stops here.
	filter [16]uint64
}

func (k *keywords) add(hash uint64, s sense, bit int) {
	k.list = append(k.list, keyword{hash: hash, sense: s, bit: uint16(bit)}) //nolint:gosec // indexes, below 2^16
	k.filter[hash>>6&15] |= 1 << (hash & 63)
}

// addAll adds every word of a text.
func (k *keywords) addAll(text string, s sense, bit int) {
	w := words{text: text}
	for hash, _, ok := w.next(); ok; hash, _, ok = w.next() {
		k.add(hash, s, bit)
	}
}

// join adds what is in another set.
func (k *keywords) join(other *keywords) {
	k.list = append(k.list, other.list...)
	for i, bits := range other.filter {
		k.filter[i] |= bits
	}
}

// wordsOf is the set of every word of a text.
func wordsOf(text string, s sense, bit int) *keywords {
	var k keywords
	k.addAll(text, s, bit)
	return &k
}

// addTerm adds the words of a topic or an interest that carry it: those of four
// letters or more, or all of them if there are none ("the ending", but "AI").
func (k *keywords) addTerm(term string, s sense, bit int) {
	before := len(k.list)
	w := words{text: term}
	for hash, letters, ok := w.next(); ok; hash, letters, ok = w.next() {
		if letters >= 4 {
			k.add(hash, s, bit)
		}
	}
	if len(k.list) == before {
		k.addAll(term, s, bit)
	}
}

// addName adds what people call a bot: its username, and the first word of its
// display name that is no title.
func (k *keywords) addName(bot *Bot, bit int) {
	k.addAll(bot.Username, nameSense, bit)
	for name := range strings.FieldsSeq(bot.DisplayName) {
		if !isTitle(name) {
			k.addAll(name, nameSense, bit)
			return
		}
	}
}

func isTitle(word string) bool {
	var lowered [8]byte // as long as the longest title
	word = strings.TrimSuffix(word, ".")
	if len(word) > len(lowered) {
		return false
	}
	for i := range len(word) {
		lowered[i] = word[i] | 0x20 // enough for these
	}
	switch string(lowered[:len(word)]) {
	case "the", "a", "an", "old", "young", "big", "little", "mr", "mrs", "ms", "dr", "prof", "sir", "lord", "lady",
		"captain", "aunt", "uncle", "brother", "sister", "master", "father", "mother":
		return true
	}
	return false
}

// WordsOf are the words of a text, as rules look for them.
func WordsOf(text string) []uint64 {
	all := make([]uint64, 0, 24)
	w := words{text: text[:min(len(text), scanBytes)]}
	for hash, _, ok := w.next(); ok; hash, _, ok = w.next() {
		all = append(all, hash)
	}
	return all
}

// meet calls hit with every keyword in a message, once for each time it stands there.
func (k *keywords) meet(m *Message, hit func(keyword)) {
	if m.Words == nil {
		k.visit(m.Text, hit)
	}
	for _, hash := range m.Words {
		k.find(hash, hit)
	}
}

// visit is meet for a text.
func (k *keywords) visit(text string, hit func(keyword)) {
	w := words{text: text[:min(len(text), scanBytes)]}
	for hash, _, ok := w.next(); ok; hash, _, ok = w.next() {
		k.find(hash, hit)
	}
}

func (k *keywords) find(hash uint64, hit func(keyword)) {
	if k.filter[hash>>6&15]&(1<<(hash&63)) == 0 {
		return
	}
	for _, known := range k.list {
		if known.hash == hash {
			hit(known)
		}
	}
}

// asks reports whether a text has a question mark: the usual one, the full-width one or the
// Arabic one.
func asks(text string) bool {
	return strings.IndexByte(text, '?') >= 0 || strings.Contains(text, "\uff1f") || strings.Contains(text, "\u061f")
}
