package botapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// The effects that the log of calls names.
const (
	sent      = "sent"
	reacted   = "reacted"
	unreacted = "unreacted"
	unchanged = "unchanged"
	edited    = "edited"
	deleted   = "deleted"
	left      = "left"
	typing    = "typing"
	set       = "set"
	none      = calllog.NoEffect
)

// answer holds the answer to a call, and the effect of the call.
type answer struct {
	status      int // 0: nobody is there to be answered
	description string
	retryAfter  int   // seconds
	migrateTo   int64 // the supergroup that replaced the chat
	result      any

	effect  string
	message int64 // what the bot calls the message concerned
}

// done is a success.
func done(result any, effect string) answer {
	return answer{status: http.StatusOK, result: result, effect: effect}
}

// posted answers with a post, on which the call had an effect.
func posted(p world.Post, effect string) answer {
	a := done(messageOf(p), effect)
	a.message = p.ID
	return a
}

// floodError is a call that came too early.
type floodError struct{ seconds int }

func (e *floodError) Error() string {
	return fmt.Sprintf("Too Many Requests: retry after %d", e.seconds)
}

func badRequest(format string, args ...any) error {
	return &world.Error{Code: http.StatusBadRequest, Description: "Bad Request: " + fmt.Sprintf(format, args...)}
}

// refusal turns an error into an answer.
func refusal(err error) answer {
	var (
		telegram *world.Error
		tooMany  *floodError
	)
	switch {
	case errors.As(err, &telegram):
		return answer{status: telegram.Code, description: telegram.Description, migrateTo: telegram.MigrateTo}
	case errors.As(err, &tooMany):
		return answer{status: http.StatusTooManyRequests, description: tooMany.Error(), retryAfter: tooMany.seconds}
	case errors.Is(err, errGone):
		return answer{}
	default:
		return answer{status: http.StatusInternalServerError, description: "Internal Server Error: " + err.Error()}
	}
}

// envelope is the form of every answer of the Bot API.
type envelope struct {
	OK          bool        `json:"ok"`
	Result      any         `json:"result,omitempty"`
	ErrorCode   int         `json:"error_code,omitempty"`
	Description string      `json:"description,omitempty"`
	Parameters  *parameters `json:"parameters,omitempty"`
}

type parameters struct {
	MigrateToChatID int64 `json:"migrate_to_chat_id,omitempty"`
	RetryAfter      int   `json:"retry_after,omitempty"`
}

func (a answer) envelope() envelope {
	e := envelope{OK: a.status == http.StatusOK, Result: a.result, Description: a.description}
	if !e.OK {
		e.ErrorCode, e.Result = a.status, nil
	}
	if a.retryAfter != 0 || a.migrateTo != 0 {
		e.Parameters = &parameters{RetryAfter: a.retryAfter, MigrateToChatID: a.migrateTo}
	}
	return e
}

// send writes an answer, as JSON unless a fault wants another form.
func send(w http.ResponseWriter, a answer, form string) {
	if a.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	switch form {
	case fault.HTML:
		title := strconv.Itoa(a.status) + " " + http.StatusText(a.status)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(a.status)
		_, _ = fmt.Fprintf(w, "<html>\r\n<head><title>%[1]s</title></head>\r\n<body>\r\n"+
			"<center><h1>%[1]s</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n", title)
	case fault.Empty:
		w.WriteHeader(a.status)
	default:
		var body bytes.Buffer
		encoder := json.NewEncoder(&body)
		encoder.SetEscapeHTML(false) // the original doesn't either
		if err := encoder.Encode(a.envelope()); err != nil {
			panic(fmt.Sprintf("botapi: a result that is no JSON: %v", err)) // a mistake in this package
		}
		body.Truncate(body.Len() - 1) // the line break
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
		w.WriteHeader(a.status)
		_, _ = w.Write(body.Bytes()) // the client may be gone; the log has the call
	}
}

// reset closes the connection so that the client sees a reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // closes the connection, if less rudely
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the kernel says goodbye properly
	}
	_ = conn.Close()
}
