package llmapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key   = "sk-of-the-stub"
	hello = `{"model":"chorus-offline","messages":[{"role":"user","content":"Hello there"}]}`
)

func server(t *testing.T, opts llmapi.Options) *llmapi.API {
	t.Helper()
	api, err := llmapi.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// call makes a request in this process and returns what was answered.
func call(t *testing.T, h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func complete(t *testing.T, h http.Handler, body string) *httptest.ResponseRecorder {
	t.Helper()
	return call(t, h, http.MethodPost, "/v1/chat/completions", body)
}

type completion struct {
	Object  string
	Model   string
	Choices []struct {
		Message      struct{ Role, Content string }
		FinishReason string `json:"finish_reason"`
	}
	Usage struct {
		TotalTokens int `json:"total_tokens"`
	}
}

func text(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var c completion
	if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
	}
	if len(c.Choices) != 1 || c.Object != "chat.completion" || c.Usage.TotalTokens == 0 {
		t.Fatalf("got %+v", c)
	}
	return c.Choices[0].Message.Content
}

func TestAnswersTheLastUserMessage(t *testing.T) {
	t.Parallel()
	api := server(t, llmapi.Options{})
	for asked, want := range map[string]string{
		"Hello there":               "!",
		"Are you a bot?":            "bot",
		"I grow purple artichokes.": "artichokes",
	} {
		body := fmt.Sprintf(`{"model":"chorus-offline","messages":[{"role":"user","content":"Bye"},{"role":"user","content":%q}]}`, asked)
		got := text(t, complete(t, api, body))
		if !strings.Contains(strings.ToLower(got), want) && want != "!" || got == "" {
			t.Errorf("asked %q, answered %q, want %q in it", asked, got, want)
		}
		if again := text(t, complete(t, api, body)); again != got {
			t.Errorf("the same request gave %q and %q", got, again)
		}
	}
}

func TestUnderstandsChorusPrompts(t *testing.T) {
	t.Parallel()
	api := server(t, llmapi.Options{})
	user := "<chat>\nViktor: Good evening.\n</chat>\n\nAnna answers this message:\n<chat>\nMia: who is the real monster in Frankenstein?\n</chat>\n" +
		"The topic is: Frankenstein\n"
	body, err := json.Marshal(map[string]any{"model": llmapi.DefaultModel, "messages": []map[string]string{
		{"role": "system", "content": "You write one chat message for Anna, a persona in a book club that reads novels."},
		{"role": "user", "content": user},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := text(t, complete(t, api, string(body)))
	for _, answer := range []string{"Victor", "court", "loneliness", "creature"} {
		if strings.Contains(got, answer) {
			return
		}
	}
	t.Errorf("answered %q", got)
}

func TestContentInParts(t *testing.T) {
	t.Parallel()
	api := server(t, llmapi.Options{Text: "Canned."})
	body := `{"model":"chorus-offline","messages":[{"role":"user","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]}]}`
	if got := text(t, complete(t, api, body)); got != "Canned." {
		t.Errorf("got %q", got)
	}
	if got := api.Calls()[0].Messages[0].Content; got != "one\ntwo" {
		t.Errorf("read %q", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	api := server(t, llmapi.Options{})
	for name, tt := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"no JSON":         {"POST", "/v1/chat/completions", "{", 400, "parse"},
		"wrong type":      {"POST", "/v1/chat/completions", `{"model":5}`, 400, "parse"},
		"no model":        {"POST", "/v1/chat/completions", `{"messages":[]}`, 400, "model"},
		"unknown model":   {"POST", "/v1/chat/completions", strings.Replace(hello, "offline", "9000", 1), 404, "model_not_found"},
		"no messages":     {"POST", "/v1/chat/completions", `{"model":"chorus-offline"}`, 400, "messages"},
		"unknown role":    {"POST", "/v1/chat/completions", strings.Replace(hello, `"user"`, `"bard"`, 1), 400, "bard"},
		"stream":          {"POST", "/v1/chat/completions", strings.Replace(hello, "{", `{"stream":true,`, 1), 400, "stream"},
		"two choices":     {"POST", "/v1/chat/completions", strings.Replace(hello, "{", `{"n":2,`, 1), 400, "choice"},
		"hot":             {"POST", "/v1/chat/completions", strings.Replace(hello, "{", `{"temperature":9,`, 1), 400, "0 to 2"},
		"negative tokens": {"POST", "/v1/chat/completions", strings.Replace(hello, "{", `{"max_tokens":-1,`, 1), 400, "max_tokens"},
		"too long":        {"POST", "/v1/chat/completions", `{"model":"` + strings.Repeat("x", 5<<20) + `"}`, 413, "too long"},
		"unknown path":    {"POST", "/v1/images", "", 404, "Invalid URL"},
		"wrong method":    {"GET", "/v1/chat/completions", "", 405, "Not allowed"},
	} {
		w := call(t, api, tt.method, tt.path, tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: %d %s, want %d with %q", name, w.Code, w.Body, tt.status, tt.want)
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	api := server(t, llmapi.Options{Key: secret.New(key)})
	for header, want := range map[string]int{
		"": 401, "Bearer wrong": 401, key: 401, "Bearer " + key: 200,
	} {
		if got := call(t, api, http.MethodGet, "/v1/models", "", "Authorization", header).Code; got != want {
			t.Errorf("Authorization %q: %d, want %d", header, got, want)
		}
		call(t, api, http.MethodPost, "/v1/chat/completions", hello, "Authorization", header)
	}
	log := fmt.Sprintf("%+v", api.Calls())
	if len(api.Calls()) != 1 || strings.Contains(log, key) {
		t.Errorf("the log of calls is %s", log)
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	w := call(t, server(t, llmapi.Options{Models: []string{"a", "b"}}), http.MethodGet, "/v1/models", "")
	want := `{"object":"list","data":[{"id":"a","object":"model","created":0,"owned_by":"chorus"},{"id":"b","object":"model","created":0,"owned_by":"chorus"}]}`
	if diff := cmp.Diff(want, strings.TrimSpace(w.Body.String())); diff != "" {
		t.Error(diff)
	}
}

func TestFaultAnswers(t *testing.T) {
	t.Parallel()
	for kind, tt := range map[llmapi.Kind]struct {
		status int
		want   string
	}{
		llmapi.Unauthorized: {401, "invalid_api_key"},
		llmapi.RateLimited:  {429, "rate_limit_exceeded"},
		llmapi.NoCredit:     {429, "insufficient_quota"},
		llmapi.ServerError:  {500, "server_error"},
		llmapi.BadGateway:   {502, "<html>"},
		llmapi.Malformed:    {200, `"choices":[{"mess`},
		llmapi.NoChoices:    {200, `"choices":[]`},
		llmapi.Empty:        {200, `"content":""`},
		llmapi.Filtered:     {200, "content_filter"},
		llmapi.TooLong:      {200, strings.Repeat("x ", 9_999)},
		llmapi.Slow:         {200, `"content":"x"`},
	} {
		api := server(t, llmapi.Options{Text: "x", Faults: []llmapi.Fault{{Kind: kind, RetryAfter: jsontime.Duration(9 * time.Second)}}})
		w := complete(t, api, hello)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: %d %.200s, want %d with %q", kind, w.Code, w.Body, tt.status, tt.want)
		}
		if kind == llmapi.RateLimited && (w.Header().Get("Retry-After") != "9" || w.Header().Get("X-Ratelimit-Remaining-Requests") != "0") {
			t.Errorf("headers of a rate limit: %v", w.Header())
		}
		if got := api.Calls(); len(got) != 1 || got[0].Fault != kind || got[0].Status != tt.status {
			t.Errorf("%s: the log says %+v", kind, got)
		}
	}
}

// TestBrokenConnections needs a real connection.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	api := server(t, llmapi.Options{Faults: []llmapi.Fault{{Kind: llmapi.Reset}}})
	s := httptest.NewServer(api)
	defer s.Close()
	defer s.Client().CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/chat/completions", strings.NewReader(hello))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(r)
	if err == nil {
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		t.Errorf("got %d %s from a broken connection", resp.StatusCode, body)
	}
}

func TestFaultsEndAndHitByRate(t *testing.T) {
	t.Parallel()
	statuses := func(seed uint64, f llmapi.Fault) (failed int, order string) {
		api := server(t, llmapi.Options{Text: "x", Seed: seed, Faults: []llmapi.Fault{f}})
		for range 200 {
			code := complete(t, api, hello).Code
			order += fmt.Sprint(code, " ")
			if code == http.StatusInternalServerError {
				failed++
			}
		}
		return failed, order
	}
	if n, _ := statuses(1, llmapi.Fault{Kind: llmapi.ServerError, Times: 3}); n != 3 {
		t.Errorf("a fault for 3 calls hit %d", n)
	}
	n, first := statuses(1, llmapi.Fault{Kind: llmapi.ServerError, Rate: 0.3})
	if n < 40 || n > 80 {
		t.Errorf("a rate of 0.3 hit %d of 200", n)
	}
	if _, again := statuses(1, llmapi.Fault{Kind: llmapi.ServerError, Rate: 0.3}); again != first {
		t.Error("the same seed hit other calls")
	}
	if _, other := statuses(2, llmapi.Fault{Kind: llmapi.ServerError, Rate: 0.3}); other == first {
		t.Error("another seed hit the same calls")
	}
}

func TestWrongFaultsChangeNothing(t *testing.T) {
	t.Parallel()
	api := server(t, llmapi.Options{Text: "x"})
	if err := api.SetFaults(llmapi.Fault{Kind: llmapi.RateLimited, Times: 2, RetryAfter: jsontime.Duration(7 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	for want, bad := range map[string]llmapi.Fault{
		`kind: "gremlin", want one of`: {Kind: "gremlin"},
		"rate: 2, want 0 to 1":         {Kind: llmapi.Slow, Rate: 2},
		"times: -1":                    {Kind: llmapi.Slow, Times: -1},
		"delay: -1s":                   {Kind: llmapi.Slow, Delay: jsontime.Duration(-time.Second)},
		"whole seconds":                {Kind: llmapi.RateLimited, RetryAfter: jsontime.Duration(1500 * time.Millisecond)},
	} {
		if err := api.SetFaults(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", bad, err, want)
		}
	}
	if code := complete(t, api, hello).Code; code != http.StatusTooManyRequests {
		t.Errorf("got %d with the fault on: a wrong one must not change it", code)
	}
	if err := api.SetFaults(); err != nil {
		t.Fatal(err)
	}
	if code := complete(t, api, hello).Code; code != http.StatusOK {
		t.Errorf("got %d with no fault on", code)
	}
	if calls := api.Calls(); len(calls) != 2 || calls[1].Seq != 2 {
		t.Errorf("calls: %+v", calls)
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{hello, "{", `{"model":"chorus-offline","messages":[{"role":"user","content":[{"type":"text","text":"<chat>\n: \n</chat>"}]}]}`, "null", `{"model":"chorus-offline","messages":[{"role":"system","content":"You are X."}]}`} {
		f.Add(s)
	}
	api, err := llmapi.New(llmapi.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
		if !json.Valid(w.Body.Bytes()) || w.Code != http.StatusOK && w.Code/100 != 4 {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
