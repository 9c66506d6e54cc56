// Package voice describes a persona's style of writing. It is pure: the same persona has the same
// voice everywhere.
package voice

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
)

// Voice holds a persona's habits of writing. Empty fields are derived from the persona: see Of.
type Voice struct {
	Length   string   `cast:"length"   json:"length,omitempty"   doc:"How much it says at a time; lines of a word are among all of them." enum:"terse,short,even,long"`
	Capitals string   `cast:"capitals" json:"capitals,omitempty" doc:"How its sentences begin; names keep their capitals." enum:"standard,lower"`
	Stops    string   `cast:"stops"    json:"stops,omitempty"    doc:"Whether a full stop ends its messages." enum:"always,sometimes,never"`
	Emoji    string   `cast:"emoji"    json:"emoji,omitempty"    doc:"How often it uses emoji." enum:"never,rarely,often"`
	Register string   `cast:"register" json:"register,omitempty" doc:"What language it chooses." enum:"formal,plain,casual"`
	Openers  []string `cast:"openers"  json:"openers,omitempty"  doc:"Turns of speech that its lines like to begin with, such as \"Mind you,\"." min:"1" max:"40" entries:"10"`
}

// Values of the fields.
const (
	Terse     = "terse"
	Short     = "short"
	Even      = "even"
	Long      = "long"
	Standard  = "standard"
	Lower     = "lower"
	Always    = "always"
	Sometimes = "sometimes"
	Never     = "never" // for stops and emoji
	Rarely    = "rarely"
	Often     = "often"
	Formal    = "formal"
	Plain     = "plain"
	Casual    = "casual"
)

// Of returns a persona's complete voice: the given fields, and for the rest values derived from its
// tone, its energy (0 to 1) and its name, by which two personas of one tone differ. Openers are
// never derived.
func Of(given Voice, tone string, energy float64, name string) Voice {
	t := temperOf[Character(tone, name)]
	step := func(given, field string, base, slope float64, scale ...string) string {
		if given != "" {
			return given
		}
		own := float64(hash(name+"\n"+field)%1000)/1000 - 0.5
		at := int(math.Round(base + slope*(energy-0.5) + own))
		return scale[min(max(at, 0), len(scale)-1)]
	}
	return Voice{
		Length:   step(given.Length, "length", t.length, -0.8, Terse, Short, Even, Long),
		Capitals: step(given.Capitals, "capitals", t.capitals, 0.5, Standard, Lower),
		Stops:    step(given.Stops, "stops", t.stops, 1, Always, Sometimes, Never),
		Emoji:    step(given.Emoji, "emoji", t.emoji, 1, Never, Rarely, Often),
		Register: step(given.Register, "register", t.register, 0.8, Formal, Plain, Casual),
		Openers:  given.Openers,
	}
}

// temper is a character's place on the scales of a voice, from 0.
type temper struct{ length, capitals, stops, emoji, register float64 }

var temperOf = map[string]temper{ //nolint:gochecknoglobals // a constant table
	"warm":       {length: 2.2, capitals: 0, stops: 0.2, emoji: 1, register: 1},
	"dry":        {length: 1.3, capitals: 0.5, stops: 0.5, emoji: 0, register: 0.8},
	"lively":     {length: 1.3, capitals: 0.8, stops: 1.6, emoji: 1.5, register: 2},
	"blunt":      {length: 0.7, capitals: 0.4, stops: 1, emoji: 0, register: 1.4},
	"thoughtful": {length: 2.7, capitals: 0, stops: 0, emoji: 0, register: 0.2},
	"playful":    {length: 1.8, capitals: 0.4, stops: 1, emoji: 1.1, register: 1.6},
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	x := h.Sum64()
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9 // spreads the last letters to the low bits
	return x ^ (x >> 31)
}

// Characters returns the groups of tones, in alphabetical order.
func Characters() []string {
	return []string{"blunt", "dry", "lively", "playful", "thoughtful", "warm"}
}

// Character returns the character of a tone; for a tone without a known word, the name decides.
func Character(tone, name string) string {
	for _, word := range words(tone) {
		for _, c := range Characters() {
			if word == c || slices.Contains(tones[c], word) {
				return c
			}
		}
	}
	all := Characters()
	return all[hash(name)%uint64(len(all))]
}

// Weights returns the factors by which a voice of this length prefers short, medium and long texts.
func Weights(length string) (short, medium, long float64) {
	switch length {
	case Terse:
		return 1.6, 0.8, 0.5
	case Short:
		return 1.2, 1, 0.8
	case Long:
		return 0.7, 1.1, 1.5
	}
	return 1, 1, 1
}

// Words returns the number of words of the voice's texts, as a multiple of the usual.
func (v Voice) Words() float64 {
	return cmp.Or(map[string]float64{Terse: 0.5, Short: 0.8, Long: 1.5}[v.Length], 1.1)
}
