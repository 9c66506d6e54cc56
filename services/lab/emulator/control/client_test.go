package control_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is one of a server that always answers the same.
func client(t *testing.T, h http.HandlerFunc) *control.Client {
	t.Helper()

	server := httptest.NewServer(h)

	c, err := control.New(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		c.Close()
		server.Close()
	})

	return c
}

func TestAWrongAddressSaysWhatIsAllowed(t *testing.T) {
	t.Parallel()

	for _, address := range []string{"", "127.0.0.1:8081", "localhost", "ftp://localhost", "http://", "http://a b"} {
		if _, err := control.New(address); err == nil || !strings.Contains(err.Error(), "must be like http://127.0.0.1:8081") {
			t.Errorf("%q: got %v", address, err)
		}
	}
}

func TestARefusalIsAnError(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name, body string
		status     int
		want       string
	}{
		{"as the emulator says it", `{"error":"name: no"}`, 400, "name: no"},
		{"no JSON", "<html>", 502, "answered 502 Bad Gateway"},
		{"JSON of another kind", `{"ok":false}`, 404, "answered 404 Not Found"},
		{"nothing", "", 500, "answered 500 Internal Server Error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			c := client(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			})

			_, errBots := c.Bots(t.Context())
			errReset := c.Reset(t.Context())

			var errCalls error
			for _, err := range c.Calls(t.Context(), control.Filter{}) {
				errCalls = err
			}

			for _, err := range []error{errBots, errReset, errCalls} {
				var refused *control.Error
				if !errors.As(err, &refused) || refused.Status != tt.status || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %d %s", err, tt.status, tt.want)
				}
			}
		})
	}
}

func TestAnAnswerThatBreaksOffIsAnError(t *testing.T) {
	t.Parallel()

	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		body := `[{"id":1},`
		if strings.HasSuffix(r.URL.Path, "/calls") {
			body = `{"seq":1}{"seq":`
		}

		_, _ = w.Write([]byte(body))
	})

	if _, err := c.Bots(t.Context()); err == nil || !strings.Contains(err.Error(), "read the answer to GET /bots") {
		t.Errorf("got %v", err)
	}

	var errs []error
	for _, err := range c.Calls(t.Context(), control.Filter{}) {
		errs = append(errs, err)
	}

	if len(errs) != 2 || errs[0] != nil || errs[1] == nil {
		t.Errorf("got %v, want a call and an error", errs)
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	c := client(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})

	if _, err := c.Limits(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}

	for _, err := range c.Calls(ctx, control.Filter{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("calls: got %v, want context.Canceled", err)
		}
	}

	for _, err := range c.Calls(ctx, control.Filter{Follow: true}) {
		t.Errorf("a follower that leaves got %v", err)
	}
}
