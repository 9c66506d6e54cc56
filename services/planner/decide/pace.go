package decide

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/internal/hours"
)

// The range of the mean gap, after all factors.
const (
	minMean = time.Millisecond
	maxMean = 30 * 24 * time.Hour
	// defaultMean is the mean gap of a chat that sets none.
	defaultMean = 30 * time.Second
	// behindPause is the shortest time until the next look at a chat whose texts are behind:
	// looking takes time that its texts need.
	behindPause = 2 * time.Second
	// maxRest limits the delay of the next look because of unwritten texts.
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

// rest returns the pause for a chat whose texts are written more slowly than it talks: as long
// as they are late so far. So the later the texts of all chats are, the fewer looks find
// nothing to do.
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

// ends returns the time of the next look at a paused chat. A process that is notified of the
// pause's end should look at once.
func (d *decider) ends(p *Pause) time.Time {
	at := d.in.Now.Add(recheck)
	if p.Until.After(d.in.Now) && p.Until.Before(at) {
		return p.Until
	}
	return at
}

// unmuted returns the time of the next look at a chat in which all bots that could act are
// muted.
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
	now := uint64(d.in.TurnNumber) //nolint:gosec // any number will do
	t := d.turns((now - 1) / cycle)
	d.lull = t.gaps[(now-1)%cycle]
	if now/cycle != (now-1)/cycle {
		t = d.turns(now / cycle)
	}
	at := now % cycle
	d.gapDraw, d.reacts, d.turned = -math.Log1p(-t.gaps[at]), t.reacts[at], at == t.quiet+uint64(when(!d.in.Lively, quietTurns))
	d.source.Seed(d.in.Seed, now)
	d.lengthDraw = (float64(t.lengths[at]) + d.random.Float64()) / cycle
}

// A chat is in lively and in quiet spells by turns, some twelve and five gaps long:
// people's gaps come in bursts. Of each cycle of turns some are quiet, somewhere in its
// middle.
const (
	cycle       = 17
	quietTurns  = 5
	livelyTurns = cycle - quietTurns
	firstQuiet  = 3
	lastQuiet   = 9
	livelyShare = livelyTurns / float64(cycle) // of all gaps
)

// cycleStream is the randomness that is drawn for a cycle at a time.
const cycleStream = 0x676170

// order is a permutation of numbers from 0.
type order [cycle]uint8

// turns holds what is drawn for all turns of a cycle together. The gaps of a spell are spread
// over the distribution, and lengths and reactions over the turns, in random order. So one
// hour is much like another, although it has few spells.
type turns struct {
	gaps    [cycle]float64 // each from [0, 1)
	quiet   uint64         // the first that is quiet
	reacts  [cycle]bool
	lengths order
}

// Of so many orders of gaps that one is taken in which long ones follow on long ones as
// much as is wanted, as the correlation of logarithms; the more orders, the more alike are
// hours. It is more than people's, as turns that are skipped while texts are on their way
// take some of it. For the same reason shorter gaps than soon count as that.
const (
	orders  = 16
	follows = 0.38
	soon    = 4 * time.Second
)

func (d *decider) turns(number uint64) (t turns) {
	d.source.Seed(d.in.Seed^cycleStream, number)
	t.quiet, t.lengths = firstQuiet+d.random.Uint64N(lastQuiet-firstQuiet+1), d.order(cycle)
	reactions := d.set.ReactionProbability*cycle + d.random.Float64()
	for at, n := range d.order(cycle) {
		t.reacts[at] = d.set.ReactionMode != ReactionsOff && float64(n+1) <= reactions
	}
	// Those of a lively spell, and then those of a quiet one.
	var draws, gaps [cycle]float64
	mean := d.meanGap()
	for i := range draws {
		if draws[i] = d.random.Float64(); i < livelyTurns {
			draws[i] = (float64(i) + draws[i]) / livelyTurns
		} else {
			draws[i] = (float64(i-livelyTurns) + draws[i]) / quietTurns
		}
		gaps[i] = d.gapOf(-math.Log1p(-draws[i]), mean, i < livelyTurns)
	}
	var best order
	off := math.NaN() // of gaps that are all the same, any order will do
	for range orders {
		o := d.spells(int(t.quiet)) //nolint:gosec // small
		if by := math.Abs(t.follow(&o, &gaps) - follows); !(by >= off) {
			best, off = o, by
		}
	}
	for at, i := range best {
		t.gaps[at] = draws[i]
	}
	return t
}

