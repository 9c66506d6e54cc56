// Package llmapi is a server of the chat completions API that OpenAI defined
// and most others speak. It needs no model: it answers with a canned text, or
// with one that the offline provider composes. Faults can be switched on, and
// every call is kept.
package llmapi

import (
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/llm/offline"
)

// DefaultModel is the model of a server that is told of none.
const DefaultModel = "chorus-offline"

// maxCalls limits how many calls are kept; the oldest go first.
const maxCalls = 10_000

// Options say how the server behaves. The zero Options are usable.
type Options struct {
	// Key is the bearer key that callers must send; empty lets everyone in.
	Key secret.String
	// Models are the models' names; nil is DefaultModel alone.
	Models []string
	// Text is the answer to every request; "" composes one from the request.
	Text string
	// Faults are switched on from the start.
	Faults []Fault
	// Seed decides which calls a fault with a rate hits.
	Seed uint64
	// Now is time.Now if nil.
	Now func() time.Time
}

// API is the server. It is an http.Handler for /v1/chat/completions and
// /v1/models, and safe for concurrent use.
type API struct {
	opts     Options
	routes   http.Handler
	composer *offline.Provider // nil if there is a canned text

	mu     sync.Mutex
	faults []armed
	calls  []Call
	seq    uint64
}

var _ http.Handler = (*API)(nil)

// New returns a server. An error is a wrong fault.
func New(opts Options) (*API, error) {
	if len(opts.Models) == 0 {
		opts.Models = []string{DefaultModel}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	a := &API{opts: opts}
	if opts.Text == "" {
		var err error
		if a.composer, err = offline.New(); err != nil {
			return nil, err
		}
	}
	if err := a.SetFaults(opts.Faults...); err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Use(a.authenticate)
	r.Get("/v1/models", a.models)
	r.Post("/v1/chat/completions", a.complete)
	r.NotFound(func(w http.ResponseWriter, req *http.Request) {
		fail(w, http.StatusNotFound, problem{Message: "Invalid URL (" + req.Method + " " + req.URL.Path + ")", Type: invalidRequest})
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, req *http.Request) {
		fail(w, http.StatusMethodNotAllowed, problem{Message: "Not allowed to " + req.Method + " " + req.URL.Path, Type: invalidRequest})
	})
	a.routes = r
	return a, nil
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.routes.ServeHTTP(w, r) }

// authenticate lets in who sends the key, where one is set.
func (a *API) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.opts.Key.Empty() && !secret.New("Bearer "+a.opts.Key.Reveal()).Equal(secret.New(r.Header.Get("Authorization"))) {
			fail(w, http.StatusUnauthorized, errWrongKey)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *API) models(w http.ResponseWriter, _ *http.Request) {
	list := modelList{Object: "list"}
	for _, m := range a.opts.Models {
		list.Data = append(list.Data, modelEntry{ID: m, Object: "model", OwnedBy: "chorus"})
	}
	answer(w, http.StatusOK, list)
}
