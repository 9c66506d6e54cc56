package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
)

// pipes listens for connections in memory, whose deadlines go by the test's time.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.IPAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p <- there
	return here, nil
}

type (
	slowQuery struct{}
	slowInput struct {
		Body struct {
			Text string `json:"text"`
		}
	}
)

// slow takes as long as the checks may.
func slow[I any](ctx context.Context, _ *I) (*slowQuery, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(2 * time.Minute):
		return &slowQuery{}, nil
	}
}

func TestOperationsMayTakeMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, r := &operation.Set{Log: zap.NewNop()}, chi.NewRouter()
		op := operation.Operation{ID: "read-slowly", Method: http.MethodGet, Path: "/slow", Role: access.Viewer}
		operation.Add(set, op, slow[slowQuery])
		op.ID, op.Method = "ask-slowly", http.MethodPost
		operation.Add(set, op, slow[slowInput])
		known := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(access.With(r.Context(), &access.Principal{Role: access.Viewer})))
			})
		}
		r.Use(known)
		set.Register(humachi.New(r, describe()))
		connections := make(pipes)
		server := &http.Server{Handler: r, ReadTimeout: readTimeout, WriteTimeout: writeTimeout}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(connections) }()
		transport := &http.Transport{DialContext: connections.dial}
		for method, body := range map[string]string{http.MethodGet: "", http.MethodPost: `{"text": "x"}`} {
			asked, err := http.NewRequestWithContext(t.Context(), method, "http://console/api/v1/slow", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			asked.Header.Set("Content-Type", "application/json")
			answer, err := transport.RoundTrip(asked)
			if err != nil {
				t.Fatal(err)
			}
			if _ = answer.Body.Close(); answer.StatusCode != http.StatusNoContent {
				t.Errorf("%s: %d", method, answer.StatusCode)
			}
		}
		transport.CloseIdleConnections()
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

func TestOnlyUsersSendMuch(t *testing.T) {
	c := serve(t, nil)
	c.user("anna", access.Owner)
	long := strings.Repeat("x", 64<<10)
	if said := c.visitor().post("/login", "name", "anna", "password", good("anna"), "next", long); said.location() == "/" {
		t.Error("a login is read, however long it is")
	}
	file, v := "# "+strings.Repeat(long, 100), c.login("anna")
	if said := v.post("/cast/plan", "file", file); strings.Contains(said.text, "too large") {
		t.Error("a long cast file is refused as a form")
	}
	if said := v.ask(http.MethodPost, "/api/v1/cast/plan", "application/json", fmt.Sprintf(`{"file": %q}`, file)); said.StatusCode == http.StatusRequestEntityTooLarge {
		t.Error("a long cast file is refused by the API")
	}
}
