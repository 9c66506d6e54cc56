package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
)

// Call is one call of the Bot API with the effect it had.
type Call = calllog.Record

// Filter chooses calls; the zero Filter chooses all that there are.
type Filter = calllog.Filter

// EndTrailer is the HTTP trailer that says why a stream of calls broke off.
const EndTrailer = "Emulator-Error"

// ErrEnded reports that the emulator ended a stream of calls.
var ErrEnded = errors.New("emulator: the stream of calls was ended")

// Calls reads the calls that the filter chooses, in order. With f.Follow it
// goes on with what comes until ctx ends, which is no error, or the loop is
// left. An error is yielded once and last.
func (c *Client) Calls(ctx context.Context, f Filter) iter.Seq2[Call, error] {
	return func(yield func(Call, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		response, err := c.open(ctx, http.MethodGet, "/calls?"+query(f).Encode(), nil)
		if err == nil {
			defer response.Body.Close()
			err = read(response, f, func(call Call) bool { return yield(call, nil) })
		}
		if err != nil && !(f.Follow && ctx.Err() != nil) {
			yield(Call{}, err)
		}
	}
}

// read passes the calls of a stream to each until each returns false.
func read(response *http.Response, f Filter, each func(Call) bool) error {
	decoder := json.NewDecoder(response.Body)
	for {
		var call Call
		err := decoder.Decode(&call)
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return fmt.Errorf("emulator: read the calls: %w", err)
		case response.Trailer.Get(EndTrailer) != "":
			return fmt.Errorf("emulator: %s", response.Trailer.Get(EndTrailer))
		case f.Follow:
			return ErrEnded
		default:
			return nil
		}
		if !each(call) {
			return nil
		}
	}
}

func query(f Filter) url.Values {
	q := url.Values{}
	set := func(name, value string, is bool) {
		if is {
			q.Set(name, value)
		}
	}
	set("since", strconv.FormatUint(f.Since, 10), f.Since > 0)
	set("bot", f.Bot, f.Bot != "")
	set("chat", strconv.FormatInt(f.Chat, 10), f.Chat != 0)
	set("method", f.Method, f.Method != "")
	set("follow", "1", f.Follow)
	return q
}

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

// Resetting selects the parts to reset; the zero value resets everything.
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
