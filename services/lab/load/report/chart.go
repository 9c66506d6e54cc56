package report

import (
	"fmt"
	"math"
	"strings"
)

// The size of a chart and of the space around its plot, in the units of its
// picture.
const (
	chartWidth, chartHeight                  = 640.0, 220.0
	plotLeft, plotRight, plotTop, plotBottom = 52.0, 8.0, 10.0, 24.0
	plotWidth, plotHeight                    = chartWidth - plotLeft - plotRight, chartHeight - plotTop - plotBottom
	yTicks, xTicks                           = 4, 6
	labelWidth, letterWidth                  = 16.0, 6.5
)

type (
	// chart is a picture of lines over the time of a run.
	chart struct {
		Title         string
		Width, Height float64
		Lines         []drawn
		Bands         []band
		X, Y          []label
		Hovers        []hover
		Left, Right   float64
		Top, Bottom   float64
	}
	drawn struct {
		Name, Path string
		Color      int
	}
	// band is a phase.
	band struct {
		X, W   float64
		Name   string
		Faulty bool
		Even   bool
	}
	label struct {
		At     float64
		Text   string
		Anchor string
	}
	// hover is what the pointer tells of a bin.
	hover struct {
		X, W float64
		Text string
	}
)

// PlotHeight is the height of the part with the lines.
func (c chart) PlotHeight() float64 { return c.Bottom - c.Top }

// YLabel is where the labels of the values end, XLabel where those of the times
// stand.
func (c chart) YLabel() float64 { return c.Left - 7 }

// XLabel is below the plot.
func (c chart) XLabel() float64 { return c.Height - 6 }

// charts draws the series, one chart for each name of a chart.
func (r *Report) charts() []chart {
	var list []chart
	for _, l := range r.Series.Lines {
		if len(list) == 0 || list[len(list)-1].Title != l.Chart {
			list = append(list, chart{
				Title: l.Chart, Width: chartWidth, Height: chartHeight,
				Left: plotLeft, Right: chartWidth - plotRight, Top: plotTop, Bottom: chartHeight - plotBottom,
			})
		}
	}
	for i := range list {
		r.draw(&list[i])
	}
	return list
}

func (r *Report) draw(c *chart) {
	var lines []Line
	var colored []int
	top, n := 0.0, 0
	for _, l := range r.Series.Lines {
		if l.Chart != c.Title {
			continue
		}
		n++ // a line has the same colour whether others are there or not
		if !something(l.Values) {
			continue
		}
		lines, colored = append(lines, l), append(colored, (n-1)%colors+1)
		top = max(top, r.most(l.Values))
	}
	top, step := scale(top)
	length := max(r.Seconds(), 1)
	x := func(seconds float64) float64 { return round(plotLeft+plotWidth*min(seconds/length, 1), 1) }
	y := func(v float64) float64 { return round(plotTop+plotHeight*(1-min(v/top, 1)), 1) }
	for v := 0.0; v <= top*1.0001; v += step {
		c.Y = append(c.Y, label{y(v), short(v), "end"})
	}
	stride := timeStep(length)
	for s := 0.0; s <= length; s += stride {
		anchor := "middle"
		if s > 0 && x(s) > chartWidth-plotRight-labelWidth {
			anchor = "end" // or it would be cut off
		}
		c.X = append(c.X, label{x(s), clock(s), anchor})
	}
	for i, p := range r.Phases {
		b := band{X: x(p.From), W: round(x(p.To)-x(p.From), 1), Faulty: p.Disturbed, Even: i%2 == 0}
		if b.W > letterWidth*float64(len(p.Name)) {
			b.Name = p.Name
		}
		c.Bands = append(c.Bands, b)
	}
	for i, l := range lines {
		c.Lines = append(c.Lines, drawn{Name: l.Name, Path: path(l.Values, r.Series.BinSeconds, x, y), Color: colored[i]})
	}
	c.Hovers = r.hovers(lines, x)
}

// path is a line with gaps where there is nothing.
func path(values []*float64, bin float64, x, y func(float64) float64) string {
	var b strings.Builder
	pen := "M"
	for i, v := range values {
		if v == nil {
			pen = "M"
			continue
		}
		at := x((float64(i) + 0.5) * bin)
		fmt.Fprintf(&b, "%s%g %g", pen, at, y(*v))
		if alone := pen == "M" && (i+1 == len(values) || values[i+1] == nil); alone {
			fmt.Fprintf(&b, "h.1") // a point
		}
		pen = "L"
	}
	return b.String()
}

func (r *Report) hovers(lines []Line, x func(float64) float64) []hover {
	var list []hover
	bins := 0
	for _, l := range lines {
		bins = max(bins, len(l.Values))
	}
	for i := range bins {
		from, to := float64(i)*r.Series.BinSeconds, float64(i+1)*r.Series.BinSeconds
		words := []string{clock(from)}
		for _, l := range lines {
			if i < len(l.Values) && l.Values[i] != nil {
				words = append(words, l.Name+" "+number(*l.Values[i]))
			}
		}
		list = append(list, hover{x(from), round(x(to)-x(from), 1), strings.Join(words, "\n")})
	}
	return list
}

// most is the largest value of the measured time, or of all if there is none: the
// start, when every chat is due at once, would flatten all that follows.
func (r *Report) most(values []*float64) float64 {
	from := 0
	if len(r.Phases) > 0 {
		from = int(r.Phases[0].From / r.Series.BinSeconds)
	}
	whole, measured := 0.0, 0.0
	for i, v := range values {
		if v == nil {
			continue
		}
		whole = max(whole, *v)
		if i >= from {
			measured = max(measured, *v)
		}
	}
	if measured > 0 {
		return measured
	}
	return whole
}

func something(values []*float64) bool {
	for _, v := range values {
		if v != nil && *v != 0 {
			return true
		}
	}
	return false
}

// scale is the top of an axis that has values up to most, and the step between
// its labels: 1, 2 or 5 of a power of ten.
func scale(most float64) (top, step float64) {
	if most <= 0 {
		return 1, 1
	}
	raw := most / yTicks
	power := math.Pow10(int(math.Floor(math.Log10(raw))))
	for _, f := range []float64{1, 2, 5, 10} {
		if step = f * power; step >= raw {
			break
		}
	}
	const headroom = 1.03 // so that no line lies on the edge
	return step * math.Ceil(headroom*most/step), step
}

// timeStep is the time between two labels, in seconds.
func timeStep(length float64) float64 {
	for _, step := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600} {
		if length/step <= xTicks {
			return step
		}
	}
	return 7200
}

// short writes a value of an axis.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return number(v/1e6) + "M"
	case v >= 1e4:
		return number(v/1e3) + "k"
	default:
		return number(round(v, 6))
	}
}
