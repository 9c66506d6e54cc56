package controlapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
)

// newRule is a fault rule as an object, or as text in the short form of flags.
type newRule struct{ fault.Rule }

// UnmarshalJSON reads either form.
func (n *newRule) UnmarshalJSON(body []byte) error {
	var short string
	if json.Unmarshal(body, &short) != nil {
		return strict(body, &n.Rule)
	}
	rule, err := fault.Parse(short)
	n.Rule = rule
	return err
}

func (s *server) listFaults(*http.Request) (any, error) { return s.Faults.Rules(), nil }

func (s *server) setFaults(r *http.Request) (any, error) {
	rules, err := rulesOf(r)
	if err != nil {
		return nil, err
	}
	set, err := s.Faults.Replace(rules)
	if err != nil {
		return nil, badRequest(err.Error())
	}
	return set, nil
}

func (s *server) addFaults(r *http.Request) (any, error) {
	rules, err := rulesOf(r)
	if err != nil {
		return nil, err
	}
	if _, err := s.Faults.Add(rules...); err != nil {
		return nil, badRequest(err.Error())
	}
	return s.Faults.Rules(), nil
}

func (s *server) clearFaults(*http.Request) (any, error) {
	s.Faults.Remove("")
	return nil, nil //nolint:nilnil // no content
}

func (s *server) removeFault(r *http.Request) (any, error) {
	id := pathText(r, "id")
	if id == "" || !s.Faults.Remove(id) {
		return nil, notFound("id", id)
	}
	return nil, nil //nolint:nilnil // no content
}

func rulesOf(r *http.Request) ([]fault.Rule, error) {
	var given []newRule
	if err := decode(r, &given); err != nil {
		return nil, err
	}
	rules := make([]fault.Rule, 0, len(given))
	for _, n := range given {
		rules = append(rules, n.Rule)
	}
	return rules, nil
}

func (s *server) listLimits(*http.Request) (any, error) { return s.Flood.Limits(), nil }

// setLimits changes the limits that are given and fills all buckets.
func (s *server) setLimits(r *http.Request) (any, error) {
	limits := s.Flood.Limits()
	if err := decode(r, &limits); err != nil {
		return nil, err
	}
	if err := s.Flood.Set(limits); err != nil {
		return nil, badRequest(err.Error())
	}
	return limits, nil
}

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
		// At the next start, the world's records of calls would restore the removed log, so
		// these are removed first.
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
