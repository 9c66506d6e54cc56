package controlapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// endpoint answers a request with what is to be written as JSON; nil is
// nothing, and a created is something new.
type endpoint func(*http.Request) (any, error)

type created struct{ it any }

// wrong is a request that can't be carried out, and its HTTP status.
type wrong struct {
	status int
	reason string
}

func (w *wrong) Error() string { return w.reason }

func badValue(field, value, allowed string) error {
	return badRequest(fmt.Sprintf("%s: %s is not allowed, must be %s", field, value, allowed))
}

func badRequest(reason string) error { return &wrong{http.StatusBadRequest, reason} }

func notFound(field, value string) error {
	return &wrong{http.StatusNotFound, fmt.Sprintf("%s: there is no %q", field, value)}
}

func (s *server) answer(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		result, err := e(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		status := http.StatusOK
		if made, ok := result.(created); ok {
			status, result = http.StatusCreated, made.it
		}
		if result == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		write(w, status, result)
	}
}

func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var (
		input *world.InputError
		known *wrong
	)
	switch {
	case errors.As(err, &known):
		refuse(w, known.status, known.reason)
	case errors.As(err, &input):
		refuse(w, http.StatusBadRequest, input.Error())
	default:
		s.Log.Error("The control interface could not carry out a request.",
			zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Error(err))
		refuse(w, http.StatusInternalServerError, err.Error())
	}
}

// refuse answers with an error, in one line.
func refuse(w http.ResponseWriter, status int, reason string) {
	write(w, status, control.Error{Message: strings.ReplaceAll(reason, "\n", "; ")})
}

func write(w http.ResponseWriter, status int, result any) {
	w.Header().Set("Content-Type", control.ContentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(result) // the client has gone
}

const maxBody = 1 << 20 // bytes

// decode reads a request's JSON into a value, strictly: one value, and no
// fields that it doesn't have. What is left out stays as it is in the value.
func decode[T any](r *http.Request, into *T) error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return &wrong{http.StatusRequestEntityTooLarge, fmt.Sprintf("body: longer than the %d bytes allowed", maxBody)}
	case err != nil:
		return badRequest("body: " + err.Error())
	case len(bytes.TrimSpace(body)) == 0, bytes.Equal(bytes.TrimSpace(body), []byte("null")):
		return badRequest("body: empty, must be " + kindOf(reflect.TypeFor[T]()))
	case !json.Valid(body):
		return badRequest(syntax(body))
	}
	if strict(body, into) == nil {
		return nil
	}
	return badRequest(explain(body, reflect.TypeFor[T](), func(b []byte) error { return strict(b, new(T)) }))
}

// strict decodes JSON that has no fields other than those of into.
func strict(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into) //nolint:wrapcheck // explained by explain
}

// syntax says where a text stops to be JSON.
func syntax(body []byte) string {
	var (
		ignored any
		broken  *json.SyntaxError
	)
	if err := json.Unmarshal(body, &ignored); errors.As(err, &broken) {
		return fmt.Sprintf("body: not JSON at byte %d: %s", broken.Offset, broken.Error())
	}
	return "body: not JSON"
}
