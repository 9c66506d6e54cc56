package decide

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/internal/hours"
)

// What a mean gap may be, after all factors.
const (
	minMean = time.Millisecond
	maxMean = 30 * 24 * time.Hour
	// defaultMean is that of a chat which says nothing.
	defaultMean = 30 * time.Second
	// behindPause is how soon a chat is looked at again whose texts are behind, at the
	// earliest: to look costs time that its texts need.
	behindPause = 2 * time.Second
	// maxRest is how long texts that are not written may put off the next look.
	maxRest = 20 * time.Second
)

// next returns when to look at the chat again.
func (d *decider) next(skip Skip) time.Time {
	switch skip {
	case SkipChatDisabled, SkipSimulationOff, SkipNoCast:
		return d.in.Now.Add(recheck)
	case SkipManual:
		return d.in.Now.Add(recheck)
	case SkipPaused:
		return d.ends(d.in.Paused)
	case SkipMuted:
		return d.unmuted()
	case SkipDayLimit:
		return d.in.Now.Add(max(recheck, d.gap()))
	case SkipAsleep:
		// And a gap, so that not everybody speaks when the clock strikes.
		return d.opening().Add(d.gap()).In(d.in.Now.Location())
	case SkipApprovals:
		return d.in.Now.Add(max(behindPause, d.gap()))
	case SkipTextsBehind:
		return d.in.Now.Add(max(behindPause, d.gap(), d.rest()))
	case SkipNoNeed:
		return d.in.Now.Add(max(d.gap(), d.rest()))
	case SkipNone, SkipHourlyLimit, SkipChatLimit, SkipGlobalLimit, SkipPromptGone, SkipPromptLate,
		SkipAnswered, SkipAddresseeAway, SkipUnreachable, SkipPersonAnswers, SkipChatAnswers, SkipForgotten:
	}
	return d.in.Now.Add(d.gap())
}

// rest is how long a chat is left alone whose texts come slower than it talks: as long as
// they are late so far. So the more the texts of all chats are behind, the less is looked
// at chats in vain.
func (d *decider) rest() time.Duration {
	return min(d.in.UnwrittenFor-time.Duration(d.meanGap()), maxRest)
}

