// Package decide decides which bot speaks next in a chat, or why none does now. It is one pure
// function without I/O or a clock; its seed is the only source of randomness. The same input
// always gives the same decision, so any turn can be explained, and a day can be simulated in
// a moment.
//
// The rules are small functions in files named for their choice: who (eligible.go, bot.go),
// what (kind.go), to what (target.go), about what (topic.go), how (manner.go) and when
// (pace.go). The rules in floor.go make turns a conversation; lately.go keeps their results
// near their settings.
package decide

import (
	"math/rand/v2"
	"time"
)

// recheck is the time until the next look at a chat in which nothing can happen until somebody
// changes it. A process that is notified of the change should look at once.
const recheck = 15 * time.Minute

// Decide makes one decision. It doesn't change the input and keeps only strings of it. It
// never panics, with any input.
func Decide(in Input) Decision {
	d := newDecider(&in)
	turn, skip := d.turn()
	d.spell(turn)
	return Decision{Turn: turn, Skip: skip, Next: d.next(skip), Lively: d.lively}
}

// decider is the state of one decision.
type decider struct {
	in      *Input
	set     *Settings
	local   time.Time // Now on the chat's clock
	source  *rand.PCG
	random  *rand.Rand // of the source
	gapDraw float64    // of an exponential distribution with mean 1
	turned  bool       // whether the spell ends with a turn
	lull    float64    // how long the gap before was, as a part of the gaps that are shorter
	reacts  bool       // whether the turn is to be a reaction
	// lengthDraw is from [0, 1).
	lengthDraw float64
	lively     bool  // as of Next
	floor      floor // of a decision without a prompt
	lately     lately
	adds       bool      // whether the last speaker adds a line
	joins      bool      // whether somebody joins in, with one more answer to a line
	weights    []float64 // of the cast, in its order; 0 is not eligible
	tempos     float64   // of all who are eligible
	had        []int     // how many of the last lines each of the cast said; nil until they are counted
	reasons    []Reason
	// addressed are the bots of the cast that the prompt, or else the last
	// message, is for; nil for none.
	addressed []bool
	// topics are the topics that the chosen bot may bring up. target is the message that it
	// answers; nil for none.
	topics []string
	target *Message

	// keywords are the words that the chosen bot looks for in messages; found holds the
	// matches.
	keywords keywords
	scanned  [maxRecent]bool
	found    [maxRecent]marks
}

func newDecider(in *Input) *decider {
	if n := len(in.Recent); n > maxRecent {
		in.Recent = in.Recent[n-maxRecent:]
	}
	zone := in.Chat.TimeZone
	if zone == nil {
		zone = time.UTC
	}
	d := &decider{
		in: in, set: &in.Settings, local: in.Now.In(zone),
		lively:  in.Lively,
		weights: make([]float64, len(in.Cast)),
		reasons: make([]Reason, 0, 16),
	}
	d.draw()
	return d
}

// turn asks the rules one after the other.
func (d *decider) turn() (*Turn, Skip) {
	skip := Closed(d.in)
	if (skip == SkipNone || skip.Passes()) && d.crowded() {
		skip = SkipForgotten
	}
	if skip == SkipNone && d.set.Order == OrderManual && d.in.Prompted == 0 {
		skip = SkipManual
	}
	if skip != SkipNone {
		return nil, skip
	}
	if skip := d.eligible(); skip != SkipNone {
		return nil, skip
	}
	prompt, skip := d.prompt()
	if skip != SkipNone {
		return nil, skip
	}
	bot := d.bot(prompt)
	if d.monologue(bot) {
		return nil, SkipNoNeed
	}
	d.listen(bot)
	t := &Turn{BotID: bot.ID, ExpiresAt: d.in.Now.Add(max(d.set.TurnTTL, time.Second)), Seed: d.random.Uint64()}
	if skip := d.kind(t, bot, prompt); skip != SkipNone {
		return nil, skip
	}
	d.topic(t, bot)
	d.manner(t, bot)
	t.Reasons = d.reasons
	return t, SkipNone
}

// because notes that a rule had a part in the turn.
func (d *decider) because(rule string, weight float64, detail string) {
	d.reasons = append(d.reasons, Reason{Rule: rule, Weight: weight, Detail: detail})
}

// chance draws whether something of that probability happens.
func (d *decider) chance(probability float64) bool { return d.random.Float64() < probability }

// pick draws an index in proportion to the weights, which are 0 or more, not all
// of them 0.
func (d *decider) pick(weights []float64) int { return pickAt(d.random.Float64(), weights) }

// pickAt is the index at a part of the weights, from 0 to less than 1.
func pickAt(part float64, weights []float64) int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	at, last := part*sum, 0
	for i, w := range weights {
		if w <= 0 {
			continue
		}
		if at < w {
			return i
		}
		at -= w
		last = i // rounding may leave a rest behind the last one
	}
	return last
}
