package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(natsVariable); dir != "" {
		fmt.Fprintln(os.Stderr, "e2e: NATS:", serveNATS(dir))
		os.Exit(1)
	}
	testenv.Main(m, goleak.Cleanup(func(code int) {
		if err := built.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			code = max(code, 1)
		}
		os.Exit(code)
	}))
}

// built is the chorus binary under test. It is built once for all tests, because a build
// takes seconds.
var built binary

// buildTimeout is for a machine with a cold cache.
const buildTimeout = 5 * time.Minute

type binary struct {
	once sync.Once
	dir  string
	err  error
}

// path returns the binary's path. The first call builds it.
func (b *binary) path(t testing.TB) string {
	t.Helper()
	b.once.Do(func() { b.err = b.build() })
	if b.err != nil {
		t.Fatalf("build chorus: %v", b.err)
	}
	return b.file()
}

func (b *binary) file() string { return filepath.Join(b.dir, "chorus") }

func (b *binary) build() (err error) {
	if b.dir, err = os.MkdirTemp("", "chorus-e2e-"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	// The binary is built as it is shipped. The parts' own tests look for races, and with
	// the race detector a process takes several times the CPU.
	out, err := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", b.file(), "github.com/chorus-cast/chorus/services/cmd/chorus").CombinedOutput()
	if err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
}

func (b *binary) remove() error {
	if b.dir == "" {
		return nil
	}
	return os.RemoveAll(b.dir)
}
