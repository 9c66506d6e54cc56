package telegram_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram/telegramtest"
)

func TestNothingWritten(t *testing.T) {
	t.Parallel()
	untrusted := telegramtest.NewTLS(t)
	for name, url := range map[string]string{
		"refused":               "http://" + telegramtest.Refusing(t),
		"no such host":          "http://chorus.invalid",
		"untrusted certificate": untrusted.URL,
		"TLS hangs":             "https://" + telegramtest.Deaf(t),
		"TLS garbled":           "https://" + telegramtest.Garbled(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(url)
			cfg.ConnectTimeout = 200 * time.Millisecond
			out := send(t, newClient(t, cfg))
			if out.Kind != telegram.NotSent || out.Status != 0 || out.Description == "" || strings.Contains(out.Description, "sendMessage") {
				t.Errorf("%+v", out)
			}
		})
	}
	t.Cleanup(func() {
		if n := len(untrusted.Calls()); n != 0 {
			t.Errorf("a server that isn't trusted got %d calls", n)
		}
	})
}

func TestWrittenAndUnanswered(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		step   telegramtest.Step
		status int
	}{
		"reset before reading": {telegramtest.ResetUnread(), 0},
		"reset after reading":  {telegramtest.Reset(), 0},
		"closed after reading": {telegramtest.HangUp(), 0},
		"hangs":                {telegramtest.Hang(), 0},
		"hangs in a 200":       {telegramtest.HangInBody(http.StatusOK), http.StatusOK},
		"resets in a 200":      {telegramtest.ResetInBody(http.StatusOK), http.StatusOK},
		"resets in a 400":      {telegramtest.ResetInBody(http.StatusBadRequest), http.StatusBadRequest},
		"resets in a 502":      {telegramtest.ResetInBody(http.StatusBadGateway), http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := telegramtest.New(t)
			cfg := config(s.URL)
			cfg.ConnectTimeout, cfg.Timeout = 5*time.Second, 500*time.Millisecond
			c := newClient(t, cfg)
			// On a new connection and on a used one.
			for i, first := range []telegramtest.Step{tc.step, telegramtest.Sent(7)} {
				s.Play(first)
				if i == 1 {
					s.Play(tc.step)
					if out := send(t, c); out.Kind != telegram.Done {
						t.Fatalf("%+v", out)
					}
				}
				out := send(t, c)
				if out.Kind != telegram.Unknown || out.Status != tc.status || out.Description == "" {
					t.Errorf("%+v", out)
				}
			}
			// Each call was made once: the script has no steps left.
			if out := send(t, c); out.Kind != telegram.Done || out.MessageID != 1 {
				t.Errorf("%+v, want the first answer beyond the script", out)
			}
		})
	}
}

func TestTheCallersContext(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t, telegramtest.Hang())
	c := newClient(t, config(s.URL))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := c.SendMessage(ctx, secret.New(token), telegram.Message{ChatID: -1, Text: "hello"})
	if out.Kind != telegram.NotSent || len(s.Calls()) != 0 {
		t.Errorf("cancelled before: %+v, %d calls", out, len(s.Calls()))
	}
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	out = c.SendMessage(ctx, secret.New(token), telegram.Message{ChatID: -1, Text: "hello"})
	if out.Kind != telegram.Unknown {
		t.Errorf("ended while hanging: %+v", out)
	}
}

// The caller's context ends a hanging connect, too.
func TestTheCallersContextWhileConnecting(t *testing.T) {
	t.Parallel()
	c := newClient(t, config("https://"+telegramtest.Deaf(t)))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if out := c.SendTyping(ctx, secret.New(token), -1); out.Kind != telegram.NotSent {
		t.Errorf("%+v", out)
	}
}

func TestAClosedClientDialsAnew(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t)
	c := newClient(t, config(s.URL))
	for range 2 {
		if out := send(t, c); out.Kind != telegram.Done {
			t.Fatalf("%+v", out)
		}
		c.Close()
	}
	if n := s.Connections(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// A kept connection that is dead before the first byte is replaced, which is safe. If it
// can't be replaced, nothing was sent.
func TestADeadConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t)
	c := newClient(t, config(s.URL))
	network := &network{}
	telegram.DialThrough(c, network.dial)
	for _, tc := range []struct {
		dead, unreachable bool
		want              telegram.Kind
		calls             int
	}{
		{false, false, telegram.Done, 1},
		{true, false, telegram.Done, 2},
		{true, true, telegram.NotSent, 2},
		{false, false, telegram.Done, 3},
	} {
		if tc.dead {
			network.last.dead.Store(true)
		}
		network.unreachable = tc.unreachable
		if out := send(t, c); out.Kind != tc.want {
			t.Errorf("%+v: %+v", tc, out)
		}
		if n := len(s.Calls()); n != tc.calls {
			t.Errorf("%+v: %d calls", tc, n)
		}
	}
}

// network dials connections that can go dead. It supports one call at a time.
type network struct {
	unreachable bool
	last        *mortal
}

func (n *network) dial(ctx context.Context, kind, address string) (net.Conn, error) {
	if n.unreachable {
		return nil, errors.New("the network is gone")
	}
	c, err := new(net.Dialer).DialContext(ctx, kind, address)
	if err != nil {
		return nil, err
	}
	n.last = &mortal{Conn: c}
	return n.last, nil
}

type mortal struct {
	net.Conn

	dead atomic.Bool
}

