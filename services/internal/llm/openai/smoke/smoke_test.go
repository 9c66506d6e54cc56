package smoke_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// startTimeout limits the download and the start of the server.
const startTimeout = 3 * time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server starts the third party's server and returns its address.
func server(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	node, modules, err := testenv.Node(ctx, ".")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs("rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.CommandContext(t.Context(), node, filepath.Join(modules, "@dwmkerr", "mock-llm", "dist", "main.js"), "--config", rules)
	cmd.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	testenv.Eventually(t, "the server listens", func() (string, bool) {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return err.Error(), false
		}
		return "", c.Close() == nil
	})
	return "http://" + address + "/v1"
}

type nobody struct{}

func (nobody) Record(usage.Call)                       {}
func (nobody) Spent(string, time.Time) (s usage.Spent) { return s }

func TestAServerThatOthersWrote(t *testing.T) {
	t.Parallel()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	cfg := openai.Default()
	cfg.Name, cfg.BaseURL, cfg.Model = "theirs", server(t), "gpt-5.2"
	theirs, err := openai.New(cfg, &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(p llm.Provider, text string) (llm.Response, error) {
		return p.Generate(t.Context(), llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Content: text}}, MaxTokens: 50})
	}
	r, err := ask(theirs, "Hello")
	if err != nil || r.Text != "Page by page, then." || r.Model != "gpt-5.2" {
		t.Errorf("got %+v, %v", r, err)
	}
	for text, want := range map[string]struct {
		class  fail.Class
		status int
	}{
		"error-429": {fail.Throttled, 429}, "error-500": {fail.Transient, 500}, "error-401": {fail.Permanent, 401},
	} {
		_, err := ask(theirs, text)
		var failed *llm.Error
		if !errors.As(err, &failed) || failed.Class != want.class || failed.Status != want.status {
			t.Errorf("%s: %v", text, err)
		}
	}

	// A chain moves on to the next provider, and comes back.
	limits := chain.DefaultLimits()
	limits.BreakerFailures, limits.BreakerDelay = 2, time.Second
	c := chain.New([]chain.Link{
		{Name: "theirs", Provider: theirs, Limits: limits},
		{Name: "spare", Provider: spare{}, Limits: chain.DefaultLimits()},
	}, chain.Deps{Ledger: nobody{}, Log: zap.NewNop()})
	chained := func(text string) string {
		r, err := c.Generate(t.Context(), llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Content: text}}})
		if err != nil {
			return fmt.Sprint(err)
		}
		return r.Text
	}
	for _, text := range []string{"error-500", "error-500", "Hello while the breaker is open"} {
		if got := chained(text); got != "From the spare one." {
			t.Errorf("%s: %q", text, got)
		}
	}
	testenv.Eventually(t, "the breaker closes", func() (string, bool) {
		got := chained("Hello")
		return got, got == "Page by page, then."
	})
	if got := chained("error-429"); got != "From the spare one." {
		t.Errorf("after a 429: %q", got)
	}
	if got := chained("Hello"); got != "From the spare one." {
		t.Errorf("while it wants to be left alone: %q", got)
	}
}

// spare is a provider that always writes.
type spare struct{}

func (spare) Generate(context.Context, llm.Request) (llm.Response, error) {
	return llm.Response{Text: "From the spare one."}, nil
}
