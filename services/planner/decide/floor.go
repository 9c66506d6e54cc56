package decide

import (
	"math"
	"slices"
	"time"
)

// The rules of the floor make turns a conversation: somebody adds a line to their own,
// two go back and forth, and nobody does either for long. They count the lines that are
// on their way, too. None of them holds for the answer to a prompt.

// speaker returns the bot of the n-th last line, counted from 0; 0 for a person or a missing
// line.
func (d *decider) speaker(n int) int64 {
	if at := len(d.in.Coming) - 1 - n; at >= 0 {
		return d.in.Coming[at]
	}
	if at := len(d.in.Recent) + len(d.in.Coming) - 1 - n; at >= 0 {
		return d.in.Recent[at].BotID
	}
	return 0
}

// floor describes the last speakers.
type floor struct {
	run   int   // lines in a row of the last speaker
	rally int   // lines in a row of the last speaker and of one other
	other int64 // that other; 0 for none
}

func (d *decider) lookAtFloor() floor {
	var f floor
	first := d.speaker(0)
	for first != 0 {
		switch bot := d.speaker(f.rally); {
		case bot == first && f.other == 0:
			f.run++
		case bot == first, bot != 0 && bot == f.other:
		case bot != 0 && f.other == 0:
			f.other = bot
		default:
			return f
		}
		f.rally++
	}
	return f
}

// yield excludes the last two speakers if they had the floor for long, or, with a probability,
// to let a third bot give one more answer to a line.
func (d *decider) yield() {
	if d.floor.other == 0 {
		return
	}
	probability := d.due(d.set.SecondAnswerProbability, d.lately.joined, d.lately.lines)
	joins := d.chance(probability) && !d.heardPerson()
	if !joins && d.floor.rally < d.set.MaxRally {
		return
	}
	last := d.speaker(0)
	third := d.prefer(func(i int) bool { return d.in.Cast[i].ID != last && d.in.Cast[i].ID != d.floor.other })
	d.joins = joins && third
	switch {
	case d.joins:
		d.because("floor.joins", probability, "")
	case third:
		d.because("floor.rally", float64(d.set.MaxRally), "")
	}
}

// adder returns the last speaker if it adds a line. It does so sooner rather than later, and
// more often if it is energetic or below its tempo's share.
func (d *decider) adder() *Bot {
	last := d.speaker(0)
	i := slices.IndexFunc(d.in.Cast, func(b Bot) bool { return b.ID == last })
	if last == 0 || i < 0 || d.weights[i] == 0 || d.floor.run >= d.set.MaxRun || d.floor.other != 0 && d.floor.rally >= d.set.MaxRally || d.forgotten() {
		return nil
	}
	bot := &d.in.Cast[i]
	soon := 4 * (1 - d.lull) * (1 - d.lull) * (1 - d.lull) // 1 in the mean
	probability := d.due(d.set.AdditionProbability, d.lately.same, d.lately.pairs) * soon * 2 * within(bot.Energy, 0, 1) * min(d.pull(i), maxPull)
	if !d.chance(probability) {
		return nil
	}
	d.adds = true
	d.because("floor.adds", min(probability, 1), bot.Name)
	return bot
}

// forgotten reports whether the last line is too old for an addition.
func (d *decider) forgotten() bool {
	const gaps = 10
	n := len(d.in.Recent)
	return len(d.in.Coming) == 0 && n > 0 && d.in.Now.Sub(d.in.Recent[n-1].At) > time.Duration(gaps*d.meanGap())
}

// aboutToHear reports whether lines are on their way that will soon show what needs an answer.
// If no line came for a while, they may be held up, and waiting for them is pointless. With a
// given pace it is false, because the pace sets the time of the next line.
func (d *decider) aboutToHear() bool {
	const heldUp = 40 * time.Second
	n := len(d.in.Recent)
	return d.set.Pace == 0 && len(d.in.Coming) > 0 && n > 0 && d.in.Now.Sub(d.in.Recent[n-1].At) < heldUp
}

// monologue reports whether the bot has just said as many lines in a row as it may, because
// the others of the cast are asleep or at their limits. It is false for a cast of one.
func (d *decider) monologue(bot *Bot) bool {
	return d.in.Prompted == 0 && bot.ID == d.speaker(0) && d.floor.run >= d.set.MaxRun && !d.forgotten() &&
		slices.ContainsFunc(d.in.Cast, func(b Bot) bool { return b.ID != bot.ID && inCast(&b) })
}

// exchange returns the factor on the weight of the bot that spoke before the last speaker.
// Among bots of equal weight, that bot is chosen with the probability that is due.
func (d *decider) exchange(i int) float64 {
	if d.floor.other == 0 || d.in.Cast[i].ID != d.floor.other {
		return 1
	}
	others := -1.
	for _, w := range d.weights {
		others += when(w > 0, 1)
	}
	const seldom = 1e-3 // not 0: there may be no other bot
	p := within(d.due(d.set.ExchangeProbability, d.lately.back, d.lately.changes), seldom, 1-seldom)
	return max(others, 1) * p / (1 - p)
}

// The fair share is measured in the last lines. A bot above it holds back.
const (
	shareLines = 20
	shareBrake = 0.25
)

// share is the factor on the weight of a bot that had more than its share of the floor.
func (d *decider) share(i int) float64 {
	lines := min(shareLines, len(d.in.Recent)+len(d.in.Coming))
	if d.in.Prompted != 0 || lines < shareLines {
		return 1
	}
	own := 0
	for n := range lines {
		if d.speaker(n) == d.in.Cast[i].ID {
			own++
		}
	}
	if float64(own) <= within(d.set.FairShare, 0, 1)*float64(lines) {
		return 1
	}
	return shareBrake
}

// maxPull keeps a bot that has just woken up from talking alone. A pull of at least notable
// is among the reasons.
const maxPull, notable = 8., 1.5

// pull returns the factor on a bot's weight that keeps its share of the last lines near its
// tempo's share among the bots that may speak. The other rules even out tempos, at the cost of
// the bots that should speak often. With few lines the factor stays near 1.
func (d *decider) pull(i int) float64 {
	const few, often = 10, 4
	lines := len(d.in.Recent) + len(d.in.Coming)
	if lines == 0 || d.in.Prompted != 0 || d.tempos == 0 || d.set.TempoPull == 0 {
		return 1
	}
	if d.had == nil {
		d.count()
	}
	part := tempo(&d.in.Cast[i]) / d.tempos
	had := (float64(d.had[i]) + few*part) / (float64(lines) + few)
	return within(math.Pow(part/had, within(d.set.TempoPull, 0, 10)), 1/maxPull, maxPull) / math.Pow(max(1-part, 0.1), often)
}

// count counts the lines of each of the cast.
func (d *decider) count() {
	d.had = make([]int, len(d.in.Cast))
	for n := range len(d.in.Recent) + len(d.in.Coming) {
		last := d.speaker(n)
		for i := range d.in.Cast {
			if d.in.Cast[i].ID == last {
				d.had[i]++
				break
			}
		}
	}
}

// afterLull moves the probability of an answer so that turns after short gaps answer
// and those after a lull begin something new, and the mean stays.
func (d *decider) afterLull(answer float64) float64 {
	if answer < 0.5 {
		return 2 * answer * (1 - d.lull)
	}
	return 1 - 2*(1-answer)*d.lull
}