func (m *mortal) Write(b []byte) (int, error) {
	if m.dead.Load() {
		return 0, errors.New("the connection is dead")
	}
	return m.Conn.Write(b)
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	const lanes, rounds = 100, 5
	s := telegramtest.New(t)
	c := newClient(t, config(s.URL))
	for range rounds {
		var wg sync.WaitGroup
		for range lanes {
			wg.Go(func() {
				if out := send(t, c); out.Kind != telegram.Done {
					t.Errorf("%+v", out)
				}
			})
		}
		wg.Wait()
	}
	if len(s.Calls()) != lanes*rounds {
		t.Errorf("%d calls, want %d", len(s.Calls()), lanes*rounds)
	}
	// The first round opens at most one connection per call, plus those dialled for calls
	// that then got a connection that became free.
	if n := s.Connections(); n > 2*lanes {
		t.Errorf("%d connections for %d calls at a time", n, lanes)
	}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	s := telegramtest.NewTLS(t)
	c := newClient(t, config(s.URL))
	telegram.Trust(c, s.Certificate())
	if out := send(t, c); out.Kind != telegram.Done { // opens the connection
		t.Fatalf("%+v", out)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if out := send(t, c); out.Kind != telegram.Done {
				t.Errorf("%+v", out)
			}
		})
	}
	wg.Wait()
	if n := s.Connections(); n != 1 {
		t.Errorf("%d connections, want 1 for all streams", n)
	}
	s.Play(telegramtest.Reset()) // resets the stream
	if out := send(t, c); out.Kind != telegram.Unknown {
		t.Errorf("a reset stream: %+v", out)
	}
	if out := send(t, c); out.Kind != telegram.Done {
		t.Errorf("the stream after it: %+v", out)
	}
}

func TestLongAnswersAreCutOff(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t, telegramtest.Raw(http.StatusOK, `{"ok":true,"result":"`+strings.Repeat("a", 4<<20)+`"}`))
	c := newClient(t, config(s.URL))
	if out := send(t, c); out.Kind != telegram.Unknown {
		t.Errorf("%+v", out)
	}
	if out := send(t, c); out.Kind != telegram.Done {
		t.Errorf("the call after it: %+v", out)
	}
}

// The batch names an update that is too long, so that it can be skipped.
func TestTooLongAnUpdateIsNamed(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"ok":true,"result":[{"update_id":7,"x":"`+strings.Repeat("a", 16<<20)+`"}]}`)
	}))
	t.Cleanup(s.Close)
	c := newClient(t, config(s.URL))
	batch, out := c.GetUpdates(t.Context(), secret.New(token), telegram.Poll{Limit: 1})
	if out.Kind != telegram.Unknown || batch.Unreadable != 7 {
		t.Errorf("%+v, update %d is unreadable", out, batch.Unreadable)
	}
}

// Header and parameters of a call leave in one packet.
func TestACallIsOnePiece(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const answer = `{"ok":true,"result":{"message_id":1}}`
	var serving sync.WaitGroup
	var pieces []string
	serving.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		piece := make([]byte, 8<<10)
		for n, err := conn.Read(piece); err == nil; n, err = conn.Read(piece) {
			pieces = append(pieces, string(piece[:n]))
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
		}
	})
	c := newClient(t, config("http://"+l.Addr().String()))
	for range 20 {
		out := c.SendMessage(t.Context(), secret.New(token), telegram.Message{ChatID: -5, Text: "whole", NotAfter: time.Now().Add(time.Minute)})
		if out.Kind != telegram.Done {
			t.Errorf("%+v", out)
		}
	}
	c.Close()
	_ = l.Close() // don't wait for a connection that wasn't made
	serving.Wait()
	for _, piece := range pieces {
		if !strings.Contains(piece, `"text":"whole"`) {
			t.Fatalf("a piece is %q", piece)
		}
	}
}

// A late call is never begun, whatever delays its first byte.
func TestACallThatIsLateIsNotMade(t *testing.T) {
	t.Parallel()
	s := telegramtest.NewTLS(t)
	c := newClient(t, config(s.URL))
	telegram.Trust(c, s.Certificate())
	if out := send(t, c); out.Kind != telegram.Done { // opens the connection
		t.Fatalf("%+v", out)
	}
	t.Run("HTTP/2", func(t *testing.T) { isNotMadeLate(t, s, c) })
	s = telegramtest.New(t)
	t.Run("HTTP/1.1", func(t *testing.T) { isNotMadeLate(t, s, newClient(t, config(s.URL))) })
}

func isNotMadeLate(t *testing.T, s *telegramtest.Server, c *telegram.Client) {
	t.Helper()
	for name, call := range map[string]func(notAfter time.Time) telegram.Outcome{
		"message": func(notAfter time.Time) telegram.Outcome {
			return c.SendMessage(t.Context(), secret.New(token), telegram.Message{ChatID: -5, Text: "late", NotAfter: notAfter})
		},
		"reaction": func(notAfter time.Time) telegram.Outcome {
			return c.SetReaction(t.Context(), secret.New(token), telegram.Reaction{ChatID: -5, MessageID: 7, Emoji: "👍", NotAfter: notAfter})
		},
	} {
		before := len(s.Calls())
		if out := call(time.Now().Add(-time.Millisecond)); out.Kind != telegram.NotSent || !out.TooLate {
			t.Errorf("a late %s: %+v", name, out)
		}
		if n := len(s.Calls()) - before; n != 0 {
			t.Errorf("a late %s was a call", name)
		}
		if out := call(time.Now().Add(time.Minute)); out.Kind != telegram.Done || out.TooLate {
			t.Errorf("a %s in time: %+v", name, out)
		}
		if n := len(s.Calls()) - before; n != 1 {
			t.Errorf("a %s in time was %d calls", name, n)
		}
	}
}
