// Package status lets each process report its state when it is asked over the bus. For regular
// monitoring there are metrics.
package status

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
)

// Process is the state of a process. It contains no secret and no words of people.
type Process struct {
	Service string    `json:"service" doc:"up for one that runs all services"`
	Host    string    `json:"host"`
	Version string    `json:"version"`
	Commit  string    `json:"commit"`
	Started time.Time `json:"started_at"`
	// Breakers holds the breakers that are not closed, at most MaxBreakers; Open is their number.
	Breakers []Breaker `json:"breakers" doc:"those that are not closed, at most 50"`
	Open     int       `json:"open_breakers"`
	// Rests holds the paused providers of texts.
	Rests []Rest `json:"rests,omitempty" doc:"providers of texts that it does not ask for a while, and why"`
	Cache *Cache `json:"cache,omitempty"`
}

// MaxBreakers limits the breakers in an answer.
const MaxBreakers = 50

// Breaker is a breaker that is not closed.
type Breaker struct {
	Of    string    `json:"of" doc:"what it is about, such as Telegram, anna, send_message"`
	State string    `json:"state" doc:"open, or half-open while one call is tried"`
	Since time.Time `json:"since"`
	Next  time.Time `json:"next_try_at"`
}

// Rest is a pause.
type Rest struct {
	Of    string    `json:"of" doc:"the provider's name"`
	Why   string    `json:"why"`
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero" doc:"left out where it is not known"`
}

// Cache is the state of a process' cache since its start.
type Cache struct {
	Hits   float64 `json:"hits" doc:"found in the process"`
	Shared float64 `json:"shared_hits" doc:"found in Redis"`
	Misses float64 `json:"misses" doc:"read from the database"`
	Values float64 `json:"values" doc:"that it holds"`
	Bytes  float64 `json:"bytes" doc:"about what they take"`
	// Redis is "answers", "does not answer" or "none".
	Redis string `json:"redis"`
	// Hears reports that the cache receives changes; else it keeps values for a second only.
	Hears bool `json:"hears_of_changes"`
}

// Answer answers questions with the state of the process, until stop is called.
func Answer(b *bus.Bus, process func() Process) (stop func(), err error) {
	return b.Answer(subject.Status, func() []byte {
		p := process()
		slices.SortFunc(p.Breakers, func(a, b Breaker) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Of, b.Of)) })
		p.Open = len(p.Breakers)
		p.Breakers = p.Breakers[:min(p.Open, MaxBreakers)]
		text, err := json.Marshal(p)
		if err != nil {
			return nil // a NaN can't be encoded
		}
		return text
	})
}

// answerTimeout limits the wait for processes that don't answer.
const answerTimeout = time.Second

// Ask asks all processes, and waits for living answers or answerTimeout.
func Ask(ctx context.Context, b *bus.Bus, living int) ([]Process, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	all := make([]Process, 0, living)
	err := b.Ask(ctx, subject.Status, living, func(text []byte) {
		var p Process
		if json.Unmarshal(text, &p) == nil {
			all = append(all, p)
		}
	})
	slices.SortFunc(all, func(a, b Process) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Host, b.Host), a.Started.Compare(b.Started))
	})
	return all, err
}