// spells is an order of a cycle's gaps.
func (d *decider) spells(quiet int) (o order) {
	lively, calm := d.order(livelyTurns), d.order(quietTurns)
	copy(o[:quiet], lively[:])
	for i := range quietTurns {
		o[quiet+i] = livelyTurns + calm[i]
	}
	copy(o[quiet+quietTurns:], lively[quiet:livelyTurns])
	return o
}

// order is any of n things, 17 at most.
func (d *decider) order(n int) (o order) {
	for i := range n {
		j := d.random.IntN(i + 1)
		o[i], o[j] = o[j], uint8(i)
	}
	return o
}

// follow is the correlation of the logarithm of a gap with that of the next, in an order
// of the gaps. A reaction is no line: the gaps before and after it are one.
func (t *turns) follow(o *order, gaps *[cycle]float64) float64 {
	var n, sum, squares, products, first, last, gap float64
	for at, i := range o {
		gap += gaps[i]
		if at+1 < cycle && t.reacts[at+1] {
			continue
		}
		x := math.Log(max(gap, float64(soon)))
		if n == 0 {
			first = x
		}
		n, sum, squares, products = n+1, sum+x, squares+x*x, products+x*last
		gap, last = 0, x
	}
	mean := sum / n
	covariance := products/(n-1) - mean*(2*sum-first-last)/(n-1) + mean*mean
	return covariance / (squares/n - mean*mean)
}

// spell sets whether the chat is lively from now on. A person's message makes it lively.
func (d *decider) spell(turn *Turn) {
	if turn != nil && d.turned {
		d.lively = !d.lively
	}
	if d.in.Prompted != 0 || d.heardPerson() {
		d.lively = true
	}
}

// heardPerson reports whether one of the last lines is a person's.
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
	return max(time.Duration(d.gapOf(d.gapDraw, d.meanGap(), d.lively)), minMean)
}

// gapOf is the gap of a draw, where that of the chat is a mean gap.
func (d *decider) gapOf(draw, mean float64, isLively bool) float64 {
	lively := within(d.set.LivelyGap, 0.05, 1)
	quiet := (1 - livelyShare*lively) / (1 - livelyShare)
	longest := max(mean*within(d.set.MaxGapFactor, 1, 100), float64(d.set.MinGap))
	return within(draw*mean*(when(isLively, lively)+when(!isLively, quiet)), float64(d.set.MinGap), min(longest, float64(maxMean)))
}

// evenGap draws the time until the next turn at a given pace: between half of the
// mean and one and a half, for people who read along. Reactions are no messages, so
// turns come more often than those.
func (d *decider) evenGap() time.Duration {
	share := -math.Expm1(-d.gapDraw) // uniform, from an exponential draw
	mean := float64(d.set.evenMean()) * (1 - within(d.set.ReactionProbability, 0, 0.9))
	return time.Duration(within((0.5+share)*mean, float64(max(d.set.MinGap, minMean)), float64(maxMean)))
}

// EvenGap returns the approximate mean time between two messages at a given pace. min_gap may
// lengthen the gap between two turns.
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

// prime reports whether it is a prime hour of the chat.
func (d *decider) prime() bool {
	return d.set.PrimeBoost && len(d.set.PrimeHours) > 0 && hours.Open(d.set.PrimeHours, d.local)
}

// meanTempo returns the mean tempo of the bots that are awake, or of all if none is.
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
