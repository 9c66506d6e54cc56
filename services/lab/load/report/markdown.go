package report

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"time"
)

//go:embed markdown.md.tmpl
var markdownSource string

// WriteMarkdown writes a page that summarises reports.
func WriteMarkdown(out io.Writer, list []*Report) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"number": number, "optional": optional,
		"seconds": func(ms float64) string { return number(ms / 1000) },
	}).Parse(markdownSource)
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	page := struct {
		Where, Parts                              string
		Reports                                   []*Report
		OneSender, ManySenders, Failing, ManyBots string
	}{
		where(list), parts(list), list,
		rateOf(list, "reactions-400", true), rateOf(list, "scale-1-8-3", false), rateOf(list, "reactions-400", false), rateOf(list, "soak", false),
	}
	if err := t.Execute(out, page); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}

// where tells on what, when and of which builds the reports were made, in a line.
func where(list []*Report) string {
	var places []string
	builds := map[string][]string{}
	for _, r := range list {
		place := fmt.Sprintf("%s, %s", r.Machine, r.Began.Format(time.DateOnly))
		if !slices.Contains(places, place) {
			places = append(places, place)
		}
		if !slices.Contains(builds[place], r.Build) {
			builds[place] = append(builds[place], r.Build)
		}
	}
	for i, place := range places {
		places[i] = fmt.Sprintf("%s, build %s", place, strings.Join(builds[place], ", "))
	}
	return strings.Join(places, "; ")
}

// parts tells which scenarios were not played as they are; empty for none.
func parts(list []*Report) string {
	var names []string
	for _, r := range list {
		if r.Size != 1 || r.Pace != 1 {
			names = append(names, fmt.Sprintf("%s (%s of its size, %s of its times)", r.Scenario, number(r.Size), number(r.Pace)))
		}
	}
	return strings.Join(names, ", ")
}

// Stage is a part of a turn's way by its name.
func (r *Report) Stage(name string) Stage {
	for _, s := range r.Stages {
		if s.Name == name {
			return s
		}
	}
	return Stage{}
}

// Verdict is how many targets were met, for the summary.
func (r *Report) Verdict() string {
	if missed := r.Missed(); missed > 0 {
		return fmt.Sprintf("**%d of %d missed**", missed, len(r.Targets))
	}
	return fmt.Sprintf("%d met", len(r.Targets))
}

// rateOf is the rate of messages of a scenario, - where it isn't there.
func rateOf(list []*Report, name string, baseline bool) string {
	for _, r := range list {
		if r.Scenario == name && baseline && r.Baseline != nil {
			return number(r.Baseline.Measures["messages_per_minute"])
		}
		if r.Scenario == name && !baseline {
			return number(r.Measures["messages_per_minute"])
		}
	}
	return "-"
}
