// Package page renders a review of a transcript as one HTML file with plots, without scripts.
package page

import (
	_ "embed" // for the template
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/talk"
)

//go:embed page.html.tmpl
var page string

// Measures of the plots, in pixels.
const (
	width  = 640
	strip  = 160 // width of the mark beside a row
	height = 120
	step   = 16 // between speakers
)

type bar struct{ X, Y, Width, Height float64 }

type plot struct {
	Title  string
	Height int
	Bars   []bar
	Labels []label
}

type label struct {
	X, Y float64
	Text string
}

type row struct {
	talk.Row

	Shown string
	Wants string
	Plot  *mark
}

// mark shows a figure and its band.
type mark struct{ From, Width, At float64 }

// Write writes the page of a transcript and its review.
func Write(w io.Writer, title string, lines []talk.Line, review []talk.Row) error {
	t, err := template.New("page").Parse(page)
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	var rows []row
	for _, r := range review {
		rows = append(rows, row{r, r.Shown(), r.Want.String(), marked(r)})
	}
	err = t.Execute(w, struct {
		Title        string
		Width, Strip int
		Rows         []row
		Plots        []plot
	}{title, width, strip, rows, []plot{
		gapPlot(lines), histogram("Words in a line", lengths(lines), func(i int) string { return fmt.Sprint(i) }), speakers(lines),
	}})
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// marked draws the band as the middle third, or, if it is open, as everything left or right of its
// end.
func marked(r talk.Row) *mark {
	if !r.Known || r.Verdict == talk.None {
		return nil
	}
	low, high := r.Want.Low, r.Want.High
	span := high - low // a third of the strip
	if r.Want.High == 0 {
		high, span = math.Inf(1), low
	}
	at := func(v float64) float64 {
		return strip * min(max((v-low+span)/(3*span), 0), 1)
	}
	from := 0.0
	if low != 0 {
		from = at(low)
	}
	return &mark{From: from, Width: at(high) - from, At: min(at(r.Figure), strip-1)}
}

// gapPlot counts gaps by powers of two, in seconds.
func gapPlot(lines []talk.Line) plot {
	var counts []int
	for _, g := range talk.Gaps(lines) {
		count(&counts, int(math.Log2(max(g.Seconds(), 1))))
	}
	return histogram("Gaps between lines of a session", counts, func(i int) string {
		return (time.Second << i).String()
	})
}

// longest is the length from which lines are counted together.
const longest = 60

func lengths(lines []talk.Line) []int {
	var counts []int
	for _, n := range talk.Lengths(lines) {
		count(&counts, min(n, longest))
	}
	return counts
}

func count(counts *[]int, i int) {
	for len(*counts) <= i {
		*counts = append(*counts, 0)
	}
	(*counts)[i]++
}

func histogram(title string, counts []int, name func(int) string) plot {
	p := plot{Title: title, Height: height + step}
	if len(counts) == 0 {
		return p
	}
	highest := max(slices.Max(counts), 1)
	wide := float64(width) / float64(len(counts))
	every := (len(counts) + 11) / 12 // at most 12 labels fit
	for i, n := range counts {
		x, tall := float64(i)*wide, float64(height*n)/float64(highest)
		p.Bars = append(p.Bars, bar{x, height - tall, max(wide-1, 1), tall})
		if i%every == 0 {
			p.Labels = append(p.Labels, label{x, height + step - 4, name(i)})
		}
	}
	return p
}

// speakers draws a strip for each speaker, with a mark for each line.
func speakers(lines []talk.Line) plot {
	p := plot{Title: "Who says something when"}
	const names, maxSpeakers = 120, 30
	sorted := slices.SortedStableFunc(slices.Values(lines), func(a, b talk.Line) int { return a.At.Compare(b.At) })
	var order []string
	for _, l := range sorted {
		at := slices.Index(order, l.Who)
		if at < 0 && len(order) < maxSpeakers {
			at = len(order)
			order = append(order, l.Who)
			p.Labels = append(p.Labels, label{0, float64(at*step + step - 4), strings.TrimSpace(l.Who)})
		}
		if at < 0 || l.Reaction {
			continue
		}
		all := max(sorted[len(sorted)-1].At.Sub(sorted[0].At).Seconds(), 1)
		x := names + (width-names-1)*l.At.Sub(sorted[0].At).Seconds()/all
		p.Bars = append(p.Bars, bar{x, float64(at*step + 2), 1, step - 4})
	}
	p.Height = max(len(order), 1) * step
	return p
}
