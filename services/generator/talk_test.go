package generator

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/talk"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// BenchmarkTalk plays an hour of each example with the offline writer, and prints the
// figures of the cast that is farthest off the band.
func BenchmarkTalk(b *testing.B) {
	var all [][]talk.Row
	for _, example := range []string{"book-club", "role-playing-table", "market-talk"} {
		rows := talk.Review(openCast(b, example, time.Hour, 1).play(time.Hour))
		figures := example
		for _, r := range rows {
			figures += fmt.Sprintf(", %s %s %s", r.Name, r.Shown(), r.Verdict)
		}
		fmt.Println(figures) // the log of a benchmark that passes is cut
		all = append(all, rows)
	}
	for _, name := range []string{
		"burstiness", "log_gap_correlation", "same_speaker", "answer_within_3", "two_answers", "length_cv", "short_lines", "voice_separation",
	} {
		worst := talk.Row{Figure: math.NaN()}
		for _, rows := range all {
			for _, r := range rows {
				if r.Name == name && r.Known && (!worst.Known || r.Want.Excess(r.Figure) > r.Want.Excess(worst.Figure)) {
					worst = r
				}
			}
		}
		if !worst.Known {
			b.Errorf("%s: no cast says enough", name)
			continue
		}
		fmt.Printf("figure talk.%s %.3f ratio\n", name, worst.Figure)
	}
}

// play writes all that is said.
func (c *troupe) play(d time.Duration) []talk.Line {
	c.t.Helper()
	said := map[int64]bool{}
	var lines []talk.Line
	for _, turn := range c.turns(d) {
		if turn.Turn.Kind == decide.KindReaction || turn.Turn.Target != 0 && !said[turn.Turn.Target] {
			continue
		}
		answers := turn.Turn.Target
		parts, _ := c.say(turn)
		for _, p := range parts {
			said[turn.Number] = true
			lines = append(lines, talk.Line{ID: p.number, Who: turn.Bot, Bot: true, Text: p.text, At: p.at, Answers: answers})
			answers = 0
		}
	}
	return lines
}
