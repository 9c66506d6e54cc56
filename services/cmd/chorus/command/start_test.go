package command_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/cmd/chorus/command"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// A service doesn't end if its database and bus come and go during its start: each step of
// the start is retried, not only the first connection.
func TestAServiceStartsThroughHiccups(t *testing.T) {
	t.Parallel()
	cfg := bus.DefaultConfig()
	cfg.URL = testenv.NATS(t)
	bustest.Open(t, cfg)
	links := []*testenv.Link{testenv.Proxy(t, journaltest.Open(t).Config().ConnString()), testenv.Proxy(t, cfg.URL)}
	ops := freeAddress(t)
	stop := testenv.Background(t, func(ctx context.Context) error {
		cmd := command.New()
		cmd.SetArgs([]string{"planner", "--database.url", links[0].URL(), "--nats.url", links[1].URL(), "--ops.listen", ops})
		return cmd.ExecuteContext(ctx)
	})
	for range 10 {
		for _, l := range links {
			l.Cut()
		}
		elapse(t, 200*time.Millisecond)
		for _, l := range links {
			l.Restore()
		}
		elapse(t, 100*time.Millisecond)
	}
	testenv.Eventually(t, "it is ready", func() (string, bool) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ops+"/readyz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err.Error(), false
		}
		_ = resp.Body.Close()
		return fmt.Sprint(resp.StatusCode), resp.StatusCode == http.StatusOK
	})
	stop()
}

func elapse(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// freeAddress returns a local address at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