// opening returns when the first bot of the cast wakes up that is not muted until then.
func (d *decider) opening() time.Time {
	var first time.Time
	for i := range d.in.Cast {
		bot := &d.in.Cast[i]
		if !inCast(bot) {
			continue
		}
		from := d.local
		if bot.Muted != nil {
			if bot.Muted.Until.IsZero() {
				continue
			}
			from = bot.Muted.Until.In(d.local.Location())
		}
		if at := hours.Next(bot.ActiveHours, from); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// ends is when to look again at what is paused. Whoever ends the pause before should look
// at once.
func (d *decider) ends(p *Pause) time.Time {
	at := d.in.Now.Add(recheck)
	if p.Until.After(d.in.Now) && p.Until.Before(at) {
		return p.Until
	}
	return at
}

// unmuted is when to look again at a cast of which all that could act are muted.
func (d *decider) unmuted() time.Time {
	first := d.in.Now.Add(recheck)
	for i := range d.in.Cast {
		bot := &d.in.Cast[i]
		if !inCast(bot) || bot.Muted == nil {
			continue
		}
		if at := d.ends(bot.Muted); at.Before(first) {
			first = at
		}
	}
	return first
}

// draw draws what belongs to the turn's number alone, so that the pace doesn't depend on
// which rules drew, and a turn that is skipped doesn't end a spell. The gap before the
// turn was drawn with the number before, and is looked up there.
func (d *decider) draw() {
	d.source = rand.NewPCG(0, 0)
	d.random = rand.New(d.source)
	d.lull, _ = d.gapAt(d.in.TurnNumber - 1)
	gap, turned := d.gapAt(d.in.TurnNumber)
	d.gapDraw, d.turned = -math.Log1p(-gap), turned
	d.source.Seed(d.in.Seed, uint64(d.in.TurnNumber)) //nolint:gosec // reproducible on purpose
}

// A chat is in lively and in quiet spells by turns, some twelve and five gaps long:
// people's gaps come in bursts. Of each cycle of turns some are quiet, somewhere in its
// middle.
const (
	cycle       = 17
	quietTurns  = 5
	firstQuiet  = 3
	lastQuiet   = 9
	livelyShare = 1 - quietTurns/float64(cycle) // of all gaps
)

// Streams of randomness that are drawn for several turns at a time.
const (
	gapStream      = 0x676170
	lengthStream   = 0x6c656e
	reactionStream = 0x7265616374
)

// gapAt is a draw from [0, 1) for the gap after a turn, and whether the turn ends the
// spell. The gaps of a spell are spread over all that are drawn, in any order: so an hour
// is much like another, however few its spells are.
func (d *decider) gapAt(turn int64) (gap float64, turned bool) {
	d.source.Seed(d.in.Seed^gapStream, uint64(turn)/cycle) //nolint:gosec // reproducible on purpose
	begins := firstQuiet + d.random.IntN(lastQuiet-firstQuiet+1)
	at, n := int(uint64(turn)%cycle), cycle-quietTurns //nolint:gosec // as above
	turned = at == begins+int(when(!d.in.Lively, quietTurns))
	switch {
	case at >= begins+quietTurns:
		at -= quietTurns
	case at >= begins:
		at, n = at-begins, quietTurns
	}
	part := d.part(at, n)
	d.source.Seed(d.in.Seed^gapStream, ^uint64(turn)) //nolint:gosec // as above
	return (float64(part) + d.random.Float64()) / float64(n), turned
}

// Of so many orders that one is taken in which large parts follow on large ones as much as
// people's do, about; the more orders, the more alike are hours.
const (
	orders  = 8
	follows = 0.1 // as a correlation
)

// part is the one at a place of n parts, 16 at most, in any order. Where each comes once,
// they tend to go up and down: so it is an order in which they do less.
func (d *decider) part(at, n int) uint8 {
	want := int(follows * float64(n*(n*n-1)) / 3) //nolint:mnd // n times the mean square of what order multiplies
	var part uint8
	off := math.MaxInt
	for range orders {
		order, follow := d.order(n)
		if o := max(follow-want, want-follow); o < off {
			part, off = order[at], o
		}
	}
	return part
}

// order is one of n parts, and how much large ones follow on large ones in it.
func (d *decider) order(n int) (order [16]uint8, follow int) {
	for i := range n {
		j := d.random.IntN(i + 1)
		order[i], order[j] = order[j], uint8(i)
	}
	for i := 1; i < n; i++ {
		follow += (2*int(order[i]) - n + 1) * (2*int(order[i-1]) - n + 1)
	}
	return order, follow
}

// spread is a draw from [0, 1) of which each 16 turns have one in each sixteenth of it.
func (d *decider) spread(stream uint64) float64 {
	const n = 16
	d.source.Seed(d.in.Seed^stream, uint64(d.in.TurnNumber)/n) //nolint:gosec // reproducible on purpose
	part := d.part(int(uint64(d.in.TurnNumber)%n), n)          //nolint:gosec // as above
	d.source.Seed(d.in.Seed^stream, ^uint64(d.in.TurnNumber))  //nolint:gosec // as above
	return (float64(part) + d.random.Float64()) / n
}

// spell tells whether the chat is lively from now on. People make it so.
func (d *decider) spell(turn *Turn) {
	if turn != nil && d.turned {
		d.lively = !d.lively
	}
	if d.in.Prompted != 0 || d.heardPerson() {
		d.lively = true
	}
}

// heardPerson tells whether one of the last lines is a person's.
func (d *decider) heardPerson() bool {
	const few = 3
	return slices.ContainsFunc(d.in.Recent[d.window(few):], func(m Message) bool { return m.BotID == 0 })
}

// gap draws the time until the next turn: exponential with the mean of the spell, and
// within bounds. The mean over all spells is the chat's mean gap.
func (d *decider) gap() time.Duration {
	if d.set.Pace > 0 {
		return d.evenGap()
	}
	lively := within(d.set.LivelyGap, 0.05, 1)
	quiet := (1 - livelyShare*lively) / (1 - livelyShare)
	mean := d.meanGap() * (when(d.lively, lively) + when(!d.lively, quiet))
	longest := max(d.meanGap()*within(d.set.MaxGapFactor, 1, 100), float64(d.set.MinGap))
	gap := time.Duration(within(d.gapDraw*mean, float64(d.set.MinGap), min(longest, float64(maxMean))))
	return max(gap, minMean)
}

// evenGap draws the time until the next turn at a given pace: between half of the
// mean and one and a half, for people who read along. Reactions are no messages, so
// turns come more often than those.
func (d *decider) evenGap() time.Duration {
	share := -math.Expm1(-d.gapDraw) // uniform, from an exponential draw
	mean := float64(d.set.evenMean()) * (1 - within(d.set.ReactionProbability, 0, 0.9))
	return time.Duration(within((0.5+share)*mean, float64(max(d.set.MinGap, minMean)), float64(maxMean)))
}

// EvenGap is the mean time between two messages at a given pace, about: min_gap may make it
// longer, between two turns.
func (s *Settings) EvenGap() time.Duration {
	return max(s.evenMean(), time.Duration(float64(s.MinGap)/(1-within(s.ReactionProbability, 0, 0.9))))
}

// evenMean is the given pace after the chat's factor.
func (s *Settings) evenMean() time.Duration {
	return time.Duration(float64(s.Pace) / within(s.ScaleFactor, 0.01, 100))
}

// meanGap is the chat's mean gap in nanoseconds after all factors. The turns of
// each bot come at its tempo: the gap is divided by the mean tempo of those
// awake, and who acts is drawn in proportion to tempo.
func (d *decider) meanGap() float64 {
	mean := d.in.Chat.MeanGap
	if mean <= 0 {
		mean = defaultMean
	}
	factor := d.meanTempo() * within(d.set.ScaleFactor, 0.01, 100)
	if d.prime() {
		factor /= within(d.set.PrimeFactor, 0.1, 1)
	}
	return within(float64(mean)/factor, float64(minMean), float64(maxMean))
}

// prime tells whether it is a time at which the chat is livelier.
func (d *decider) prime() bool {
	return d.set.PrimeBoost && len(d.set.PrimeHours) > 0 && hours.Open(d.set.PrimeHours, d.local)
}

// meanTempo is that of the bots that are awake; of all if nobody is.
func (d *decider) meanTempo() float64 {
	sum, n := 0.0, 0
	all, m := 0.0, 0
	for i := range d.in.Cast {
		bot := &d.in.Cast[i]
		if !inCast(bot) {
			continue
		}
		all, m = all+tempo(bot), m+1
		if hours.Open(bot.ActiveHours, d.local) {
			sum, n = sum+tempo(bot), n+1
		}
	}
	switch {
	case n > 0:
		return sum / float64(n)
	case m > 0:
		return all / float64(m)
	}
	return 1
}
