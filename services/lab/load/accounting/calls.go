package accounting

import (
	"context"
	"encoding/json"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// Methods of the Bot API that are accounted for.
const (
	SendMessage = "sendMessage"
	SetReaction = "setMessageReaction"
)

// Effects of calls.
const (
	effectSent    = "sent"
	effectReacted = "reacted"
)

// Call is a call of the emulator's log without what nobody asks for here, so that
// a million of them fit into memory.
type Call struct {
	Seq    uint64
	Time   time.Time
	Method string
	Bot    string
	Chat   int64
	// Status is 0 where the caller left before the answer.
	Status      int
	Description string
	RetryAfter  time.Duration
	// Message is the id of the message that was sent, or reacted to.
	Message int64
	Effect  string
	// Text is what was sent.
	Text string
	// Took is how long it took to its effect.
	Took time.Duration
}

// Sent tells whether the call made a message.
func (c Call) Sent() bool { return c.Effect == effectSent }

// Failed tells whether the call was not answered, or not with a result.
func (c Call) Failed() bool { return c.Status != 200 }

// Of shortens a call of the log.
func Of(c control.Call) Call {
	short := Call{
		Seq: c.Seq, Time: c.Time, Method: c.Method, Bot: c.Bot, Chat: c.Chat, Status: c.Status, Description: c.Description,
		RetryAfter: time.Duration(c.RetryAfter) * time.Second, Message: c.EffectMessageID, Effect: c.Effect,
		Took: time.Duration(c.Duration * float64(time.Millisecond)),
	}
	if c.Effect == effectSent {
		_ = json.Unmarshal(c.Params["text"], &short.Text) // the emulator took it for a text
	}
	return short
}

// Calls reads the emulator's log after a call, as it is now.
func Calls(ctx context.Context, emulator *control.Client, since uint64) ([]Call, error) {
	var calls []Call
	for call, err := range emulator.Calls(ctx, control.Filter{Since: since}) {
		if err != nil {
			return nil, err
		}
		calls = append(calls, Of(call))
	}
	return calls, nil
}
