package natsd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/lab/natsd"
)

// ownerVariable names a folder. It makes the test binary run a server there,
// publish a message and wait to be killed.
const ownerVariable = "CHORUS_TEST_NATS_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerVariable); dir != "" {
		if err := own(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}

func own(dir string) error {
	ctx := context.Background()
	s, err := natsd.Start(ctx, natsd.Config{DataDir: dir, Log: zap.NewNop()})
	if err != nil {
		return err
	}
	js, err := connect(s)
	if err != nil {
		return err
	}
	if err := publish(ctx, js, "kept"); err != nil {
		return err
	}
	fmt.Println("published")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

func connect(s *natsd.Server) (jetstream.JetStream, error) {
	nc, err := nats.Connect(s.URL(), s.InProcess())
	if err != nil {
		return nil, err
	}
	return jetstream.New(nc)
}

func publish(ctx context.Context, js jetstream.JetStream, text string) error {
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
	if err != nil {
		return err
	}
	_, err = js.Publish(ctx, "s", []byte(text))
	return err
}

func last(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	stream, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	message, err := stream.GetLastMsgForSubject(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	return string(message.Data)
}

func start(t *testing.T, cfg natsd.Config) (*natsd.Server, jetstream.JetStream) {
	t.Helper()
	cfg.Log = zaptest.NewLogger(t)
	return startLogged(t, cfg)
}

func startLogged(t *testing.T, cfg natsd.Config) (*natsd.Server, jetstream.JetStream) {
	t.Helper()
	s, err := natsd.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	js, err := connect(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		js.Conn().Close()
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s, js
}

func TestRestartKeepsTheStreams(t *testing.T) {
	for name, cfg := range map[string]natsd.Config{
		"in process": {DataDir: t.TempDir()},
		"on a port":  {DataDir: t.TempDir(), Port: -1},
	} {
		t.Run(name, func(t *testing.T) {
			s, js := start(t, cfg)
			if listens := s.URL() != ""; listens != (cfg.Port != 0) {
				t.Errorf("URL %q for port %d", s.URL(), cfg.Port)
			}
			if err := publish(t.Context(), js, "kept"); err != nil {
				t.Fatal(err)
			}
			js.Conn().Close()
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			_, js = start(t, cfg)
			if got := last(t, js); got != "kept" {
				t.Errorf("after the restart the stream has %q", got)
			}
		})
	}
}

func TestKilledProcessLosesNothing(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	owner := exec.Command(exe)
	owner.Env = append(os.Environ(), ownerVariable+"="+dir)
	if _, err := owner.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "published\n" {
		t.Fatalf("the other process fails: %v %s", err, line)
	}
	if err := owner.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	_, js := start(t, natsd.Config{DataDir: dir})
	if got := last(t, js); got != "kept" {
		t.Errorf("after the kill the stream has %q", got)
	}
}

// A kill may leave an index that is older than the messages' file.
func TestAnOldIndexIsNoWarning(t *testing.T) {
	dir := t.TempDir()
	index := filepath.Join(dir, "jetstream", "$G", "streams", "S", "msgs", "index.db")
	var old []byte
	for _, purged := range []bool{false, true} {
		s, js := start(t, natsd.Config{DataDir: dir})
		if err := publish(t.Context(), js, "kept"); err != nil {
			t.Fatal(err)
		}
		if purged {
			stream, err := js.Stream(t.Context(), "S")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(stream.Purge(t.Context()), publish(t.Context(), js, "kept")); err != nil {
				t.Fatal(err)
			}
		}
		js.Conn().Close()
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if !purged {
			var err error
			if old, err = os.ReadFile(index); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(index, old, 0o600); err != nil {
		t.Fatal(err)
	}
	core, seen := observer.New(zap.DebugLevel)
	_, js := startLogged(t, natsd.Config{DataDir: dir, Log: zap.New(core)})
	if got := last(t, js); got != "kept" {
		t.Errorf("the stream has %q", got)
	}
	levels := map[zapcore.Level]int{}
	for _, e := range seen.All() {
		levels[e.Level]++
	}
	if levels[zap.InfoLevel] != 1 || levels[zap.DebugLevel] == 0 || len(levels) != 2 {
		t.Errorf("the log has %v, want one plain line", seen.All())
	}
}

func TestStopIsIdempotentAndConcurrent(t *testing.T) {
	s, _ := start(t, natsd.Config{DataDir: t.TempDir(), Port: -1})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := nats.Connect(s.URL(), nats.Timeout(time.Second)); err == nil {
		t.Error("the server still takes connections")
	}
}

func TestPortInUseIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("listening on %v", listener.Addr())
	}
	_, err = natsd.Start(t.Context(), natsd.Config{DataDir: t.TempDir(), Port: address.Port, Log: zaptest.NewLogger(t)})
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v, want that the port is in use", err)
	}
}

func TestTwoServersCantShareAFolder(t *testing.T) {
	dir := t.TempDir()
	start(t, natsd.Config{DataDir: dir})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := natsd.Start(ctx, natsd.Config{DataDir: dir})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v, want that the folder is in use", err)
	}
}

func TestFolderThatCantBeUsedIsAnError(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := natsd.Start(t.Context(), natsd.Config{DataDir: file}); err == nil {
		t.Error("a file served as a folder")
	}
}
