package openai_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/llmtest"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
)

// answers pairs a server's answer with the expected result: a new oddity is a new row.
type answers struct {
	status  int    // 0 is 200
	kind    string // Content-Type; "" is application/json, "none" is none
	headers string // "Name: value", separated by |
	body    string

	// Expected is a text,
	text string
	cut  bool
	// or a failure.
	class    fail.Class
	code     int // the status in the error; 0 means that of the answer
	wait     time.Duration
	says     string // in the error
	answered bool   // the provider works
}

func message(fields string) string {
	return `{"model":"m","choices":[{"message":{"role":"assistant",` + fields + `},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":7}}`
}

func ended(reason, fields string) string {
	return strings.Replace(message(fields), `"stop"`, `"`+reason+`"`, 1)
}

func table() map[string]answers {
	const ok = "I would read it again."
	const rate = http.StatusTooManyRequests
	return map[string]answers{
		"a text": {body: message(`"content":"` + ok + `"`), text: ok},

		"empty thoughts":              {body: message(`"content":"<think>\n\n</think>\n\n` + ok + `"`), text: ok},
		"a closing tag":               {body: message(`"content":"Hm.</think>` + ok + `"`), text: ok},
		"thoughts of Magistral":       {body: message(`"content":"[THINK]Hm.[/THINK]` + ok + `"`), text: ok},
		"channels":                    {body: message(`"content":"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>` + ok + `"`), text: ok},
		"thoughts in a field":         {body: message(`"content":"` + ok + `","reasoning_content":"Hm.","reasoning":"Hm."`), text: ok},
		"thoughts that never end":     {body: message(`"content":"<think>Hm."`), class: fail.Transient, says: "llm.extra", answered: true},
		"nothing after thoughts":      {body: message(`"content":"<think>Hm.</think>"`), class: fail.Transient, says: "all of the answer went into thinking", answered: true},
		"nothing beside thoughts":     {body: message(`"content":null,"reasoning_content":"Hm."`), class: fail.Transient, says: "went into thinking", answered: true},
		"thoughts until the end":      {body: ended("length", `"content":null`), class: fail.Transient, says: "generator.max_tokens", answered: true},
		"thoughts until it, empty":    {body: ended("length", `"content":""`), class: fail.Transient, says: "generator.max_tokens", answered: true},
		"unclosed thoughts until it":  {body: ended("MAX_TOKENS", `"content":"<think>Hm"`), class: fail.Transient, says: "generator.max_tokens", answered: true},
		"an empty text":               {body: message(`"content":""`), class: fail.Transient, says: "the answer is empty"},
		"a text that was cut":         {body: ended("length", `"content":"One. Two"`), text: "One. Two", cut: true},
		"a text that was cut, else":   {body: ended("max_tokens", `"content":"One. Two"`), text: "One. Two", cut: true},
		"a call of a tool":            {body: ended("tool_calls", `"content":null,"tool_calls":[{}]`), class: fail.Transient, says: "called a tool", answered: true},
		"a filter":                    {body: ended("content_filter", `"content":"Hm"`), class: fail.Permanent, answered: true},
		"a filter of Google":          {body: ended("SAFETY", `"content":null`), class: fail.Permanent, answered: true},
		"a refusal":                   {body: message(`"content":null,"refusal":"No."`), class: fail.Permanent, says: "refused", answered: true},
		"a failure within the answer": {body: ended("error", `"content":"Half of"`), class: fail.Transient},

		"parts":                     {body: message(`"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm."}]},{"type":"text","text":"` + ok + `"}]`), text: ok},
		"parts of a word":           {body: message(`"content":[{"type":"text","text":"I wo"},{"type":"text","text":"uld."},{"type":"output_text","text":"Yes."}]`), text: "I would. Yes."},
		"parts with values":         {body: message(`"content":[{"type":"text","text":{"value":"` + ok + `","annotations":[]}}]`), text: ok},
		"parts that are texts":      {body: message(`"content":["` + ok + `"]`), text: ok},
		"one part":                  {body: message(`"content":{"type":"text","text":"` + ok + `"}`), text: ok},
		"thoughts as the only part": {body: message(`"content":[{"type":"thinking","thinking":"Hm."}]`), class: fail.Transient},
		"a part with a refusal":     {body: message(`"content":[{"type":"refusal","refusal":"No."}]`), class: fail.Permanent, answered: true},
		"a part with an image":      {body: message(`"content":[{"type":"image_url","image_url":{"url":"x"}}]`), class: fail.Transient, says: "image_url"},
		"a part without a text":     {body: message(`"content":[{"type":"text","text":{"x":1}}]`), class: fail.Transient, says: "can't be read"},
		"a number":                  {body: message(`"content":7`), class: fail.Transient, says: "can't be read"},
		"an object":                 {body: message(`"content":{"answer":"x"}`), class: fail.Transient, says: "can't be read"},

		"an error in a 200":             {body: `{"error":{"message":"Upstream is rate limited","code":429}}`, class: fail.Throttled, code: rate, says: "Upstream is rate limited"},
		"its code as a text":            {body: `{"error":{"message":"Slow down","code":"429"}}`, class: fail.Throttled, code: rate},
		"its code as a word":            {body: `{"error":{"message":"Slow down","code":"rate_limit_exceeded"}}`, class: fail.Throttled, code: rate},
		"its code as a status":          {body: `{"error":{"message":"Slow down","status":"RESOURCE_EXHAUSTED"}}`, class: fail.Throttled, code: rate},
		"an error in the choice":        {body: `{"choices":[{"error":{"code":502,"message":"Provider fell over"},"finish_reason":"error","message":{"content":""}}]}`, class: fail.Transient, code: 502, says: "fell over"},
		"a rate limit in the choice":    {body: `{"choices":[{"error":{"code":429,"message":"Slow down, try again in 20s"},"message":{"content":"Half"}}]}`, class: fail.Throttled, code: rate, wait: 20 * time.Second},
		"a wrong key in a 200":          {body: `{"error":{"message":"No such key","code":401}}`, class: fail.Permanent, code: 401, says: "llm.key"},
		"a wrong key in words":          {body: `{"error":{"message":"No such key","code":"invalid_api_key"}}`, class: fail.Permanent, code: 401},
		"no credit in a 200":            {body: `{"error":{"message":"Buy more","code":"insufficient_quota"}}`, class: fail.Permanent, code: 402, says: "add credit at the provider"},
		"an error as a text":            {body: `{"error":"Upstream is rate limited"}`, class: fail.Throttled, code: rate},
		"an error beside no choices":    {body: `{"choices":[],"error":{"message":"Overloaded","code":"503"}}`, class: fail.Transient, code: 503},
		"an error without a wrapping":   {body: `{"object":"error","message":"Slow down","code":429}`, class: fail.Throttled, code: rate},
		"no error":                      {body: strings.Replace(message(`"content":"`+ok+`"`), `{`, `{"error":null,`, 1), text: ok},
		"no choices and nothing else":   {body: `{"object":"chat.completion","choices":[]}`, class: fail.Transient, says: `no choices: {"object"`},
		"an answer of another kind":     {body: `{"output":[{"content":"x"}]}`, class: fail.Transient, says: `llm.url`},
		"a page":                        {kind: "text/html", body: `<!DOCTYPE html><html><head><style>x{}</style></head><body><h1>Welcome</h1></body></html>`, class: fail.Transient, says: "can't be read: Welcome"},
		"nothing":                       {body: ``, class: fail.Transient, says: "can't be read"},
		"an error in a list":            {status: 429, body: `[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}]`, class: fail.Throttled, wait: 34 * time.Second, says: "Quota exceeded"},
		"an error in a list in a 200":   {body: `[{"error":{"code":429,"message":"Quota exceeded","details":[{"retryDelay":"34s"}]}}]`, class: fail.Throttled, code: rate, wait: 34 * time.Second},
		"an error of OpenRouter":        {status: 429, body: `{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"x is rate-limited upstream"}}}`, class: fail.Throttled, says: "rate-limited upstream"},
		"an error of Mistral":           {status: 422, body: `{"object":"error","message":{"detail":[{"type":"x","loc":["body","top_p"],"msg":"Too much"}]}}`, class: fail.Permanent, says: "top_p: Too much"},
		"other JSON":                    {status: 500, body: `{"fault":{"faultstring":"Body buffer overflow"}}`, class: fail.Transient, says: `{"fault":{"faultstring":"Body buffer overflow"}}`},
		"words":                         {status: 503, kind: "text/plain", body: "no healthy upstream", class: fail.Transient, says: "no healthy upstream"},
		"a page of a proxy":             {status: 502, kind: "text/html", body: "<html>\n<head><title>502 Bad Gateway</title></head></html>", class: fail.Transient, says: "502 Bad Gateway"},
		"an empty error":                {status: 404, body: ``, class: fail.Permanent, says: "llm.url"},
		"a rate limit in prose":         {status: 429, body: `{"error":{"message":"Please try again in 1m2.5s."}}`, class: fail.Throttled, wait: 62500 * time.Millisecond},
		"a rate limit that says little": {status: 429, body: `{"error":{"message":"Too many"}}`, class: fail.Throttled},
		"a rate limit and an instant": {
			status: 429, headers: "X-Ratelimit-Remaining-Requests: 0|X-Ratelimit-Reset-Requests: 1893456000", body: `{}`, class: fail.Throttled, wait: 5 * time.Minute,
		},
		"too long a prompt": {status: 400, body: `{"error":{"message":"This model's maximum context length is 4096 tokens"}}`, class: fail.Permanent, says: "generator.prompt_tokens"},
		"too high a bound":  {status: 400, body: `{"error":{"message":"max_tokens is too large: 900. This model supports at most 512."}}`, class: fail.Permanent, says: "generator.max_tokens"},

		"JSON as a text":        {kind: "text/plain", body: message(`"content":"` + ok + `"`), text: ok},
		"JSON as bytes":         {kind: "application/octet-stream", body: message(`"content":"` + ok + `"`), text: ok},
		"JSON without a type":   {kind: "none", body: message(`"content":"` + ok + `"`), text: ok},
		"JSON after a mark":     {body: "\ufeff" + message(`"content":"`+ok+`"`), text: ok},
		"JSON after a wait":     {body: "\n \n\n" + message(`"content":"`+ok+`"`), text: ok},
		"JSON after comments":   {body: ": PROCESSING\n\n: PROCESSING\n\n" + message(`"content":"`+ok+`"`), text: ok},
		"JSON and more":         {body: message(`"content":"`+ok+`"`) + "\n\n[DONE]", text: ok},
		"an odd usage":          {body: strings.Replace(message(`"content":"`+ok+`"`), `"prompt_tokens":5`, `"prompt_tokens":"many"`, 1), text: ok},
		"a choice without more": {body: `{"choices":[{"message":{"content":"` + ok + `"}}]}`, text: ok},
	}
}

