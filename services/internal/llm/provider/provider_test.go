package provider_test

import (
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/llm/llmtest"
	"github.com/chorus-cast/chorus/services/internal/llm/provider"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDefaultWritesOffline(t *testing.T) {
	t.Parallel()
	links, err := provider.New(provider.DefaultConfig())
	if err != nil || len(links) != 1 {
		t.Fatal(links, err)
	}
	r, err := links[0].Provider.Generate(t.Context(), llmtest.Request())
	if err != nil || !r.Offline || r.Text == "" {
		t.Errorf("got %+v, %v, want an offline text", r, err)
	}
}

// A kind that the documentation and the setting's help don't name would not be found.
func TestEveryKindIsNamedWhereItIsChosen(t *testing.T) {
	t.Parallel()
	field, _ := reflect.TypeFor[provider.One]().FieldByName("Kind")
	models, err := os.ReadFile("../../../../docs/models.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range provider.Kinds() {
		if doc := field.Tag.Get("doc"); !strings.Contains(doc, kind+" (") {
			t.Errorf("the doc of llm.kind has no %s (and what it is): %s", kind, doc)
		}
		if kind != provider.Offline && !strings.Contains(string(models), "kind: "+kind+"\n") {
			t.Errorf("docs/models.md has no example of kind: %s", kind)
		}
	}
}

func TestAPIWithKeyByReference(t *testing.T) {
	const key = "sk-by-reference"
	t.Setenv("CHORUS_TEST_LLM_KEY", key)
	api, err := llmapi.New(llmapi.Options{Key: secret.New(key), Text: "Hello."})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(api)
	defer s.Close()

	c := provider.DefaultConfig()
	c.Kind, c.URL, c.Model, c.Key = provider.OpenAI, s.URL+"/v1", llmapi.DefaultModel, secret.Ref{Env: "CHORUS_TEST_LLM_KEY"}
	c.Second.Kind, c.Second.Name = provider.Offline, "spare"
	links, err := provider.New(c)
	if err != nil || len(links) != 2 || links[0].Name != "openai" || links[1].Name != "spare" {
		t.Fatal(links, err)
	}
	r, err := links[0].Provider.Generate(t.Context(), llmtest.Request())
	if err != nil || r.Text != "Hello." || r.Offline {
		t.Errorf("got %+v, %v, want the server's text", r, err)
	}
}

func TestWrongConfig(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*provider.Config)
		want   string
	}{
		"unknown kind":               {func(c *provider.Config) { c.Kind = "gpt" }, `kind: "gpt", want offline or openai`},
		"URL for offline":            {func(c *provider.Config) { c.URL = "https://api.example.org/v1" }, "url: is set, but kind is offline"},
		"model for offline":          {func(c *provider.Config) { c.Model = "m" }, `model: "m" is set, but kind is offline`},
		"API without URL":            {func(c *provider.Config) { c.Kind = provider.OpenAI }, "url: is empty"},
		"API without model":          {func(c *provider.Config) { c.Kind = provider.OpenAI }, "model: is empty"},
		"key that isn't set":         {withKey(secret.Ref{Env: "CHORUS_TEST_NO_SUCH_KEY"}), "CHORUS_TEST_NO_SUCH_KEY is not set"},
		"a second without a kind":    {func(c *provider.Config) { c.Second.URL = "http://127.0.0.1:1/v1" }, "second.kind: is empty"},
		"a second of no kind":        {func(c *provider.Config) { c.Second.Kind = "gpt" }, `second.kind: "gpt", want offline or openai`},
		"a third as the second":      {func(c *provider.Config) { c.Third.Kind = provider.Offline }, "third.kind: is set, but second.kind is not"},
		"two of a name":              {func(c *provider.Config) { c.Second.Kind = provider.Offline }, `second.name: "offline" is the name of another provider too`},
		"an odd name":                {func(c *provider.Config) { c.Name = "a b" }, `name: "a b", want 1 to 32 letters`},
		"no workers":                 {func(c *provider.Config) { c.Workers = 0 }, "workers: 0, want 1 to 1000"},
		"a budget without prices":    {func(c *provider.Config) { c.DailyCost = 4 }, "daily_cost: 4, but without prompt_price"},
		"embeddings without a model": {func(c *provider.Config) { c.Embeddings.URL = "http://127.0.0.1:1/v1" }, "embeddings.model: is empty"},
		"a provider called embeddings": {func(c *provider.Config) {
			c.Name, c.Embeddings.URL, c.Embeddings.Model = "embeddings", "http://127.0.0.1:1/v1", "m"
		}, `name: "embeddings" is the name of the embeddings`},
		"key in the open": {withKey(secret.Ref{Env: "sk-in-the-open"}), "must not stand here"},
	} {
		c := provider.DefaultConfig()
		tt.change(&c)
		_, err := provider.New(c)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "sk-in-the-open") {
			t.Errorf("%s: the error carries the key", name)
		}
	}
}

func withKey(ref secret.Ref) func(*provider.Config) {
	return func(c *provider.Config) {
		c.Kind, c.URL, c.Model, c.Key = provider.OpenAI, "http://127.0.0.1:1/v1", "m", ref
	}
}

// If a price is set, a day has a budget by default.
func TestADaysCostHasADefault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*provider.Config)
		want   float64
	}{
		"no price":           {func(*provider.Config) {}, 0},
		"a price":            {func(c *provider.Config) { c.PromptPrice = 0.15 }, 5},
		"a price of answers": {func(c *provider.Config) { c.CompletionPrice = 0.6 }, 5},
		"another budget":     {func(c *provider.Config) { c.PromptPrice, c.DailyCost = 0.15, 2 }, 2},
		"no budget":          {func(c *provider.Config) { c.PromptPrice, c.DailyCost = 0.15, 0 }, 0},
	} {
		cfg := provider.DefaultConfig()
		cfg.Kind, cfg.URL, cfg.Model = provider.OpenAI, "http://127.0.0.1:1/v1", "m"
		cfg.Embeddings.URL, cfg.Embeddings.Model = "http://127.0.0.1:1/v1", "m"
		c.change(&cfg)
		cfg.Embeddings.Price, cfg.Embeddings.DailyCost = cfg.PromptPrice+cfg.CompletionPrice, cfg.DailyCost
		links, err := provider.New(cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := links[0].Limits.DailyCost; got != c.want {
			t.Errorf("%s: a day may cost %v, want %v", name, got, c.want)
		}
		if got := cfg.Budgets()["embeddings"].DailyCost; got != c.want {
			t.Errorf("%s: a day of embeddings may cost %v, want %v", name, got, c.want)
		}
	}
}
