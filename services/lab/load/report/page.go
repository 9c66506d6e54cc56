package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

//go:embed page.html.tmpl
var pageSource string

// SavePage writes the report as a page that needs nothing else.
func (r *Report) SavePage(path string) error {
	page, err := r.page()
	if err != nil {
		return err
	}
	return os.WriteFile(path, page, 0o644) //nolint:gosec // reports are for others to read
}

func (r *Report) page() ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"number": number, "optional": optional, "outcomes": outcomes, "millis": millis, "clock": clock,
		"signed": func(v *float64) string {
			if v == nil {
				return "-"
			}
			return fmt.Sprintf("%+.2f", *v)
		},
	}).Parse(pageSource)
	if err != nil {
		return nil, fmt.Errorf("write the report's page: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, newView(r)); err != nil {
		return nil, fmt.Errorf("write the report's page: %w", err)
	}
	return out.Bytes(), nil
}

// view is what the page shows, beside the report itself.
type view struct {
	*Report

	Length   time.Duration
	Charts   []chart
	Ways     []way
	Compared []compared
	Replica  string
	Reasons  []reason
	Tiles    []tile
	// Colors are the numbers of the lines' colours.
	Colors []int
}

type (
	// way is an outcome with its share.
	way struct {
		Name  string
		Class string
		Count int
		Share float64 // percent
	}
	reason struct {
		Text  string
		Count int
	}
	// tile is a figure that is seen first.
	tile struct{ Value, Unit, Name, Tone string }
	// compared is a phase with and without its faults.
	compared struct {
		Phase
		Baseline map[string]float64
	}
)

func newView(r *Report) view {
	v := view{Report: r, Length: time.Duration(r.Seconds()) * time.Second, Charts: r.charts()}
	for _, name := range []string{"delivered", "fell_back", "rejected", "expired", "unknown", "dead", "open"} {
		if n := r.Accounting.Outcomes[name]; n > 0 {
			v.Ways = append(v.Ways, way{strings.ReplaceAll(name, "_", " "), strings.TrimSuffix(name, "_back"), n, 100 * float64(n) / float64(r.Accounting.Planned)})
		}
	}
	seen := map[string]bool{}
	for _, p := range r.Phases {
		if seen[p.Name] {
			continue
		}
		seen[p.Name] = true
		c := compared{Phase: p}
		if r.Baseline != nil {
			for _, b := range r.Baseline.Phases {
				if b.Name == p.Name {
					c.Baseline = b.Measures
				}
			}
		}
		v.Compared = append(v.Compared, c)
	}
	for _, service := range slices.Sorted(maps.Keys(r.Replicas)) {
		v.Replica += fmt.Sprintf(", %s %d", service, r.Replicas[service])
	}
	v.Replica = strings.TrimPrefix(v.Replica, ", ")
	for text, n := range r.Accounting.Reasons {
		v.Reasons = append(v.Reasons, reason{text, n})
	}
	slices.SortFunc(v.Reasons, func(a, b reason) int { return b.Count - a.Count })
	v.Reasons = v.Reasons[:min(len(v.Reasons), shownProblems)]
	v.Tiles = r.tiles()
	for i := range colors {
		v.Colors = append(v.Colors, i+1)
	}
	return v
}

func (r *Report) tiles() []tile {
	a := r.Accounting
	wrong := a.Lost + a.Duplicates + a.OutOfOrder + a.Late
	tone := "good"
	if wrong > 0 {
		tone = "bad"
	}
	end, plan := r.Stage("end_to_end"), r.Stage("planning")
	return []tile{
		{number(r.Measures["messages_per_minute"]), "/min", "messages delivered", ""},
		{fmt.Sprint(a.Planned), "", "turns planned", ""},
		{fmt.Sprint(wrong), "", "lost, doubled, out of order or late", tone},
		{millis(plan.P99), "", "due to planned, p99", ""},
		{millis(end.P50), "", "due to delivered, p50", ""},
		{millis(end.P99), "", "due to delivered, p99", ""},
	}
}

// colors is how many lines of a chart have colours of their own.
const colors = 8

// millis writes milliseconds in a unit that fits.
func millis(v float64) string {
	switch {
	case v >= 60_000:
		return number(v/60_000) + " min"
	case v >= 1000:
		return number(round(v/1000, 2)) + " s"
	default:
		return number(round(v, 1)) + " ms"
	}
}

// clock writes seconds of a run as minutes and seconds.
func clock(seconds float64) string {
	s := int(seconds + 0.5)
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