func answering(t *testing.T, a answers) *openai.Provider {
	t.Helper()
	return provider(t, config(serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch a.kind {
		case "":
			w.Header().Set("Content-Type", "application/json")
		case "none":
			w.Header()["Content-Type"] = nil
		default:
			w.Header().Set("Content-Type", a.kind)
		}
		for line := range strings.SplitSeq(a.headers, "|") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				w.Header().Set(name, value)
			}
		}
		w.WriteHeader(max(a.status, http.StatusOK))
		_, _ = io.WriteString(w, a.body)
	}))))
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, a := range table() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := answering(t, a).Generate(t.Context(), llmtest.Request())
			if a.text != "" {
				if err != nil || got.Text != a.text || got.Truncated != a.cut {
					t.Errorf("got %q (cut: %v), %v; want %q (%v)", got.Text, got.Truncated, err, a.text, a.cut)
				}
				return
			}
			var e *llm.Error
			if !errors.As(err, &e) || e.Class != a.class {
				t.Fatalf("got %q, %v; want a failure that is %v", got.Text, err, a.class)
			}
			status := a.code
			if status == 0 {
				status = max(a.status, http.StatusOK)
			}
			wait := e.RetryAfter - a.wait
			if e.Status != status || wait < -time.Millisecond || wait > time.Millisecond || e.Answered != a.answered || e.Again || !strings.Contains(err.Error(), a.says) {
				t.Errorf("got %+v, want status %d, a wait of %v, answered %v, with %q", e, status, a.wait, a.answered, a.says)
			}
			if e.Answered && e.Class == fail.Transient && e.Usage.CompletionTokens != 7 {
				t.Errorf("the usage of the answer is lost: %+v", e.Usage)
			}
		})
	}
}

