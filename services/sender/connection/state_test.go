package connection_test

import (
	"testing"

	"github.com/chorus-cast/chorus/services/sender/connection"
)

// Each letter is an event: a and n a call with and without an answer, A and N a probe.
// A ? says that the call before it asks for a probe.
func TestState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		events        string
		suspect, lost bool
	}{
		{"", false, false},
		{"nnnn", false, false},
		{"nnnnn?", true, false},
		{"nnnnannnn", false, false},    // calls in a row
		{"nnnnn?nnnn", true, false},    // one probe at a time
		{"nnnnn?A", false, false},      // calls fail, but Telegram is reached
		{"nnnnn?Annnnn?", true, false}, // and is asked again
		{"nnnnn?N", true, true},
		{"nnnnn?aN", false, false},    // meanwhile a call was answered
		{"N", false, false},           // a probe makes no suspicion
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
