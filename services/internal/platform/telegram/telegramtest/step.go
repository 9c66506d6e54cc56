package telegramtest

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// Step is what the server does with one call.
type Step struct {
	unread bool // the request's body is left unread, and the call unnoted
	answer func(*Server, http.ResponseWriter, *http.Request)
}

// Raw answers with a status, a header (name, value, name, value...) and a body.
func Raw(status int, body string, header ...string) Step {
	return Step{answer: func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client may have gone
	}}
}

// Result answers with a result, in JSON.
func Result(result string) Step {
	return Raw(http.StatusOK, `{"ok":true,"result":`+result+`}`, "Content-Type", "application/json")
}

// Sent answers with a message that was sent.
func Sent(id int64) Step {
	return Result(fmt.Sprintf(`{"message_id":%d,"date":1,"chat":{"id":-1,"type":"group"},"text":"x"}`, id))
}

// Refuse answers with an error as the Bot API writes it. Parameters, in JSON, may
// be "".
func Refuse(code int, description, parameters string) Step {
	text, err := json.Marshal(description)
	if err != nil {
		panic(err) // a string has no form that JSON can't have
	}
	body := fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%s`, code, text)
	if parameters != "" {
		body += `,"parameters":` + parameters
	}
	return Raw(code, body+"}", "Content-Type", "application/json")
}

// HTML answers as a proxy before the Bot API does.
func HTML(status int) Step {
	return Raw(status, "<html><body><h1>"+strconv.Itoa(status)+" "+http.StatusText(status)+"</h1>nginx</body></html>", "Content-Type", "text/html")
}

// ResetUnread resets the connection with the request's body unread.
func ResetUnread() Step {
	return Step{unread: true, answer: reset}
}

// Reset reads the request and resets the connection.
func Reset() Step { return Step{answer: reset} }

// HangUp reads the request and closes the connection in an orderly way.
func HangUp() Step {
	return Step{answer: func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		_ = take(w).Close()
	}}
}

// Hang reads the request and answers nothing until the client goes.
func Hang() Step { return Step{answer: hang} }

// HangInBody answers with a status and half a body, and hangs until the client
// goes.
func HangInBody(status int) Step {
	return Step{answer: func(s *Server, w http.ResponseWriter, r *http.Request) {
		half(w, status)
		hang(s, w, r)
	}}
}

// ResetInBody answers with a status and half a body, and resets the connection.
func ResetInBody(status int) Step {
	return Step{answer: func(s *Server, w http.ResponseWriter, r *http.Request) {
		half(w, status)
		reset(s, w, r)
	}}
}

func half(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Length", "1000")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"ok":`)
	_ = http.NewResponseController(w).Flush()
}

func hang(s *Server, _ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.stop:
	}
}

func reset(_ *Server, w http.ResponseWriter, _ *http.Request) {
	conn := take(w)
	raw := conn
	if t, ok := conn.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // close with RST
	}
	_ = raw.Close()
}

// take takes the connection from the HTTP server; HTTP/2 can't.
func take(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return conn
}
