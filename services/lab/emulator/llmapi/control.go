package llmapi

import (
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"
)

// Control is an HTTP API for the faults and calls: GET, PUT and DELETE faults
// (a JSON list; durations are texts like 1.5s), GET calls. It checks no key: mount
// it where only the tester reaches it.
func (a *API) Control() http.Handler {
	r := chi.NewRouter()
	r.Get("/faults", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, orNone(a.Faults())) })
	r.Delete("/faults", func(w http.ResponseWriter, _ *http.Request) {
		_ = a.SetFaults() // none can't be wrong
		w.WriteHeader(http.StatusNoContent)
	})
	r.Put("/faults", func(w http.ResponseWriter, req *http.Request) {
		var faults []Fault
		d := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxBody))
		d.DisallowUnknownFields()
		err := d.Decode(&faults)
		if err == nil {
			err = a.SetFaults(faults...)
		}
		if err != nil {
			fail(w, http.StatusBadRequest, problem{Message: err.Error(), Type: invalidRequest})
			return
		}
		answer(w, http.StatusOK, orNone(a.Faults()))
	})
	r.Get("/calls", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, orNone(a.Calls())) })
	return r
}

// orNone makes an empty list [] in JSON, not null.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
