package telegram_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// If the network doesn't accept data, a call stays in the sender's kernel. After the call
// has timed out, nothing of it may be sent.
func TestNothingLeavesAfterACallWasGivenUp(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*httptest.Server){
		"HTTP/1.1": (*httptest.Server).Start,
		"TLS":      (*httptest.Server).StartTLS,
		"HTTP/2":   func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network := newClogged(t)
			var calls atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if body, err := io.ReadAll(r.Body); err == nil && json.Valid(body) {
					calls.Add(1)
				}
				_, _ = w.Write([]byte(`{"ok":true,"result":{"message_id":1}}`))
			}))
			_ = server.Listener.Close()
			server.Listener = network
			start(server)
			t.Cleanup(server.Close)
			cfg := config(server.URL)
			cfg.ConnectTimeout, cfg.Timeout = 5*time.Second, 2*time.Second
			c := newClient(t, cfg)
			if server.TLS != nil {
				telegram.Trust(c, server.Certificate())
			}
			if out := send(t, c); out.Kind != telegram.Done || calls.Load() != 1 {
				t.Fatalf("%+v", out)
			}

			network.clog()
			long := telegram.Message{ChatID: -5, Text: strings.Repeat("🎈", telegram.MaxText/2)}
			if out := c.SendMessage(t.Context(), secret.New(token), long); out.Kind != telegram.Unknown {
				t.Fatalf("%+v", out)
			}
			network.clear()
			select {
			case <-network.ended:
			case <-time.After(20 * time.Second):
				t.Error("the connection of the call did not end")
			}
			if n := calls.Load(); n != 1 {
				t.Errorf("the call arrived after it was given up")
			}
		})
	}
}

// clogged is a listener that reads nothing for a time, with a small receive buffer.
type clogged struct {
	net.Listener

	ended chan struct{} // closed when a connection has ended

	mu   sync.Mutex
	free chan struct{} // closed while reads are allowed
	end  func()
}

func newClogged(t *testing.T) *clogged {
	t.Helper()
	small := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1) // the minimum
		})
		if err != nil {
			return err
		}
		return failed
	}}
	l, err := small.Listen(context.WithoutCancel(t.Context()), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &clogged{Listener: l, ended: make(chan struct{}), free: make(chan struct{})}
	c.end = sync.OnceFunc(func() { close(c.ended) })
	close(c.free)
	return c
}

func (c *clogged) clog() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = make(chan struct{})
}

func (c *clogged) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.free)
}

func (c *clogged) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slow{conn, c}, nil
}

type slow struct {
	net.Conn

	network *clogged
}

func (s *slow) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.network.mu.Lock()
	free := s.network.free
	s.network.mu.Unlock()
	<-free
	if err != nil && !s.isDeadline(err) {
		s.network.end()
	}
	return n, err
}

func (*slow) isDeadline(err error) bool {
	timeout, is := err.(net.Error) //nolint:errorlint // unwrapped, as the connection returns it
	return is && timeout.Timeout()
}
