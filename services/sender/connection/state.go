// Package connection finds out whether this process reaches Telegram at all. A sender
// that doesn't, while others do, has to leave its chats to them.
package connection

// Suspicious is how many calls in a row get no answer before it is asked whether
// Telegram is reached at all. A wrong suspicion costs one request.
const Suspicious = 5

// State is what is known of the connection, by what came of calls and probes. It does
// no I/O and has no clock. The zero value is connected. It is not safe for concurrent
// use.
type State struct {
	unanswered int // calls in a row
	suspect    bool
	lost       bool
}

// Called takes in whether a call got an answer, whatever that said. It tells whether a
// probe is to be made, which it asks for once until the probe's end is taken in.
func (s *State) Called(answered bool) (probe bool) {
	switch {
	case s.lost: // only a probe ends it: an answer may be to a call of long ago
		return false
	case answered:
		s.unanswered, s.suspect = 0, false
		return false
	}
	s.unanswered++
	probe = !s.suspect && s.unanswered >= Suspicious
	s.suspect = s.suspect || probe
	return probe
}

// Probed takes in whether a probe got an answer. One without confirms a suspicion, but
// makes none.
func (s *State) Probed(answered bool) {
	if answered {
		*s = State{}
		return
	}
	s.lost = s.lost || s.suspect
}

// Suspect tells that calls without an answer may be this process's trouble, and not
// Telegram's.
func (s *State) Suspect() bool { return s.suspect }

// Lost tells that nothing is reached.
func (s *State) Lost() bool { return s.lost }
