// Package testenv starts the real servers that integration tests need and stops
// them again: PostgreSQL, NATS with JetStream, Redis, and a network link that
// can be cut. What isn't installed is got; where that is impossible, the test
// fails and says what to install. Every server runs on the loopback interface
// or a socket, belongs to one test binary and dies with it, even on SIGKILL, so
// any number of binaries may run at once.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { testenv.Main(m) }
package testenv

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// patience limits every wait for a server; only a broken one takes so long.
const patience = 60 * time.Second

// Main runs the tests of a package, then stops what they shared, checks that no
// goroutine is left, and exits.
func Main(m *testing.M, options ...goleak.Option) {
	cluster.mainRuns = true
	goleak.VerifyTestMain(stopping{m}, options...)
}

// stopping stops the shared servers before goleak looks at the goroutines.
type stopping struct{ m *testing.M }

func (s stopping) Run() int {
	code := s.m.Run()
	if err := cluster.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
		return max(code, 1)
	}
	return code
}

// Folder is a new folder for what a server writes, in memory where the system has
// room for that: some disks are slow, and all cost the processor. It is removed when
// the test ends.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(base(), "chorus-test-*")
	if err != nil {
		t.Fatalf("make a folder: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove a folder: %v", err)
		}
	})
	return dir
}

// base returns the parent of the test folders.
func base() string {
	const (
		memory = "/dev/shm"
		room   = 2 << 30 // a container often has 64 MB
	)
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < room { //nolint:gosec // it is positive
		return os.TempDir()
	}
	return memory
}

// Logger writes to the test's log, everything down to debug. What comes after
// the end of the test is dropped.
func Logger(t testing.TB) *zap.Logger {
	t.Helper()
	out := &testWriter{t: t}
	t.Cleanup(out.end)
	config := zap.NewDevelopmentEncoderConfig()
	config.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(config), out, zap.DebugLevel))
}

type testWriter struct {
	mu    sync.Mutex
	t     testing.TB
	ended bool
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.t.Log(string(bytes.TrimRight(p, "\n")))
	}
	return len(p), nil
}

func (w *testWriter) Sync() error { return nil }

func (w *testWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

const (
	// partPatience limits waits for the tested part; only a broken one takes so long.
	partPatience = 30 * time.Second
	lookEvery    = 10 * time.Millisecond
)

// Background runs a part of a program until the test or the returned function
// ends it, which may be called any number of times. Its error fails the test,
// and so does a part that does not stop.
func Background(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(partPatience):
			t.Error("a part does not stop")
		}
	})
	t.Cleanup(stop)
	return stop
}

// Eventually waits until something is so. Is tells also what it saw.
func Eventually(t testing.TB, what string, is func() (saw string, ok bool)) {
	t.Helper()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), partPatience)
	defer cancel()
	for {
		saw, ok := is()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %s; it is %q", what, saw)
		}
	}
}
