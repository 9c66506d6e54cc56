package offline

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// target is the message being answered, as far as it is understood.
type target struct {
	*reading

	name   string // how to address its author, or ""
	bot    bool   // whether another persona said it
	stems  []string
	act    act
	kind   string   // of a question: "why", "who", …
	rules  []string // by which it is answered, the first that can be filled; none for a matter of the topic
	fact   *fact    // what it says that the files know, or nil
	word   string   // what it speaks of, or ""
	next   string   // the rule that follows on the frame that it is in, or ""
	quoted string   // a word of it, to be quoted, or ""
	sum    string   // what it asks to be reckoned, with the result
	honest string   // the answer to what the speaker is, or ""
}

// bare reports whether there is nothing in the message to take up: the talk goes on.
func (t *target) bare() bool {
	return t.fact == nil && t.claim == "" && t.word == "" && t.next == "" && t.act == states
}

// act is what a message does.
type act int

const (
	states act = iota
	questions
)

func (v *view) read(answered script.Line, seed uint64) *target {
	r := v.lang.read(answered.Text, v.disclaimer)
	t := &target{
		reading: r,
		name:    v.lang.givenName(answered.Author),
		bot:     answered.FromBot,
		stems:   v.lang.contentStems(r.normal),
	}
	t.fact = v.family.recognise(v.topic, t.normal)
	t.act, t.kind = v.lang.act(t.text, t)
	if t.fact != nil && v.topic != t.fact.topic && t.fact.topic != &v.family.General {
		// The talk has moved to another topic of the family: follow it.
		v.move(t.fact.topic)
	}
	if t.fact == nil {
		v.follow(t.stems)
	}
	if t.word = v.keyword(t.stems); t.bot && t.word != v.title && !strings.Contains(t.normal, normal(t.word)) {
		t.word = ""
	}
	t.quoted = v.lang.telling(t.text, v.names(answered.Author))
	if t.fact == nil {
		v.understand(t, seed)
	}
	if len(t.rules) > 0 {
		return t
	}
	if next, word := v.lang.follow(t.text); next != "" && (t.fact == nil || strings.HasSuffix(t.text, "?") && t.fact.side != asks) {
		t.next, t.word, t.fact = next, cmp.Or(word, t.word), nil
		return t
	}
	named := slices.Concat(v.interests, v.subjects)
	if i := slices.IndexFunc(named, func(s string) bool { return v.speaks(t.stems, s) }); t.word == "" && i >= 0 {
		t.word = named[i]
	}
	return t
}

// act tells what a text does: a known question or claim is never taken for
// anything else.
func (l *language) act(text string, t *target) (act, string) {
	if t.fact != nil {
		if t.fact.side == asks {
			return questions, ""
		}
		return states, ""
	}
	asked := lastQuestion(text)
	if asked == "" {
		return states, ""
	}
	for _, k := range l.kinds {
		if begins(asked, l.lexicon.Questions[k]) {
			return questions, k
		}
	}
	return questions, "other"
}

// lastQuestion is the last sentence of a text that ends in a question mark,
// normalised, or "".
func lastQuestion(text string) string {
	from, last := 0, ""
	for _, end := range sentenceEnds(text) {
		if strings.ContainsAny(text[max(from, end-3):end], "?") {
			last = normal(text[from:end])
		}
		from = end
	}
	return last
}

func begins(normal string, starts []string) bool {
	return slices.ContainsFunc(starts, func(s string) bool {
		return normal == s || strings.HasPrefix(normal, s+" ")
	})
}

// keyword is a keyword of the topic or its family among the stems of a text: the
// longest comes first, and those of the topic before those of the family.
func (v *view) keyword(said []string) string {
	for _, t := range []*topic{v.topic, v.general} {
		best := ""
		for _, w := range said {
			k := t.keyStems[w]
			longer := len(k.text) > len(best) || len(k.text) == len(best) && k.text < best
			if longer && overlap(k.stems, said) == len(k.stems) {
				best = k.text
			}
		}
		if best != "" {
			return best
		}
	}
	if v.onTopic(said) {
		return v.title
	}
	return ""
}

// keyed reports whether any of the stems is one of a topic's keywords.
func (t *topic) keyed(stems []string) bool {
	return slices.ContainsFunc(stems, func(s string) bool { return t.keyStems[s].text != "" })
}

// follow moves to another topic of the family where a text has a keyword of it
// and none of the topic at hand.
func (v *view) follow(stems []string) {
	if v.keyword(stems) != "" {
		return
	}
	for _, t := range v.family.Topics {
		if overlap(stems, t.names) > 0 || t.keyed(stems) {
			v.move(t)
			return
		}
	}
}

// speaks reports whether stems have all of a thing.
func (v *view) speaks(stems []string, thing string) bool {
	of := v.lang.contentStems(thing)
	return len(of) > 0 && overlap(of, stems) == len(of)
}

// claimOf is the last clause of a text that claims something and is short enough to be
// quoted; "" if there is none but a frame's.
func (l *language) claimOf(text string) string {
	claim, from := "", 0
	for _, end := range append(sentenceEnds(text), len(text)) {
		s := strings.TrimSpace(text[from:end])
		from = end
		if _, behind, framed := strings.Cut(s, ": "); framed {
			s = behind
		}
		n := normal(s)
		framed := func(piece string) bool { return strings.Contains(n, piece) }
		if n := strings.Count(n, " "); n >= 5 && n < 12 && !strings.ContainsAny(s, `"“”?:`) && !slices.ContainsFunc(l.pieces, framed) {
			claim = l.clause(strings.TrimRightFunc(s, func(r rune) bool { return !unicode.IsLetter(r) }))
		}
	}
	return claim
}

// names are the words of all names in the scene, in lower case.
func (v *view) names(more string) map[string]bool {
	all := map[string]bool{}
	for _, w := range words(v.self + " " + bounded(more, maxText)) {
		all[w] = true
	}
	for _, name := range v.given {
		all[strings.ToLower(name)] = true
	}
	return all
}

// telling picks the word of a text that is worth quoting: its longest plain
// word that carries meaning and is nobody's name.
func (l *language) telling(text string, names map[string]bool) string {
	best, longest := "", 0
	for field := range strings.FieldsSeq(text) {
		if strings.ContainsAny(field, "@/:#&=<>{}[]\\_") {
			continue // an address, a command, markup
		}
		w := strings.Trim(field, ".,;!?…\"'“”‘’()*")
		lower := strings.ToLower(w)
		if !plain(w) || names[strings.TrimSuffix(strings.ReplaceAll(lower, "’", "'"), "'s")] || l.small[lower] || !l.content(lower) {
			continue
		}
		n := utf8.RuneCountInString(w)
		if n > 20 {
			continue
		}
		if !strings.HasPrefix(text, field) && w != lower {
			n += 20 // a name tells more than any other word
		}
		if n > longest {
			best, longest = w, n
		}
	}
	return best
}

func plain(w string) bool {
	for _, r := range w {
		if !unicode.IsLetter(r) && r != '-' && r != '\'' && r != '’' {
			return false
		}
	}
	return utf8.RuneCountInString(w) >= 4
}
