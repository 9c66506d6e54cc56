package talk

import (
	"math/rand/v2"
	"strings"
	"time"
)

// distances returns the distances, in lines, from answers to their targets.
func (t *transcript) distances() []int {
	var all []int
	for i, to := range t.target {
		if to >= 0 {
			all = append(all, i-to)
		}
	}
	return all
}

func answerDistance(t *transcript) figure {
	return median(t.distances(), func(n int) float64 { return float64(n) })
}

func answerWithin(lines int) func(*transcript) figure {
	return func(t *transcript) figure {
		return share(t.distances(), func(n int) bool { return n <= lines })
	}
}

func answered(low, high int) func(*transcript) figure {
	return func(t *transcript) figure {
		return share(t.answers, func(n int) bool { return n >= low && n <= high })
	}
}

// openings is the share of lines that answer nothing and don't continue the same speaker's lines.
func openings(t *transcript) figure {
	n := 0
	for _, s := range t.sessions {
		for i, l := range s {
			if l.Answers == 0 && (i == 0 || s[i-1].Who != l.Who) {
				n++
			}
		}
	}
	return ratio(float64(n), float64(len(t.lines)))
}

// answerOverlap compares how often an answer shares a content word with its target and with another
// line of the transcript, as a multiple.
func answerOverlap(t *transcript) figure {
	const draws, minPairs = 20, 10
	random := rand.New(rand.NewPCG(1, 1)) // repeatable
	words := make([]map[string]bool, len(t.lines))
	for i, l := range t.lines {
		words[i] = content(l.Text)
	}
	pairs, shared, others := 0, 0, 0
	for i, to := range t.target {
		if to < 0 || len(words[i]) == 0 || len(words[to]) == 0 {
			continue
		}
		pairs++
		if meet(words[i], words[to]) {
			shared++
		}
		for range draws {
			other := random.IntN(len(t.lines))
			if other != i && other != to && meet(words[i], words[other]) {
				others++
			}
		}
	}
	if pairs < minPairs {
		return figure{}
	}
	return figure{float64(shared*draws) / float64(max(others, 1)), true}
}

func meet(a, b map[string]bool) bool {
	for w := range a {
		if b[w] {
			return true
		}
	}
	return false
}

// wait is the time from a person's question to another speaker's answer.
type wait struct {
	answered bool
	time     time.Duration
}

func (t *transcript) waits() []wait {
	first := map[int]time.Duration{}
	for i, to := range t.target {
		if to >= 0 && t.lines[i].Who != t.lines[to].Who {
			if _, earlier := first[to]; !earlier {
				first[to] = t.lines[i].At.Sub(t.lines[to].At)
			}
		}
	}
	var all []wait
	for i, l := range t.lines {
		if !l.Bot && asks(l.Text) {
			after, answered := first[i]
			all = append(all, wait{answered, after})
		}
	}
	return all
}

func asks(text string) bool { return strings.ContainsAny(text, "?？؟") }

func unanswered(t *transcript) figure {
	return share(t.waits(), func(w wait) bool { return !w.answered })
}

func answerTime(t *transcript) figure {
	var times []time.Duration
	for _, w := range t.waits() {
		if w.answered {
			times = append(times, w.time)
		}
	}
	return median(times, time.Duration.Seconds)
}
