package botapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

const (
	maxBody     = 8 << 20 // bytes; a long message with all its markup needs a hundredth of it
	maxLogged   = 16 << 10
	bodyTimeout = 30 * time.Second
)

// params are the parameters of a call. The Bot API knows only texts: structured values are
// JSON in a text, whatever the encoding of the request.
type params map[string]param

type param struct {
	text string
	bare bool // a JSON value that was not a string
}

// readParams collects the parameters from the address and the body: a form,
// JSON or multipart. What stands in the address wins.
func readParams(w http.ResponseWriter, r *http.Request) (params, error) {
	p := params{}
	// The deadline must be lifted again: past it, the server would take the
	// client for gone.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	_ = control.SetReadDeadline(time.Time{})
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return p, &world.Error{Code: http.StatusRequestEntityTooLarge, Description: "Request Entity Too Large"}
	}
	if err != nil {
		return p, errGone
	}
	if err := p.readBody(r.Header.Get("Content-Type"), body); err != nil {
		return p, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return p, badRequest("can't parse the query string")
	}
	p.add(query)
	return p, nil
}

func (p params) readBody(contentType string, body []byte) error {
	kind, attributes, err := mime.ParseMediaType(contentType)
	if err != nil || len(body) == 0 {
		return nil //nolint:nilerr // a body of no kind has no parameters
	}
	switch kind {
	case "application/json":
		return p.readJSON(body)
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return badRequest("can't parse the form")
		}
		p.add(form)
	case "multipart/form-data":
		return p.readMultipart(multipart.NewReader(bytes.NewReader(body), attributes["boundary"]))
	}
	return nil
}

func (p params) add(values url.Values) {
	for name, all := range values {
		p[name] = param{text: all[0]}
	}
}

func (p params) readJSON(body []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil {
		return badRequest("can't parse JSON object")
	}
	for name, value := range object {
		var text string
		switch {
		case string(value) == "null":
		case json.Unmarshal(value, &text) == nil:
			p[name] = param{text: text}
		default:
			p[name] = param{text: string(value), bare: true}
		}
	}
	return nil
}

func (p params) readMultipart(parts *multipart.Reader) error {
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return badRequest("can't parse multipart form data")
		}
		if part.FileName() != "" {
			continue // no method here takes files
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return badRequest("can't parse multipart form data")
		}
		p[part.FormName()] = param{text: string(value)}
	}
}

func (p params) text(name string) string { return p[name].text }

// flag reads a yes or no as the original does.
func (p params) flag(name string) bool {
	switch strings.ToLower(p.text(name)) {
	case "true", "yes", "1":
		return true
	default:
		return false
	}
}

// integer reads a number; what is missing or no number is 0.
func (p params) integer(name string) int64 {
	n, _ := strconv.ParseInt(p.text(name), 10, 64)
	return n
}

// between reads a number and moves it into a range, as the original does.
func (p params) between(name string, otherwise, low, high int64) int64 {
	n, err := strconv.ParseInt(p.text(name), 10, 64)
	if err != nil {
		return otherwise
	}
	return min(max(n, low), high)
}

// structure parses a parameter with JSON. It reports whether the parameter was set.
func (p params) structure(name string, into any) (bool, error) {
	text := strings.TrimSpace(p.text(name))
	if text == "" {
		return false, nil
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}

// chat is the chat that a call is about. Names of public chats are unknown here.
func (p params) chat() (int64, error) {
	text := p.text("chat_id")
	if text == "" {
		return 0, badRequest("chat_id is empty")
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, badRequest("chat not found")
	}
	return id, nil
}

// logged is the form that the log keeps: nothing secret, nothing endless.
func (p params) logged() map[string]json.RawMessage {
	shown := make(map[string]json.RawMessage, len(p))
	for name, value := range p {
		text := value.text
		structured := value.bare || (name != "text" && strings.HasPrefix(text, "{")) || strings.HasPrefix(text, "[")
		switch {
		case name == "secret_token":
			text, structured = "***", false
		case len(text) > maxLogged:
			text, structured = strings.ToValidUTF8(text[:maxLogged], "")+"…", false
		}
		if structured && name != "text" && json.Valid([]byte(text)) {
			shown[name] = compact(text)
			continue
		}
		if quoted, err := json.Marshal(text); err == nil { // as with any string
			shown[name] = quoted
		}
	}
	return shown
}

// compact takes the line breaks out of JSON: a record is one line.
func compact(text string) json.RawMessage {
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil {
		return nil
	}
	return out.Bytes()
}
