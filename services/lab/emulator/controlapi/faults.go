package controlapi

import (
	"encoding/json"
	"net/http"

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
