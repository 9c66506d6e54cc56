package offline

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
)

// rules maps a rule to its alternatives by voice; "any" is for every voice.
//
// An alternative is a sentence with slots in braces. A slot is another rule or
// a value of the scene ({name}, {point}); with a capital ({Point}) its value
// begins a sentence. An alternative with a slot that the scene can't fill is
// not used, so no condition has to be written down.
type rules map[string]map[string][]string

const anyVoice = "any"

// without leaves out the rules that others stand in for.
func (r rules) without(others rules) rules {
	rest := rules{}
	for name, voices := range r {
		if others[name] == nil {
			rest[name] = voices
		}
	}
	return rest
}

// maxDepth bounds the recursion of rules.
const maxDepth = 6

type grammar map[string]map[string][]*alternative

type alternative struct {
	id      uint64
	parts   []part
	bare    bool   // it has no words of its own
	topical bool   // it has the slot of the topic
	thing   bool   // it has that of a thing
	own     bool   // it is a voice's
	piece   string // the longest of its own words, normalised; "" if it is one
}

// eachWord calls f with the words that frames have of their own.
func (g grammar) eachWord(f func(word string)) {
	for _, voices := range g {
		for _, alternatives := range voices {
			for _, a := range alternatives {
				for _, p := range a.parts {
					if p.slot {
						continue
					}
					for _, w := range words(p.text) {
						f(w)
					}
				}
			}
		}
	}
}

type part struct {
	text    string // literal, or the slot's name
	slot    bool
	capital bool
}

var slotPattern = regexp.MustCompile(`\{([A-Za-z_0-9]+)\}`)

// compile parses the rules of several files into one grammar; alternatives of
// the same rule are added up. Unknown slots are an error.
func compile(files ...rules) (grammar, error) {
	g := grammar{}
	for _, f := range files {
		for name, voices := range f {
			if g[name] == nil {
				g[name] = map[string][]*alternative{}
			}
			for v, alternatives := range voices {
				for _, a := range alternatives {
					alternative := parse(a)
					alternative.own = v != anyVoice
					g[name][v] = append(g[name][v], alternative)
				}
			}
		}
	}
	return g, g.check()
}

func parse(s string) *alternative {
	a := &alternative{id: hash(s)}
	at := 0
	for _, m := range slotPattern.FindAllStringSubmatchIndex(s, -1) {
		if m[0] > at {
			a.parts = append(a.parts, part{text: s[at:m[0]]})
		}
		name := s[m[2]:m[3]]
		lower := strings.ToLower(name)
		a.parts = append(a.parts, part{text: lower, slot: true, capital: name != lower})
		at = m[1]
	}
	if at < len(s) {
		a.parts = append(a.parts, part{text: s[at:]})
	}
	a.bare = !slices.ContainsFunc(a.parts, func(p part) bool { return !p.slot && normal(p.text) != "" })
	for _, p := range a.parts {
		a.thing = a.thing || p.slot && isThing(p.text)
		if n := normal(p.text); !p.slot && len(n) > len(a.piece) && strings.Contains(n, " ") {
			a.piece = n
		}
	}
	a.topical = slices.ContainsFunc(a.parts, func(p part) bool { return p.slot && p.text == "topic" })
	return a
}

func (g grammar) check() error {
	var errs []error
	for name, voices := range g {
		for v, alternatives := range voices {
			for _, a := range alternatives {
				for _, p := range a.parts {
					if p.slot && g[p.text] == nil && !slices.Contains(slots, p.text) {
						errs = append(errs, fmt.Errorf("rule %s, voice %s: unknown slot {%s}", name, v, p.text))
					}
				}
			}
		}
	}
	return errors.Join(errs...)
}

// speaker is who expands rules: a voice, and within it the habits of one
// persona, so that two dry personas don't sound alike.
type speaker struct {
	voice  string
	habits uint64
}

// ownVoice is how much more likely a voice's own alternative goes first than a
// shared one.
const ownVoice = 10

