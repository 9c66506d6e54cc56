// Package talk measures a transcript: its rhythm, the shares of speakers, answers, wording, and how
// different the voices are. The bands are those of people who talk in groups. It is pure: the same
// lines give the same figures.
package talk

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Line is a message of a transcript, or a reaction to one.
type Line struct {
	// ID identifies the line in its transcript; 0 means none.
	ID  int64  `json:"id,omitzero"`
	Who string `json:"who"`
	Bot bool   `json:"bot,omitzero"`
	// Text may be empty if only the rhythm is known. Measures of words skip such lines.
	Text string    `json:"text,omitzero"`
	At   time.Time `json:"at"`
	// Answers is the ID of the line that it answers, which may be missing; 0 means none.
	Answers int64 `json:"answers,omitzero"`
	// Reaction marks a reaction. No measure counts reactions.
	Reaction bool `json:"reaction,omitzero"`
}

// Band is the wanted range of a figure, both ends included. A zero means an open end.
type Band struct {
	Low  float64 `json:"low,omitzero"`
	High float64 `json:"high,omitzero"`
}

// String returns a text such as "0.2 to 0.4", "at most 3", or "" for an open band.
func (b Band) String() string {
	switch {
	case b == Band{}:
		return ""
	case b.Low == 0:
		return fmt.Sprintf("at most %g", b.High)
	case b.High == 0:
		return fmt.Sprintf("at least %g", b.Low)
	}
	return fmt.Sprintf("%g to %g", b.Low, b.High)
}

// Verdict is the position of a figure relative to its band.
type Verdict string

// The verdicts. None means that the figure is unknown or has no band.
const (
	None   Verdict = ""
	Inside Verdict = "inside"
	Below  Verdict = "below"
	Above  Verdict = "above"
)

// Judge returns the position of a figure relative to the band.
func (b Band) Judge(figure float64) Verdict {
	switch {
	case b == Band{}:
		return None
	case b.Low != 0 && figure < b.Low:
		return Below
	case b.High != 0 && figure > b.High:
		return Above
	}
	return Inside
}

// Excess returns the distance of a figure from the band, negative inside.
func (b Band) Excess(figure float64) float64 {
	excess := math.Inf(-1)
	if b.Low != 0 {
		excess = b.Low - figure
	}
	if b.High != 0 {
		excess = max(excess, figure-b.High)
	}
	return excess
}

// Row is a measure with its figure.
type Row struct {
	Name    string  `json:"name"`
	Meaning string  `json:"meaning"`
	Figure  float64 `json:"figure"`
	// Known is false if the transcript is too short for a figure, which is then 0.
	Known   bool    `json:"known"`
	Want    Band    `json:"want,omitzero"`
	Verdict Verdict `json:"verdict,omitempty"`
}

// Shown formats the figure for people, "-" if it is unknown.
func (r Row) Shown() string {
	if !r.Known {
		return "-"
	}
	return fmt.Sprintf("%.4g", math.Round(r.Figure*1000)/1000)
}

// sessionGap is the longest silence within a session.
const sessionGap = 30 * time.Minute

// minSession is the least number of lines of a session for measures of speakers.
const minSession = 10

// transcript holds the messages in order of time, and data that several measures use.
type transcript struct {
	lines    []Line
	sessions [][]Line
	// long holds the sessions of at least minSession lines.
	long [][]Line
	// target is, for each line, the index of the line that it answers, or -1.
	target []int
	// answers counts the answers to each line.
	answers []int
	// texts holds the lines of bots, or of all speakers if there are no bots.
	texts []Line
}

// withoutRefrain removes the words that most lines of bots end with: a disclaimer is not talk. Of a
// turn with several lines only the last one has it.
func withoutRefrain(lines []Line) {
	const least, short = 10, 2 // least lines that prove it, and least words of it
	with := map[string][]int{} // indexes of lines by their last words
	var most []int
	n := 0
	for i, l := range lines {
		said := strings.Fields(l.Text)
		if !l.Bot || len(said) == 0 {
			continue
		}
		n++
		end := strings.Join(said[max(len(said)-short, 0):], " ")
		if with[end] = append(with[end], i); len(with[end]) > len(most) {
			most = with[end]
		}
	}
	if n < least || 2*len(most) <= n {
		return
	}
	refrain := strings.Fields(lines[most[0]].Text)
	for _, i := range most {
		said, same := strings.Fields(lines[i].Text), 0
		for same < min(len(said), len(refrain)) && said[len(said)-1-same] == refrain[len(refrain)-1-same] {
			same++
		}
		refrain = refrain[len(refrain)-same:]
	}
	if len(refrain) < short {
		return
	}
	for _, i := range most {
		said := strings.Fields(lines[i].Text)
		lines[i].Text = strings.Join(said[:len(said)-len(refrain)], " ")
	}
}

func newTranscript(lines []Line) *transcript {
	t := &transcript{}
	for _, l := range lines {
		if !l.Reaction {
			t.lines = append(t.lines, l)
		}
	}
	withoutRefrain(t.lines)
	slices.SortStableFunc(t.lines, func(a, b Line) int { return a.At.Compare(b.At) })
	t.split()
	t.link()
	bots := slices.ContainsFunc(t.lines, func(l Line) bool { return l.Bot })
	for _, l := range t.lines {
		if l.Text != "" && (l.Bot || !bots) {
			t.texts = append(t.texts, l)
		}
	}
	return t
}

// split finds the sessions.
func (t *transcript) split() {
	begin := 0
	for i := range t.lines {
		if end := i + 1; end == len(t.lines) || t.lines[end].At.Sub(t.lines[i].At) > sessionGap {
			t.sessions = append(t.sessions, t.lines[begin:end])
			begin = end
		}
	}
	for _, s := range t.sessions {
		if len(s) >= minSession {
			t.long = append(t.long, s)
		}
	}
}

// link finds the target of each answer, which must be an earlier line.
func (t *transcript) link() {
	at := map[int64]int{}
	t.target, t.answers = make([]int, len(t.lines)), make([]int, len(t.lines))
	for i, l := range t.lines {
		t.target[i] = -1
		if to, known := at[l.Answers]; known {
			t.target[i] = to
			t.answers[to]++
		}
		if l.ID != 0 {
			at[l.ID] = i
		}
	}
}

// figure is the result of a measure; known is false if there is too little data.
type figure struct {
	value float64
	known bool
}

// ratio returns a part of a whole.
func ratio(part, whole float64) figure {
	if whole == 0 {
		return figure{}
	}
	return figure{part / whole, true}
}

// share returns the share of the items that fit.
func share[T any](items []T, fits func(T) bool) figure {
	n := 0
	for _, item := range items {
		if fits(item) {
			n++
		}
	}
	return ratio(float64(n), float64(len(items)))
}

// quantile returns the value below which a part of the items lies, interpolated between two items.
func quantile[T cmp.Ordered](items []T, part float64, number func(T) float64) figure {
	if len(items) == 0 {
		return figure{}
	}
	sorted := slices.Sorted(slices.Values(items))
	at := part * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return figure{number(sorted[low]) + (at-float64(low))*(number(sorted[high])-number(sorted[low])), true}
}

func median[T cmp.Ordered](items []T, number func(T) float64) figure {
	return quantile(items, 0.5, number)
}
