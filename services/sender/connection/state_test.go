package connection_test

import (
	"testing"

	"github.com/chorus-cast/chorus/services/sender/connection"
)

// Each letter is an event: a and n are calls with and without an answer, A and N are
// probes. A ? says that the call before it requests a probe.
func TestState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		events        string
		suspect, lost bool
	}{
		{"", false, false},
		{"nnnn", false, false},
		{"nnnnn?", true, false},
		{"nnnnannnn", false, false},    // consecutive calls
		{"nnnnn?nnnn", true, false},    // one probe at a time
		{"nnnnn?A", false, false},      // calls fail, but Telegram is reachable
		{"nnnnn?Annnnn?", true, false}, // and a second probe
		{"nnnnn?N", true, true},
		{"nnnnn?aN", false, false},    // a call was answered during the probe
		{"N", false, false},           // a probe raises no suspicion
		{"nnnnn?Nannnnn", true, true}, // only a probe ends it
		{"nnnnn?NNNN", true, true},
		{"nnnnn?NNA", false, false},
		{"nnnnn?NNAnnnn", false, false},
	} {
		var s connection.State
		asked := ""
		for _, e := range c.events {
			switch e {
			case 'a', 'n':
				asked += string(e)
				if s.Called(e == 'a') {
					asked += "?"
				}
			case 'A', 'N':
				asked += string(e)
				s.Probed(e == 'A')
			}
		}
		if asked != c.events || s.Suspect() != c.suspect || s.Lost() != c.lost {
			t.Errorf("%q: asked %q, suspect %v, lost %v; want %v, %v", c.events, asked, s.Suspect(), s.Lost(), c.suspect, c.lost)
		}
	}
}
