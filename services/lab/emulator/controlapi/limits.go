package controlapi

import (
	"net/http"
)

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
