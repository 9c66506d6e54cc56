package control

import (
	"context"
	"net/http"
	"net/url"

	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
)

// Fault is a rule about calls that go wrong.
type Fault = fault.Rule

// Limits are the buckets of the flood control.
type Limits = flood.Limits

// A Part is something that Reset can bring back to its beginning.
type Part string

// The parts of the emulator.
const (
	PartWorld  Part = "world"  // bots, people, chats and messages are removed
	PartCalls  Part = "calls"  // the log is emptied and counts from 1 again
	PartFaults Part = "faults" // those that the emulator was started with
	PartLimits Part = "limits" // those that the emulator was started with
)

// Resetting says what to bring back; nothing means everything.
type Resetting struct {
	Parts []Part `json:"parts,omitempty"`
}

// Faults returns the rules in force, in order.
func (c *Client) Faults(ctx context.Context) ([]Fault, error) {
	return answer[[]Fault](ctx, c, http.MethodGet, "/faults", nil)
}

// SetFaults puts these rules in place of all and returns them with their ids.
func (c *Client) SetFaults(ctx context.Context, rules ...Fault) ([]Fault, error) {
	if rules == nil {
		rules = []Fault{}
	}
	return answer[[]Fault](ctx, c, http.MethodPut, "/faults", rules)
}

// AddFaults appends rules, each in place of the one with its id if there is
// one, and returns all rules.
func (c *Client) AddFaults(ctx context.Context, rules ...Fault) ([]Fault, error) {
	return answer[[]Fault](ctx, c, http.MethodPost, "/faults", rules)
}

// RemoveFault takes the rule with an id away.
func (c *Client) RemoveFault(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/faults/"+url.PathEscape(id), nil)
}

// ClearFaults takes all rules away.
func (c *Client) ClearFaults(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "/faults", nil)
}

// Limits returns the limits in force.
func (c *Client) Limits(ctx context.Context) (Limits, error) {
	return answer[Limits](ctx, c, http.MethodGet, "/limits", nil)
}

// SetLimits changes the limits and fills all buckets.
func (c *Client) SetLimits(ctx context.Context, l Limits) (Limits, error) {
	return answer[Limits](ctx, c, http.MethodPut, "/limits", l)
}

// Reset brings parts of the emulator back to their beginning; none means all.
func (c *Client) Reset(ctx context.Context, parts ...Part) error {
	return c.do(ctx, http.MethodPost, "/reset", Resetting{Parts: parts})
}
