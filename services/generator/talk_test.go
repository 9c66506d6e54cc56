package generator

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/talk"
	"github.com/chorus-cast/chorus/services/planner/simulate"
)

// examples are the casts that are measured, in hours of so many evenings: one hour has about a
// hundred lines, in which most figures vary by a third by chance alone.
var examples = []string{"book-club", "role-playing-table", "market-talk"}

const evenings = 5

// TestTheExamplesTalkLikePeople plays an hour of several evenings of each example with the offline
// writer. All figures lie within the bands of people who talk in groups.
func TestTheExamplesTalkLikePeople(t *testing.T) {
	t.Parallel()
	for _, example := range examples {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			all, each := reviewEvenings(t, example)
			for i, row := range all {
				// Rows without enough words in an hour aren't judged.
				if each[0][i].Known && (row.Verdict == talk.Below || row.Verdict == talk.Above) {
					t.Errorf("%s is %s, want %s", row.Name, row.Shown(), row.Want)
				}
			}
		})
	}
}

// reviewEvenings reviews all evenings together, and each alone.
func reviewEvenings(t testing.TB, example string) (all []talk.Row, each [][]talk.Row) {
	t.Helper()
	var lines []talk.Line
	for evening := range evenings {
		hour := openCast(t, example, time.Hour, uint64(evening+1)).talk(time.Hour)
		each = append(each, talk.Review(hour))
		for _, l := range hour {
			const apart = 100 * later
			l.At = l.At.AddDate(0, 0, evening)
			if l.ID += int64(evening) * apart; l.Answers != 0 {
				l.Answers += int64(evening) * apart
			}
			lines = append(lines, l)
		}
	}
	return talk.Review(lines), each
}

// BenchmarkTalk prints the figures of the cast that is farthest outside its band, and before it
// those of each evening.
func BenchmarkTalk(b *testing.B) {
	var all [][]talk.Row
	for _, example := range examples {
		rows, each := reviewEvenings(b, example)
		figures := example
		for i, r := range rows {
			figures += fmt.Sprintf(", %s %s %s (", r.Name, r.Shown(), r.Verdict)
			for _, hour := range each {
				figures += " " + hour[i].Shown()
			}
			figures += " )"
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

// talk returns everything that is said in a duration.
func (c *exampleCast) talk(d time.Duration) []talk.Line {
	c.t.Helper()
	var lines []talk.Line
	c.play(d, func(turn simulate.Turn) string {
		answers := turn.Turn.Target
		parts, _ := c.say(turn)
		for _, p := range parts {
			lines = append(lines, talk.Line{ID: p.number, Who: turn.Bot, Bot: true, Text: p.text, At: p.at, Answers: answers})
			answers = 0
		}
		return textOf(parts)
	})
	return lines
}
