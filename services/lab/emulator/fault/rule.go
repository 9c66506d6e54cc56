// Package fault decides which calls go wrong, and how. Rules can be given as
// JSON or in a short form for flags; the same seed makes the same choices.
package fault

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

// Kind is the effect of a fault on a call.
type Kind string

// The kinds of fault.
const (
	// Latency delays the call; it is carried out even if the client leaves.
	Latency Kind = "latency"
	// Status answers with an error instead of carrying the call out.
	Status Kind = "status"
	// ResetBefore closes the connection instead of carrying the call out.
	ResetBefore Kind = "reset_before"
	// ResetAfter carries the call out and closes the connection unanswered.
	ResetAfter Kind = "reset_after"
	// Hang does nothing until the client leaves or the duration is over; after
	// the duration the call is carried out, if the client is still there.
	Hang Kind = "hang"
	// HangAfter carries the call out and then keeps the answer back until the
	// client leaves or the duration is over.
	HangAfter Kind = "hang_after"
	// Kicked answers as if the bot had been kicked from the chat.
	Kicked Kind = "kicked"
)

func kinds() []Kind {
	return []Kind{Latency, Status, ResetBefore, ResetAfter, Hang, HangAfter, Kicked}
}

// The forms of the body of a Status fault.
const (
	JSON  = "json"
	HTML  = "html"
	Empty = "empty"
)

// Rule is a fault and the calls it meets. Rules are tried in order: all that
// delay add up, and the first other one that meets a call decides.
type Rule struct {
	ID string `json:"id"`
	// Method, Bot (username) and Chat narrow the rule; empty: all.
	Method string `json:"method,omitempty"`
	Bot    string `json:"bot,omitempty"`
	Chat   int64  `json:"chat,omitempty"`
	// Rate is the share of those calls that fail, in (0, 1]; 0 means 1.
	Rate float64 `json:"rate,omitempty"`
	// Seed decides which ones.
	Seed uint64 `json:"seed,omitempty"`
	Kind Kind   `json:"kind"`

	Status      int               `json:"status,omitempty"`      // of Status: 400 to 599
	Description string            `json:"description,omitempty"` // of Status, with or without its prefix
	RetryAfter  int               `json:"retry_after,omitempty"` // of Status 429, in seconds
	Body        string            `json:"body,omitempty"`        // of Status: json, html or empty
	Duration    jsontime.Duration `json:"duration,omitempty"`    // of Latency, Hang and HangAfter

	// Until ends the rule at a time, Count after so many faults.
	Until time.Time `json:"until,omitzero"`
	Count int       `json:"count,omitempty"`
}

const maxDescription = 512

// Validate reports everything that is wrong with the rule, each with the
// field's name, the value and what is allowed.
func (r Rule) Validate() error {
	var errs []error
	wrong := func(field string, value any, allowed string) {
		errs = append(errs, fmt.Errorf("%s: %v is not allowed, must be %s", field, value, allowed))
	}
	if !slices.Contains(kinds(), r.Kind) {
		wrong("kind", strconv.Quote(string(r.Kind)), fmt.Sprintf("one of %v", kinds()))
	}
	if !(r.Rate >= 0 && r.Rate <= 1) {
		wrong("rate", r.Rate, "above 0 and up to 1, or left out for 1")
	}
	if r.Count < 0 {
		wrong("count", r.Count, "0 (no end) or more")
	}
	r.validateAnswer(wrong)
	r.validateDuration(wrong)
	return errors.Join(errs...)
}

// validateAnswer looks at what only a fault of kind Status has.
func (r Rule) validateAnswer(wrong func(field string, value any, allowed string)) {
	if r.Kind == Status && (r.Status < 400 || r.Status > 599) {
		wrong("status", r.Status, "between 400 and 599")
	}
	if r.Kind != Status && r.Status != 0 {
		wrong("status", r.Status, "left out for kind "+string(r.Kind))
	}
	if r.Kind != Status && r.Description != "" {
		wrong("description", strconv.Quote(r.Description), "left out for kind "+string(r.Kind))
	}
	if r.Kind != Status && r.Body != "" {
		wrong("body", strconv.Quote(r.Body), "left out for kind "+string(r.Kind))
	}
	if len(r.Description) > maxDescription || strings.ContainsAny(r.Description, "\r\n") {
		wrong("description", strconv.Quote(r.Description), "one line of at most 512 bytes")
	}
	if r.RetryAfter < 0 || (r.RetryAfter > 0 && r.Status != http.StatusTooManyRequests) {
		wrong("retry_after", r.RetryAfter, "a positive number of seconds, with status 429")
	}
	if !slices.Contains([]string{"", JSON, HTML, Empty}, r.Body) {
		wrong("body", strconv.Quote(r.Body), "one of json, html, empty")
	}
}

func (r Rule) validateDuration(wrong func(field string, value any, allowed string)) {
	if r.Duration < 0 || (r.Kind == Latency && r.Duration == 0) {
		wrong("duration", time.Duration(r.Duration), "positive")
	}
	if r.Duration > 0 && !slices.Contains([]Kind{Latency, Hang, HangAfter}, r.Kind) {
		wrong("duration", time.Duration(r.Duration), "left out for kind "+string(r.Kind))
	}
}

// Answer returns the description of a Status fault, with Telegram's prefix.
func (r Rule) Answer() string {
	prefix := prefixOf(r.Status)
	switch {
	case r.Description == "" && r.Status == http.StatusTooManyRequests:
		return fmt.Sprintf("%s: retry after %d", prefix, r.RetryAfter)
	case r.Description == "":
		return prefix
	case strings.HasPrefix(r.Description, prefix):
		return r.Description
	default:
		return prefix + ": " + r.Description
	}
}

func prefixOf(status int) string { return http.StatusText(status) }
