package llmapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxBody bounds a request.
const maxBody = 4 << 20

// request holds the fields of a call that are used. Other fields are accepted and ignored.
type request struct {
	Model               string    `json:"model"`
	Messages            []message `json:"messages"`
	MaxTokens           int       `json:"max_tokens"`
	MaxCompletionTokens int       `json:"max_completion_tokens"`
	Temperature         *float64  `json:"temperature"`
	Seed                *int64    `json:"seed"`
	Stream              bool      `json:"stream"`
	N                   *int      `json:"n"`
}

type message struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

// content is a text, or a list of parts whose texts are used.
type content string

// UnmarshalJSON reads either form.
func (c *content) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*c = content(text)
		return nil
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(b, &parts); err != nil {
		return errors.New("content is neither a string nor a list of parts")
	}
	var texts []string
	for _, p := range parts {
		if p.Type == "text" {
			texts = append(texts, p.Text)
		}
	}
	*c = content(strings.Join(texts, "\n"))
	return nil
}

// completion is an answer.
type completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"` // Unix seconds
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   usage    `json:"usage"`
}

type choice struct {
	Index        int    `json:"index"`
	Message      said   `json:"message"`
	FinishReason string `json:"finish_reason"`
}

type said struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

type modelList struct {
	Object string       `json:"object"`
	Data   []modelEntry `json:"data"`
}

type modelEntry struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"` // Unix seconds
	OwnedBy string `json:"owned_by"`
}

// problem is the body of an error.
type problem struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

const invalidRequest = "invalid_request_error"

var errWrongKey = problem{
	Message: "Incorrect API key provided.", Type: invalidRequest, Code: new("invalid_api_key"),
}

func (p problem) Error() string { return p.Message }

// read decodes and checks a request.
func (a *API) read(w http.ResponseWriter, r *http.Request) (request, int, error) {
	var in request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in); err != nil {
		if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
			return in, http.StatusRequestEntityTooLarge, problem{Message: "The request is too long.", Type: invalidRequest}
		}
		return in, http.StatusBadRequest, problem{Message: "We could not parse the JSON body of your request: " + err.Error(), Type: invalidRequest}
	}
	bad := func(param, format string, args ...any) (request, int, error) {
		return in, http.StatusBadRequest, problem{Message: fmt.Sprintf(format, args...), Type: invalidRequest, Param: &param}
	}
	switch {
	case in.Model == "":
		return bad("model", "you must provide a model parameter")
	case !slices.Contains(a.opts.Models, in.Model):
		return in, http.StatusNotFound, problem{
			Message: fmt.Sprintf("The model %q does not exist or you do not have access to it.", in.Model),
			Type:    invalidRequest, Code: new("model_not_found"),
		}
	case len(in.Messages) == 0:
		return bad("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1.")
	case in.Stream:
		return bad("stream", "This server does not stream: leave stream out.")
	case in.N != nil && *in.N != 1:
		return bad("n", "This server gives one choice: leave n out.")
	case in.Temperature != nil && (*in.Temperature < 0 || *in.Temperature > 2):
		return bad("temperature", "Invalid 'temperature': %v, expected 0 to 2.", *in.Temperature)
	case in.MaxTokens < 0 || in.MaxCompletionTokens < 0:
		return bad("max_tokens", "Invalid 'max_tokens': expected 1 or more.")
	}
	for i, m := range in.Messages {
		if !slices.Contains([]string{"system", "developer", "user", "assistant", "tool"}, m.Role) {
			return bad("messages", "Invalid value: '%s' for messages[%d].role.", m.Role, i)
		}
	}
	return in, http.StatusOK, nil
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error here means that the caller has left.
	_ = json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, status int, p problem) {
	answer(w, status, map[string]problem{"error": p})
}
