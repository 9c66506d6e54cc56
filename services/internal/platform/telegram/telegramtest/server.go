// Package telegramtest replaces the Bot API in tests: a scripted server, network faults,
// and a conformance suite that every Bot API, real or emulated, must pass.
package telegramtest

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Call is a request whose body was read.
type Call struct {
	Token  string
	Method string     // from the address
	Form   url.Values // strings as they are, all else as JSON
}

// Server responds to calls by its script. A call without a scripted step succeeds. It is
// safe for concurrent use.
type Server struct {
	*httptest.Server
	stop chan struct{} // ends hanging responses

	mu       sync.Mutex
	steps    map[string][]Step // by method; "" for any
	calls    []Call
	accepted int
	lastID   int64
}

// New starts a server that stops with the test.
func New(tb testing.TB, steps ...Step) *Server {
	tb.Helper()
	s := unstarted(steps)
	s.Start()
	tb.Cleanup(s.close)
	return s
}

// NewTLS starts a server that speaks HTTP/1.1 or HTTP/2 over TLS with a
// certificate that only Server.Client trusts.
func NewTLS(tb testing.TB, steps ...Step) *Server {
	tb.Helper()
	s := unstarted(steps)
	s.EnableHTTP2 = true
	s.StartTLS()
	tb.Cleanup(s.close)
	return s
}

func unstarted(steps []Step) *Server {
	s := &Server{stop: make(chan struct{}), steps: map[string][]Step{"": steps}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.accepted++
			s.mu.Unlock()
		}
	}
	// The tests break connections on purpose.
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

func (s *Server) close() {
	close(s.stop)
	s.CloseClientConnections()
	s.Close()
}

// Play appends steps for calls of any method to the script.
func (s *Server) Play(steps ...Step) { s.On("", steps...) }

// On appends steps for calls of one method. They precede the steps for any method.
func (s *Server) On(method string, steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps[method] = append(s.steps[method], steps...)
}

// Calls returns the calls so far whose body was read, in order.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Connections returns the number of connections accepted so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	step := s.next(path.Base(r.URL.Path))
	if !step.unread {
		if err := s.note(r); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
	}
	step.answer(s, w, r)
}

func (s *Server) next(method string) Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range []string{method, ""} {
		if queue := s.steps[key]; len(queue) > 0 {
			s.steps[key] = queue[1:]
			return queue[0]
		}
	}
	switch method {
	case "sendMessage":
		s.lastID++
		return Sent(s.lastID)
	case "getMe":
		return Result(`{"id":1,"is_bot":true,"first_name":"Bot","username":"bot"}`)
	}
	return Result("true")
}

// note reads a request to its end and records it.
func (s *Server) note(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	params, err := values(body)
	if err != nil {
		return err
	}
	call := Call{
		Token:  strings.TrimPrefix(path.Base(path.Dir(r.URL.Path)), "bot"),
		Method: path.Base(r.URL.Path),
		Form:   params,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	return nil
}

// values returns the parameters of a call; nil for none.
func values(body []byte) (url.Values, error) {
	if len(body) == 0 {
		return nil, nil //nolint:nilnil // there are none
	}
	var params map[string]json.RawMessage
	if err := json.Unmarshal(body, &params); err != nil {
		return nil, fmt.Errorf("read the parameters: %w", err)
	}
	all := url.Values{}
	for name, value := range params {
		text := string(value)
		if strings.HasPrefix(text, `"`) {
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, fmt.Errorf("read the parameter %s: %w", name, err)
			}
		}
		all.Set(name, text)
	}
	return all, nil
}
