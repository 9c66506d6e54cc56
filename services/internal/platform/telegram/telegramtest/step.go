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

// Step is the server's response to one call.
type Step struct {
	unread bool // don't read the request's body or record the call
	answer func(*Server, http.ResponseWriter, *http.Request)
}

// Raw responds with a status, a header (name, value, name, value...) and a body.
func Raw(status int, body string, header ...string) Step {
	return Step{answer: func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client may have disconnected
	}}
}

// Result responds with a result, in JSON.
func Result(result string) Step {
	return Raw(http.StatusOK, `{"ok":true,"result":`+result+`}`, "Content-Type", "application/json")
}

// Sent responds with a sent message.
func Sent(id int64) Step {
	return Result(fmt.Sprintf(`{"message_id":%d,"date":1,"chat":{"id":-1,"type":"group"},"text":"x"}`, id))
}

// Refuse responds with an error in the Bot API's form. parameters is JSON, or "".
func Refuse(code int, description, parameters string) Step {
	text, err := json.Marshal(description)
	if err != nil {
		panic(err) // every string can be encoded
	}
	body := fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%s`, code, text)
	if parameters != "" {
		body += `,"parameters":` + parameters
	}
	return Raw(code, body+"}", "Content-Type", "application/json")
}

// HTML responds as a proxy in front of the Bot API does.
func HTML(status int) Step {
	return Raw(status, "<html><body><h1>"+strconv.Itoa(status)+" "+http.StatusText(status)+"</h1>nginx</body></html>", "Content-Type", "text/html")
}

// ResetUnread resets the connection without reading the request's body.
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

// Hang reads the request and doesn't respond until the client disconnects.
func Hang() Step { return Step{answer: hang} }

// HangInBody responds with a status and half a body, and hangs until the client
// disconnects.
func HangInBody(status int) Step {
	return Step{answer: func(s *Server, w http.ResponseWriter, r *http.Request) {
		half(w, status)
		hang(s, w, r)
	}}
}

// ResetInBody responds with a status and half a body, and resets the connection.
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

// take hijacks the connection from the HTTP server, which HTTP/2 doesn't allow.
func take(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return conn
}
