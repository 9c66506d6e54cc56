// Package connection detects that this process can't reach Telegram. A sender that is cut
// off leaves its chats to the others.
package connection

// Suspicious is the number of consecutive unanswered calls that triggers a probe. A wrong
// suspicion costs one request.
const Suspicious = 5

// State holds the state of the connection, as far as calls and probes show it. It does no
// I/O and has no clock. The zero value is connected. It is not safe for concurrent use.
type State struct {
	unanswered int // consecutive calls
	suspect    bool
	lost       bool
}

// Called records whether a call was answered. It returns true if a probe is to be made,
// once until Probed is called.
func (s *State) Called(answered bool) (probe bool) {
	switch {
	case s.lost: // only a probe ends it: the answer may be to an old call
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

// Probed records whether a probe was answered. An unanswered probe confirms a suspicion,
// but doesn't raise one.
func (s *State) Probed(answered bool) {
	if answered {
		*s = State{}
		return
	}
	s.lost = s.lost || s.suspect
}

// Suspect reports whether unanswered calls may be this process' fault, not Telegram's.
func (s *State) Suspect() bool { return s.suspect }

// Lost reports whether the connection is lost.
func (s *State) Lost() bool { return s.lost }