// A part of the request that models refuse is left out of later requests.
func TestWhatIsRefusedIsLeftOut(t *testing.T) {
	t.Parallel()
	const temperature, tokens, system = `"temperature"`, `"max_tokens"`, `"role":"system"`
	for name, test := range map[string]struct {
		status  int // 0 is 400
		refused []string
		says    []string
		want    string // in the next request
	}{
		"a temperature":       {0, []string{temperature}, []string{`{"error":{"message":"Unsupported parameter: 'temperature' is not supported with this model.","param":"temperature","code":"unsupported_parameter"}}`}, tokens},
		"any but the default": {0, []string{temperature}, []string{`{"error":{"message":"Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported."}}`}, tokens},
		"a deprecated one":    {0, []string{temperature}, []string{"{\"error\":{\"message\":\"`temperature` is deprecated for this model.\"}}"}, tokens},
		"in a list":           {422, []string{temperature}, []string{`{"detail":[{"type":"extra_forbidden","loc":["body","temperature"],"msg":"Extra inputs are not permitted"}]}`}, tokens},
		"the bound's field": {
			0, []string{`"max_tokens"`}, []string{`{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."}}`}, `"max_completion_tokens":200`,
		},
		"any bound": {
			0,
			[]string{`"max_tokens"`, `"max_completion_tokens"`},
			[]string{`{"error":{"message":"max_tokens is not supported"}}`, `{"error":{"message":"Unrecognized request argument supplied: max_completion_tokens"}}`},
			temperature,
		},
		"a system":             {0, []string{system}, []string{`{"error":{"message":"System role not supported"}}`}, `"content":"You are Anna, a librarian.\n\nWhy`},
		"a developer":          {0, []string{system}, []string{`[{"error":{"code":400,"message":"Developer instruction is not enabled for models/gemma"}}]`}, `You are Anna`},
		"roles that alternate": {0, []string{system}, []string{`{"error":{"message":"Conversation roles must alternate user/assistant/user/assistant/..."}}`}, `You are Anna`},
		"a template":           {500, []string{system}, []string{`{"error":"Only user and assistant roles are supported!"}`}, `You are Anna`},
		"a role":               {0, []string{system}, []string{`{"error":{"message":"Unsupported value: 'messages[0].role' does not support 'system' with this model."}}`}, `You are Anna`},
		"all there is": {
			0,
			[]string{temperature, tokens, system},
			[]string{`{"error":{"message":"temperature is not supported"}}`, `{"error":{"message":"max_tokens is not supported"}}`, `{"error":{"message":"system messages are not supported"}}`},
			`"max_completion_tokens":200`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var last string
			p := provider(t, config(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				last = string(body)
				w.Header().Set("Content-Type", "application/json")
				for i, part := range test.refused {
					if strings.Contains(last, part) {
						w.WriteHeader(max(test.status, http.StatusBadRequest))
						_, _ = io.WriteString(w, test.says[i])
						return
					}
				}
				_, _ = io.WriteString(w, message(`"content":"Yes."`))
			}))))
			for i := range test.refused {
				var e *llm.Error
				if _, err := p.Generate(t.Context(), llmtest.Request()); !errors.As(err, &e) || !e.Again || !e.Answered {
					t.Fatalf("refusal %d: got %v", i, err)
				}
			}
			for range 2 {
				if r, err := p.Generate(t.Context(), llmtest.Request()); err != nil || r.Text != "Yes." || !strings.Contains(last, test.want) {
					t.Errorf("got %+v, %v for %s", r, err, last)
				}
			}
		})
	}
}

