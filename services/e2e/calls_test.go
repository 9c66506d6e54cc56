package e2e_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// These are methods and effects in the emulator's log.
const (
	sendMessage = "sendMessage"
	setReaction = "setMessageReaction"

	effectSent    = "sent"
	effectReacted = "reacted"
)

// callsOf returns the emulator's current log.
func callsOf(t *testing.T, client *control.Client, f control.Filter) []control.Call {
	t.Helper()
	var calls []control.Call
	for call, err := range client.Calls(t.Context(), f) {
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, call)
	}
	return calls
}

// sent returns the calls that created a message.
func sent(calls []control.Call) []control.Call {
	return matching(calls, func(c control.Call) bool { return c.Effect == effectSent })
}

func matching(calls []control.Call, is func(control.Call) bool) []control.Call {
	var found []control.Call
	for _, c := range calls {
		if is(c) {
			found = append(found, c)
		}
	}
	return found
}

// textOf returns the text parameter of a call.
func textOf(t *testing.T, c control.Call) string {
	t.Helper()
	return param[string](t, c, "text")
}

// answered returns the id of the message that a call replies to; 0 for none.
func answered(t *testing.T, c control.Call) int64 {
	t.Helper()
	type reply struct {
		MessageID int64 `json:"message_id"`
	}
	return param[reply](t, c, "reply_parameters").MessageID
}

// param returns a parameter of a call; the zero value if it is missing.
func param[T any](t *testing.T, c control.Call, name string) T {
	t.Helper()
	var v T
	raw, ok := c.Params[name]
	if !ok {
		return v
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("call %d: %s is %s: %v", c.Seq, name, raw, err)
	}
	return v
}

// target returns the id of the message that a call concerns. Some clients write numbers as
// strings.
func target(t *testing.T, c control.Call) int64 {
	t.Helper()
	id, err := strconv.ParseInt(strings.Trim(string(c.Params["message_id"]), `"`), 10, 64)
	if err != nil {
		t.Fatalf("call %d: message_id: %v", c.Seq, err)
	}
	return id
}
