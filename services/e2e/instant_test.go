package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/child"
	"github.com/chorus-cast/chorus/services/lab/natsd"
)

// instantTelegram is a Bot API that accepts every message at once and keeps only its time.
// The emulator would cost more than what is measured.
type instantTelegram struct {
	url string

	mu   sync.Mutex
	last int
	came []time.Time
}

func startInstantTelegram(b *testing.B) *instantTelegram {
	b.Helper()
	l := listen(b)
	s := &instantTelegram{url: "http://" + l.Addr().String()}
	server := &http.Server{Handler: s, ReadHeaderTimeout: patience}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			b.Error(err)
		}
	})
	b.Cleanup(func() {
		if err := server.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			b.Log(err)
		}
		serving.Wait()
	})
	return s
}

func (s *instantTelegram) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	switch path.Base(r.URL.Path) {
	case "sendMessage":
		now := time.Now()
		s.mu.Lock()
		s.last++
		id := s.last
		s.came = append(s.came, now)
		s.mu.Unlock()
		fmt.Fprintf(w, `{"ok":true,"result":{"message_id":%d,"date":%d,"chat":{"id":-1,"type":"supergroup"},"text":"ok"}}`, id, now.Unix())
	case "getMe":
		fmt.Fprint(w, `{"ok":true,"result":{"id":1,"is_bot":true,"first_name":"Bot","username":"bot"}}`)
	default:
		fmt.Fprint(w, `{"ok":true,"result":true}`)
	}
}

// forget discards the recorded times.
func (s *instantTelegram) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = nil
}

// arrivals returns the times at which messages arrived.
func (s *instantTelegram) arrivals() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.came...)
}

// longestSilence returns the longest time without an event in a period. The ends of the
// period count as events.
func longestSilence(from time.Time, events []time.Time, to time.Time) (longest time.Duration) {
	for _, at := range events {
		longest, from = max(longest, at.Sub(from)), at
	}
	return max(longest, to.Sub(from))
}

// natsVariable makes the test binary run a NATS server on a folder, instead of tests.
const natsVariable = "CHORUS_TEST_NATS"

// natsProcess is a NATS server in its own process, so that its CPU time can be measured.
type natsProcess struct {
	b       *testing.B
	process *child.Process
	out     output
}

func startNATS(b *testing.B) *natsProcess {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	n := &natsProcess{b: b}
	cmd := exec.CommandContext(context.WithoutCancel(b.Context()), exe)
	cmd.Env = append(os.Environ(), natsVariable+"="+b.TempDir())
	cmd.Stdout, cmd.Stderr = &n.out, os.Stderr
	cmd.SysProcAttr = ownSession()
	if n.process, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(n.stop)
	eventually(b, "NATS says where it is", func() bool { return n.url() != "" })
	return n
}

func (n *natsProcess) url() string {
	line, _, whole := strings.Cut(n.out.String(), "\n")
	if !whole {
		return ""
	}
	return line
}

// stop kills the server, because its folder is not read again.
func (n *natsProcess) stop() {
	n.b.Helper()
	if err := n.process.Stop(patience, syscall.SIGKILL); err != nil {
		n.b.Error(err)
	}
}

// serveNATS runs until the process is killed.
func serveNATS(dir string) error {
	s, err := natsd.Start(context.Background(), natsd.Config{DataDir: dir, Port: -1, Log: zap.NewNop()})
	if err != nil {
		return err
	}
	fmt.Println(s.URL())
	select {}
}
