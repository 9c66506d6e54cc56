package controlapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
)

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
