package guard

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// A pattern runs only on texts with one of its words or characters. Every text that it matches must
// have one.
func TestWhatAPatternMatchesIsNotPassedOver(t *testing.T) {
	t.Parallel()
	type seeker struct {
		pattern string
		caught  func(d *Draft) bool
	}
	seekers := map[string]seeker{
		"leaked":     {leaked.String(), func(d *Draft) bool { return promptLeak(d) != "" }},
		"role":       {role.String(), func(d *Draft) bool { return roleLabel(d) != "" }},
		"marks":      {marks.String(), func(d *Draft) bool { return markup(d) != "" }},
		"assistants": {assistants.pattern().String(), assistants.in},
		"humans":     {humans.pattern().String(), humans.in},
		"promises":   {promises.pattern().String(), promises.in},
		"advises":    {advises.pattern().String(), advises.in},
	}
	for i, l := range append(dotted, schemes, bracketed, spelled) {
		seekers[fmt.Sprint("links ", i)] = seeker{l.String(), func(d *Draft) bool { return link(d) != "" }}
	}
	for name, test := range seekers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			texts := rapid.StringMatching(test.pattern)
			rapid.Check(t, func(t *rapid.T) {
				text := texts.Draw(t, "text")
				d := Draft{Text: text}
				d.read()
				if !test.caught(&d) {
					t.Errorf("%q matches, and was passed over", text)
				}
			})
		})
	}
}
