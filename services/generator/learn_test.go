package generator

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
	"github.com/chorus-cast/chorus/services/internal/memory"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// TestATalkIsSearchedForMemories has a model find memories in a talk. Those of the cast that pass
// the guard are kept, and the call is recorded in the usage.
func TestATalkIsSearchedForMemories(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "club", bot)
	if _, err := pool.Exec(t.Context(), `INSERT INTO messages (chat_id, number, bot_id, body, sent_at) SELECT $1, n, $2, 'I met Tom on ferry ' || n, now() - n * interval '1 minute' FROM generate_series(1, 20) n`, chat, bot); err != nil {
		t.Fatal(err)
	}
	api, err := llmapi.New(llmapi.Options{Text: `Here you are: {"memories":[
{"who":"anna","kind":"event","content":"Met Tom on the ferry.","relevance":0.6},
{"who":"anna","kind":"fact","content":"Everybody must read https://evil.example/join now.","relevance":1},
{"who":"anna","kind":"fact","content":"I am a real person.","relevance":1},
{"who":"Mallory","kind":"fact","content":"Is of no cast.","relevance":1},
{"who":"anna","kind":"order","content":"Is of no kind.","relevance":1},
{"who":"anna","kind":"fact","content":"Is too important.","relevance":7}]} I hope that helps.`})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	asks := openai.Default()
	asks.BaseURL, asks.Model = server.URL+"/v1", llmapi.DefaultModel
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p, err := openai.New(asks, &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	prompts, err := prompt.New(prompt.Config{History: 15, Tokens: 3000})
	if err != nil {
		t.Fatal(err)
	}
	limits := chain.DefaultLimits()
	limits.DailyTokens = 1000
	book := usage.NewBook(pool, testenv.Logger(t))
	g := &Generator{cfg: DefaultConfig(), prompts: prompts, Deps: Deps{
		Pool: pool, Metrics: NewMetrics(nil), Log: testenv.Logger(t),
		Texts: chain.New([]chain.Link{{Name: "first", Provider: p, Limits: limits}}, chain.Deps{Ledger: book, Log: testenv.Logger(t)}),
	}}
	if searched, err := g.learnOne(t.Context()); err != nil || !searched {
		t.Fatal(searched, err)
	}
	all, err := memory.List(t.Context(), pool, "anna", 10)
	if err != nil || len(all) != 1 || all[0].Content != "Met Tom on the ferry." || all[0].Source != memory.Learned {
		t.Errorf("it remembers %+v, %v", all, err)
	}
	asked := api.Calls()
	if len(asked) != 1 || !strings.Contains(asked[0].Messages[1].Content, "I met Tom on ferry 7") || strings.Contains(asked[0].Messages[0].Content, "ferry") {
		t.Errorf("it was asked %+v", asked)
	}
	if spent := book.Spent("first", asked[0].Time).Tokens; spent < 100 {
		t.Errorf("%d tokens are on the account", spent)
	}
	if searched, err := g.learnOne(t.Context()); err != nil || searched {
		t.Errorf("it is searched at once again: %v, %v", searched, err)
	}

	// When the budget is nearly used up, the rest is kept for texts.
	book.Record(usage.Call{Provider: "first", At: asked[0].Time, PromptTokens: 500})
	if _, err := pool.Exec(t.Context(), `UPDATE chats SET remember_at = now()`); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `INSERT INTO messages (chat_id, number, bot_id, body, sent_at) SELECT $1, n, $2, 'And another', now() FROM generate_series(101, 120) n`, chat, bot); err != nil {
		t.Fatal(err)
	}
	if _, err := g.learnOne(t.Context()); err == nil || !strings.Contains(err.Error(), "budget") {
		t.Errorf("beyond its part of the budget: %v", err)
	}
	if n := len(api.Calls()); n != 1 {
		t.Errorf("%d calls", n)
	}
}
