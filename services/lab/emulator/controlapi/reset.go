package controlapi

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// reset brings parts of the emulator back to their beginning.
func (s *server) reset(r *http.Request) (any, error) {
	var what control.Resetting
	if r.ContentLength != 0 {
		if err := decode(r, &what); err != nil {
			return nil, err
		}
	}
	all := []control.Part{control.PartWorld, control.PartCalls, control.PartFaults, control.PartLimits}
	for _, p := range what.Parts {
		if !slices.Contains(all, p) {
			return nil, badValue("parts", strconv.Quote(string(p)), fmt.Sprintf("among %v", all))
		}
	}
	if len(what.Parts) == 0 {
		what.Parts = all
	}
	for _, p := range all {
		if !slices.Contains(what.Parts, p) {
			continue
		}
		if err := s.resetPart(p); err != nil {
			return nil, fmt.Errorf("reset %s: %w", p, err)
		}
	}
	return nil, nil //nolint:nilnil // no content
}

func (s *server) resetPart(p control.Part) error {
	switch p {
	case control.PartWorld:
		return s.World.Reset()
	case control.PartCalls:
		// What the world remembers of calls would bring them back at the next
		// start, so it forgets first.
		if err := s.World.Compact(); err != nil {
			return err
		}
		return s.Calls.Reset()
	case control.PartFaults:
		_, err := s.Faults.Replace(s.faults)
		return err
	case control.PartLimits:
		return s.Flood.Set(s.limits)
	default:
		return fmt.Errorf("part %q is not known", p)
	}
}