// order returns the alternatives of a rule in the order to try them.
func (s speaker) order(voices map[string][]*alternative, rng *rand.Rand) []*alternative {
	own := shuffled(s.prefer(voices[s.voice]), rng)
	shared := shuffled(s.prefer(voices[anyVoice]), rng)
	if weight := float64(ownVoice * len(own)); rng.Float64()*(weight+float64(len(shared))) < weight {
		return append(own, shared...)
	}
	return append(shared, own...)
}

// prefer leaves half of the alternatives to other personas.
func (s speaker) prefer(all []*alternative) []*alternative {
	if len(all) < 4 {
		return slices.Clone(all)
	}
	mine := make([]*alternative, 0, len(all))
	for _, a := range all {
		if a.bare || mix(a.id^s.habits)%2 != 0 {
			mine = append(mine, a)
		}
	}
	if len(mine) < 2 {
		return slices.Clone(all)
	}
	return mine
}

func shuffled(a []*alternative, rng *rand.Rand) []*alternative {
	rng.Shuffle(len(a), func(i, j int) { a[i], a[j] = a[j], a[i] })
	return a
}

// expand writes one sentence (or more) by a rule; false where the scene can't
// fill any of its alternatives.
func (d *draft) expand(rule string, depth int) (string, bool) {
	if depth > maxDepth {
		return "", false
	}
	var stale []*alternative
	for _, a := range d.view.speaker.order(d.view.family.grammar[rule], d.rng) {
		if !a.bare && slices.Contains(d.frames, a.id) {
			continue // no flourish twice in one message
		}
		if d.view.stale(a) {
			stale = append(stale, a)
			continue
		}
		if s, ok := d.fill(a, depth); ok {
			d.frames = append(d.frames, a.id)
			return s, true
		}
	}
	for _, a := range stale {
		if s, ok := d.fill(a, depth); ok && !a.thing {
			return s, true
		}
	}
	return "", false
}

// So many lines long a frame is not used again if there are others, a favourite one of
// the voice less long; one that has a thing in it is not used at all.
const frameRest, ownRest, thingRest = 60, 25, 90

func (v *view) stale(a *alternative) bool {
	if a.piece == "" {
		return false
	}
	stale, known := v.worn[a.id]
	if !known {
		rest := frameRest
		switch {
		case a.thing:
			rest = thingRest
		case a.own:
			rest = ownRest
		}
		in := func(l line) bool { return strings.Contains(l.normal, a.piece) }
		stale = slices.ContainsFunc(v.lines[max(0, len(v.lines)-rest):], in)
		v.worn[a.id] = stale
	}
	return stale
}

func (d *draft) fill(a *alternative, depth int) (string, bool) {
	mark, named := len(d.taken), len(d.things)
	giveBack := func() { d.taken, d.things = d.taken[:mark], d.things[:named] }
	var b strings.Builder
	for _, p := range a.parts {
		s, ok := p.text, true
		if p.slot {
			s, ok = d.value(p.text, depth)
			ok = ok && d.view.lang.fits(b.String(), s)
		}
		if !ok {
			giveBack()
			return "", false
		}
		if p.capital {
			s = capitalise(s)
		}
		b.WriteString(s)
	}
	// What is true of the whole field needn't be true of this topic in it.
	if a.topical && d.wandered(mark) {
		giveBack()
		return "", false
	}
	return b.String(), true
}

// fits reports whether a clause may follow what a frame has so far.
func (l *language) fits(before, clause string) bool {
	w := words(before[strings.LastIndexByte(strings.TrimSuffix(before, " "), ' ')+1:])
	if len(w) == 0 || !strings.HasSuffix(before, w[len(w)-1]+" ") || !slices.Contains(l.lexicon.Binders, w[len(w)-1]) {
		return true
	}
	first := words(clause)
	return len(first) == 0 || !slices.Contains(l.lexicon.Unbound, first[0])
}

func (d *draft) value(slot string, depth int) (string, bool) {
	if d.view.family.grammar[slot] != nil {
		return d.expand(slot, depth+1)
	}
	return d.draw(slot)
}

func hash(s string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// mix spreads the bits of x (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}
