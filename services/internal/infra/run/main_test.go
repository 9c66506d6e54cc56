package run_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

// programVariable makes this test binary run a program with run.Main, in its own process.
const programVariable = "CHORUS_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(programVariable) {
	case "":
		goleak.VerifyTestMain(m)
	case "orderly":
		os.Exit(run.Main(os.Stderr, "chorus", func(ctx context.Context) error {
			var g run.Group
			g.Add(run.Part{Name: "sender", Run: func(ctx context.Context) error {
				fmt.Println("ready")
				<-ctx.Done()
				fmt.Println("drained")
				return ctx.Err()
			}})
			return g.Run(ctx)
		}))
	case "stubborn":
		os.Exit(run.Main(os.Stderr, "chorus", func(ctx context.Context) error {
			fmt.Println("ready")
			<-ctx.Done()
			fmt.Println("draining")
			select {}
		}))
	}
}

// start starts the program and reads its first line.
func start(t *testing.T, program string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), programVariable+"="+program)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the program says %q", lines.Text())
	}
	return cmd, lines
}

func TestSignalEndsTheProgramInOrder(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd, lines := start(t, "orderly")
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || lines.Text() != "drained" {
			t.Errorf("after %v the program says %q", sig, lines.Text())
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v it ends with %v", sig, err)
		}
	}
}

func TestSecondSignalEndsTheProgramAtOnce(t *testing.T) {
	t.Parallel()
	cmd, lines := start(t, "stubborn")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != "draining" {
		t.Fatalf("the program says %q", lines.Text())
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// The first signal restores the default effect of the second from another goroutine,
	// perhaps a moment after the first line.
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case err := <-ended:
			status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !status.Signaled() || status.Signal() != syscall.SIGTERM {
				t.Errorf("it ended with %v", err)
			}
			return
		case <-again.C:
			_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		}
	}
}

func TestMainReportsErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		program func(context.Context) error
		code    int
		want    string
	}{
		"well":    {func(context.Context) error { return nil }, run.ExitOK, ""},
		"failure": {func(context.Context) error { return errors.New("a\n  b\r\nc") }, run.ExitFailure, "chorus: a; b; c\n"},
		"usage":   {func(context.Context) error { return fmt.Errorf("x: %w", run.Usage(errors.New("a\nb"))) }, run.ExitUsage, "chorus: x: a\nchorus: b\n"},
		"no code": {func(context.Context) error { return run.Usage(nil) }, run.ExitOK, ""},
		"secret":  {func(context.Context) error { return errors.New("dial nats://a:b@c") }, run.ExitFailure, "chorus: dial nats://a:***@c\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if code := run.Main(&out, "chorus", c.program); code != c.code {
				t.Errorf("the exit code is %d, want %d", code, c.code)
			}
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMainReportsAPanicOnOneLine(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	code := run.Main(&out, "chorus", func(context.Context) error { panic("oh\nno") })
	if code != run.ExitFailure || !strings.HasPrefix(out.String(), "chorus: fault in the program at run/main_test.go:") || !strings.HasSuffix(out.String(), ": oh; no\n") {
		t.Errorf("exit code %d, %q", code, out.String())
	}
}