// A value out of range is the operator's to fix, and a field that was not sent can't be left out.
func TestWhatCantBeLeftOutIsRefused(t *testing.T) {
	t.Parallel()
	for _, says := range []string{
		"max_tokens is too large: 200. This model supports at most 100.", "reasoning_effort is not supported", "max_completion_tokens is not supported", "The model is not supported.",
	} {
		p := answering(t, answers{status: http.StatusBadRequest, body: fmt.Sprintf(`{"error":{"message":%q}}`, says)})
		var e *llm.Error
		if _, err := p.Generate(t.Context(), llmtest.Request()); !errors.As(err, &e) || e.Again || e.Class != fail.Permanent || e.Advice == "" {
			t.Errorf("%s: got %v", says, err)
		}
	}
}

func TestExtraFieldsAreSent(t *testing.T) {
	t.Parallel()
	var body string
	c := config(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		_, _ = io.WriteString(w, message(`"content":"Yes."`))
	})))
	c.Extra = `{"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": false}, "a.b": 1, "top_k": 20}`
	if _, err := provider(t, c).Generate(t.Context(), llmtest.Request()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"reasoning_effort":"none"`, `"chat_template_kwargs":{"enable_thinking":false}`, `"a.b":1`, `"top_k":20`, `"messages":[{`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	for _, extra := range []string{`{"model":"other"}`, `{"Messages":[]}`, `{"stream":true}`, `{"max_tokens":9}`, `[]`, `null`, `"x"`, `{"a":1} {}`, `{`} {
		c.Extra = extra
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "extra: ") {
			t.Errorf("%s: got %v", extra, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, a := range table() {
		f.Add(a.body, a.status)
	}
	f.Fuzz(func(t *testing.T, body string, status int) {
		got, err := openai.Read(status, body)
		var e *llm.Error
		switch {
		case err == nil && (got.Text == "" || got.Text != strings.TrimSpace(got.Text)):
			t.Errorf("the text %q", got.Text)
		case err != nil && (!errors.As(err, &e) || got.Text != "" || strings.Contains(err.Error(), "\n") || len(e.Reason) > 2000):
			t.Errorf("the failure %v", err)
		}
	})
}
