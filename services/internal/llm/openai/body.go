package openai

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// said is the content of an error body.
type said struct {
	// status is an HTTP status in the body, 0 if there is none.
	status int
	// code and kind are the server's words for the failure.
	code, kind string
	message    string
	// wait is the wait that a field of the body asks for; 0 if there is none.
	wait time.Duration
}

// maxDepth limits the depth of the search in an error.
const maxDepth = 8

// readError reads the forms of errors in use, and shows the beginning of any other:
//
//	{"error":{"message","type","code","param"}}       OpenAI, Groq
//	[{"error":{"code","message","status","details"}}] Google, with a RetryInfo
//	{"error":"…"}                                     Ollama
//	{"object":"error","message":"…","code":400}       vLLM
//	{"detail":[{"loc":["body","x"],"msg":"…"}]}       Mistral, FastAPI
//	{"error":{"message","code":429,"metadata":{"raw"}}} OpenRouter
func readError(body []byte) said {
	body = document(body)
	var doc any
	if json.Unmarshal(body, &doc) != nil {
		return said{message: excerpt(body)}
	}
	s := said{message: words(doc, 0), wait: waitIn(doc, 0)}
	for _, at := range objects(doc) {
		for _, key := range []string{"code", "status", "status_code", "error_code", "http_status", "statusCode"} {
			n, text := scalar(at[key])
			if s.status == 0 && n >= 400 && n <= 599 {
				s.status = n
			}
			if s.code == "" && n == 0 {
				s.code = text
			}
		}
		if _, kind := scalar(at["type"]); s.kind == "" && kind != "error" {
			s.kind = kind
		}
	}
	if s.code == "" {
		s.code = s.kind
	}
	if s.message == "" && !nothing(doc) {
		s.message = excerpt(body)
	}
	return s
}

// nothing reports whether a document says that there is no error.
func nothing(doc any) bool {
	switch v := doc.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	case bool:
		return !v
	case float64:
		return v == 0
	}
	return doc == nil
}

// objects returns the objects that may have a code: the innermost error first.
func objects(doc any) (all []map[string]any) {
	for range maxDepth {
		if list, ok := doc.([]any); ok && len(list) > 0 {
			doc = list[0]
			continue
		}
		at, ok := doc.(map[string]any)
		if !ok {
			break
		}
		all = append([]map[string]any{at}, all...)
		next := at["error"]
		if next == nil {
			next = at["errors"]
		}
		doc = next
	}
	return all
}

// scalar returns a number, also one that is written as a text, or a text.
func scalar(v any) (int, string) {
	switch v := v.(type) {
	case float64:
		return int(min(max(v, -1), 1<<30)), ""
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			return n, ""
		}
		return 0, v
	}
	return 0, ""
}

// words returns the message of an error from any of its usual places.
func words(v any, depth int) string {
	if depth > maxDepth {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var all []string
		for _, item := range v {
			if s := words(item, depth+1); s != "" {
				all = append(all, s)
			}
		}
		return strings.Join(all, "; ")
	case map[string]any:
		message := ""
		for _, key := range []string{
			"error", "errors", "message", "msg", "error_msg", "status_msg",
			"detail", "details", "description", "error_description", "title", "base_resp",
		} {
			if message = words(v[key], depth+1); message != "" {
				break
			}
		}
		return located(v, message, depth)
	}
	return ""
}

// located adds to a message the place of the mistake in the request, and the message of the server
// behind a gateway.
func located(v map[string]any, message string, depth int) string {
	if message == "" {
		return ""
	}
	if param, ok := v["param"].(string); ok && param != "" && !strings.Contains(message, param) {
		message = param + ": " + message
	}
	if loc, ok := v["loc"].([]any); ok && len(loc) > 0 {
		if last, ok := loc[len(loc)-1].(string); ok {
			message = last + ": " + message
		}
	}
	if metadata, ok := v["metadata"].(map[string]any); ok {
		if raw := words(metadata["raw"], depth+1); raw != "" {
			message += ": " + raw
		}
	}
	return message
}

// waitIn returns the wait from the fields for it.
func waitIn(v any, depth int) time.Duration {
	if depth > maxDepth {
		return 0
	}
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if d := waitIn(item, depth+1); d > 0 {
				return d
			}
		}
	case map[string]any:
		for key, item := range v {
			unit, ok := waitFields[strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(key))]
			if !ok {
				continue
			}
			switch item := item.(type) {
			case float64:
				return bounded(item * unit.Seconds())
			case string:
				if n, err := strconv.ParseFloat(item, 64); err == nil {
					return bounded(n * unit.Seconds())
				}
				if d, err := time.ParseDuration(item); err == nil {
					return bounded(d.Seconds())
				}
			}
		}
		for _, item := range v {
			if d := waitIn(item, depth+1); d > 0 {
				return d
			}
		}
	}
	return 0
}

// waitFields are the fields' names without - and _, and the unit of their numbers.
//
//nolint:gochecknoglobals // constant
var waitFields = map[string]time.Duration{
	"retryafter": time.Second, "retrydelay": time.Second, "retryafterseconds": time.Second, "retryafterms": time.Millisecond, "retryinseconds": time.Second,
}

var htmlTags = regexp.MustCompile(`(?is)<(?:script|style)\b.*?</(?:script|style)>|<[!/a-z][^>]*>`)

// excerpt returns a body as one line; for HTML, its visible text.
func excerpt(body []byte) string {
	text := strings.ToValidUTF8(string(body), "\uFFFD")
	if begins := http.DetectContentType(body); strings.HasPrefix(begins, "text/html") || strings.HasPrefix(begins, "text/xml") {
		text = htmlTags.ReplaceAllString(text, " ")
	}
	return strings.Join(strings.Fields(text), " ")
}
