package operate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/usage"
)

// chart shows what each day's calls came to, stacked by name, once for each measure.
type chart struct {
	Names []string
	Plots []plot
	Rows  []chartRow
	First string
	Last  string
}

// chartRow is a day of the table beside the plots, which has what they show.
type chartRow struct {
	Day   string
	Cells []string
}

// plot is a column of bars for each day.
type plot struct {
	Title, Highest string
	Bars           []bar
}

// bar is one, in a plot of plotWidth by plotHeight.
type bar struct {
	X, Y, Width, Height string
	Class, Label        string
}

const (
	plotWidth  = 600.0
	plotHeight = 120.0
	// colours is the number of colours for names: the classes c0, c1, ….
	colours = 6
)

// measure is one figure of a day that a plot shows.
type measure struct {
	title, format string
	of            func(d usageDay) float64
}

func measures() []measure {
	return []measure{
		{"Cost", "%.4f", func(d usageDay) float64 { return d.Cost }},
		{"Tokens", "%.0f", func(d usageDay) float64 { return float64(d.Tokens) }},
		{"Calls", "%.0f", func(d usageDay) float64 { return float64(d.Calls) }},
	}
}

// others is the name under which small names are summed.
const others = "others"

// newChart returns the chart of the last n days.
func newChart(of []usageDay, n int, now time.Time) chart {
	first := usage.Day(now).AddDate(0, 0, 1-n)
	c := chart{First: first.Format(time.DateOnly), Last: usage.Day(now).Format(time.DateOnly)}
	costs := map[string]float64{}
	days := make([]map[string]usageDay, n)
	for _, d := range of {
		i := int(d.Day.Sub(first) / (24 * time.Hour))
		if i < 0 || i >= n {
			continue
		}
		if days[i] == nil {
			days[i] = map[string]usageDay{}
		}
		d.Name = cmp.Or(d.Name, others)
		days[i][d.Name] = d
		costs[d.Name] += d.Cost
	}
	c.Names = slices.SortedFunc(maps.Keys(costs), func(a, b string) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(costs[b], costs[a]), cmp.Compare(a, b))
	})
	for _, m := range measures() {
		if p, is := c.plot(m, days, first); is {
			c.Plots = append(c.Plots, p)
		}
	}
	for i, day := range days {
		if len(day) == 0 {
			continue
		}
		row := chartRow{Day: first.AddDate(0, 0, i).Format(time.DateOnly)}
		for _, name := range c.Names {
			d := day[name]
			row.Cells = append(row.Cells, fmt.Sprintf("%.4f, %d tokens, %d calls", d.Cost, d.Tokens, d.Calls))
		}
		c.Rows = append(c.Rows, row)
	}
	return c
}

// last puts the sum of the others behind the names.
func last(name string) int {
	if name == others {
		return 1
	}
	return 0
}

// plot returns the plot of a measure; false if there is no data.
func (c *chart) plot(m measure, days []map[string]usageDay, first time.Time) (plot, bool) {
	highest := 0.0
	for _, day := range days {
		sum := 0.0
		for _, d := range day {
			sum += m.of(d)
		}
		highest = max(highest, sum)
	}
	p := plot{Title: m.title, Highest: fmt.Sprintf(m.format, highest)}
	if highest == 0 {
		return p, false
	}
	step := plotWidth / float64(len(days))
	for i, day := range days {
		top := plotHeight
		for at, name := range c.Names {
			v := m.of(day[name])
			if v == 0 {
				continue
			}
			height := plotHeight * v / highest
			top -= height
			p.Bars = append(p.Bars, bar{
				X: short(step*float64(i) + step/10), Y: short(top), Width: short(step * 0.8), Height: short(height), Class: colour(at),
				Label: first.AddDate(0, 0, i).Format(time.DateOnly) + ", " + name + ": " + fmt.Sprintf(m.format, v),
			})
		}
	}
	return p, true
}

// colour is the class of the n-th name.
func colour(n int) string { return "c" + strconv.Itoa(n%colours) }

func short(v float64) string { return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") }
