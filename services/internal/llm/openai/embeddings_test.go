package openai_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
)

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	const works = fail.Class(-1)
	const head, tail = `{"object":"list","model":"m","data":[`, `],"usage":{"prompt_tokens":9,"total_tokens":9}}`
	for name, tt := range map[string]struct {
		status int
		answer string
		class  fail.Class // or works
	}{
		"in another order":    {200, head + `{"index":1,"embedding":[0,2]},{"index":0,"embedding":[1,0.5]}` + tail, works},
		"too few":             {200, head + `{"index":0,"embedding":[1,2]}` + tail, fail.Transient},
		"one twice":           {200, head + `{"index":0,"embedding":[1,2]},{"index":0,"embedding":[1,2]}` + tail, fail.Transient},
		"one too many":        {200, head + `{"index":0,"embedding":[1]},{"index":1,"embedding":[1]},{"index":2,"embedding":[1]}` + tail, fail.Transient},
		"of unlike lengths":   {200, head + `{"index":0,"embedding":[1]},{"index":1,"embedding":[1,2]}` + tail, fail.Transient},
		"empty ones":          {200, head + `{"index":0,"embedding":[]},{"index":1,"embedding":[]}` + tail, fail.Transient},
		"no JSON":             {200, `<html>`, fail.Transient},
		"a rate limit":        {429, `{"error":{"message":"slow down"}}`, fail.Throttled},
		"a model of no sense": {404, `{"error":{"message":"no such model ` + key + `"}}`, fail.Permanent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config(serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.answer))
			})))
			transport := &http.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			e, err := openai.NewEmbeddings(c, &http.Client{Transport: transport})
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Generate(t.Context(), llm.Request{Messages: []llm.Message{{Content: "one"}, {Content: "two"}}})
			if tt.class != works {
				if err == nil || fail.ClassOf(err) != tt.class || strings.Contains(err.Error(), key) {
					t.Errorf("got %v, want %v without the key", err, tt.class)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]float32{{1, 0.5}, {0, 2}}, got.Embeddings); diff != "" || got.Usage.PromptTokens != 9 {
				t.Errorf("(-want +got): %s; %d tokens", diff, got.Usage.PromptTokens)
			}
		})
	}
}

func TestNoTextsHaveNoEmbeddings(t *testing.T) {
	t.Parallel()
	e, err := openai.NewEmbeddings(config("http://127.0.0.1:1/v1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Generate(t.Context(), llm.Request{}); fail.ClassOf(err) != fail.Permanent {
		t.Errorf("got %v", err)
	}
}
