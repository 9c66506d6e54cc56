package llmapi

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

// Kind is the kind of a fault.
type Kind string

// Kinds of fault.
const (
	Unauthorized Kind = "unauthorized" // 401, as for a wrong key
	RateLimited  Kind = "rate_limited" // 429 with retry-after and x-ratelimit-* headers
	NoCredit     Kind = "no_credit"    // 429 with the code insufficient_quota
	ServerError  Kind = "server_error" // 500 as JSON
	BadGateway   Kind = "bad_gateway"  // 502 as HTML, as from a proxy
	Hang         Kind = "hang"         // no answer until the caller leaves
	Slow         Kind = "slow"         // the right answer, after Delay
	Reset        Kind = "reset"        // the connection breaks instead of an answer
	Malformed    Kind = "malformed"    // 200 with half of a JSON document
	NoChoices    Kind = "no_choices"   // 200 without a choice
	Empty        Kind = "empty"        // 200 with an empty text
	Filtered     Kind = "filtered"     // 200, finish_reason content_filter
	TooLong      Kind = "too_long"     // 200 with a text of 20,000 characters
)

var kinds = []Kind{ //nolint:gochecknoglobals // a constant list
	Unauthorized, RateLimited, NoCredit, ServerError, BadGateway, Hang, Slow, Reset, Malformed, NoChoices, Empty, Filtered, TooLong,
}

// Fault goes wrong with completions. The zero Rate and Times hit every call.
type Fault struct {
	Kind Kind `json:"kind"`
	// Rate is the share of calls that it hits, above 0 to 1; 0 is 1.
	Rate float64 `json:"rate,omitempty"`
	// Times is after how many hits it is over; 0 is never.
	Times int `json:"times,omitempty"`
	// RetryAfter is the wait that RateLimited tells callers, in whole seconds.
	RetryAfter jsontime.Duration `json:"retry_after,omitempty"`
	// Delay is the delay of Slow.
	Delay jsontime.Duration `json:"delay,omitempty"`
}

// Validate names the field, its value and what is allowed.
func (f Fault) Validate() error {
	var errs []error
	known := make([]string, 0, len(kinds))
	ok := false
	for _, k := range kinds {
		known = append(known, string(k))
		ok = ok || k == f.Kind
	}
	if !ok {
		errs = append(errs, fmt.Errorf("kind: %q, want one of %s", f.Kind, strings.Join(known, ", ")))
	}
	if f.Rate < 0 || f.Rate > 1 {
		errs = append(errs, fmt.Errorf("rate: %v, want 0 to 1", f.Rate))
	}
	if f.Times < 0 {
		errs = append(errs, fmt.Errorf("times: %d, want 0 or more", f.Times))
	}
	if f.RetryAfter < 0 || time.Duration(f.RetryAfter)%time.Second != 0 {
		errs = append(errs, fmt.Errorf("retry_after: %v, want whole seconds", f.RetryAfter))
	}
	if f.Delay < 0 {
		errs = append(errs, fmt.Errorf("delay: %v, want 0s or more", f.Delay))
	}
	return errors.Join(errs...)
}

// armed is a fault and how it went so far.
type armed struct {
	Fault
	rng  *rand.Rand
	hits int
}

// SetFaults switches these faults on and all others off. The first that hits a
// call decides. Nothing is changed if one of them is wrong.
func (a *API) SetFaults(faults ...Fault) error {
	next := make([]armed, 0, len(faults))
	for i, f := range faults {
		if err := f.Validate(); err != nil {
			return fmt.Errorf("fault %d: %w", i, err)
		}
		rng := rand.New(rand.NewPCG(a.opts.Seed, uint64(i)))
		next = append(next, armed{Fault: f, rng: rng})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = next
	return nil
}

// hit returns the fault that this call has, or nil.
func (a *API) hit() *Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.faults {
		f := &a.faults[i]
		if f.Times > 0 && f.hits >= f.Times || f.Rate > 0 && f.rng.Float64() >= f.Rate {
			continue
		}
		f.hits++
		return &f.Fault
	}
	return nil
}

// limitHeaders sets the headers about a limit of requests, as OpenAI does.
func limitHeaders(h http.Header, remaining int, reset time.Duration) {
	h.Set("X-Ratelimit-Limit-Requests", "1000")
	h.Set("X-Ratelimit-Remaining-Requests", strconv.Itoa(remaining))
	h.Set("X-Ratelimit-Reset-Requests", reset.String())
}
