package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/child"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

const (
	// patience limits every wait for a process. Only a broken one takes so long.
	patience = time.Minute
	// pollEvery is the interval at which a process' state is polled.
	pollEvery = 100 * time.Millisecond
)

// chorus is a running or ended chorus process.
type chorus struct {
	t       testing.TB
	process *child.Process
	out     output
	errs    output
}

// launch starts chorus with these arguments. The process is killed at the end of the test.
func launch(t testing.TB, environment []string, args ...string) *chorus {
	t.Helper()
	c := &chorus{t: t}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), built.path(t), args...)
	cmd.Stdout, cmd.Stderr = &c.out, &c.errs
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), environment...)
	cmd.WaitDelay = patience
	cmd.SysProcAttr = ownSession()
	var err error
	if c.process, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.process.Stop(patience, syscall.SIGINT); err != nil {
			t.Errorf("stop chorus: %v", err)
		}
		if complaint := c.errs.String(); t.Failed() && complaint != "" {
			t.Logf("chorus %s wrote:\n%s", strings.Join(args, " "), complaint)
		}
	})
	return c
}

// up starts chorus up in a folder, on free ports and at the cast's own pace unless args say
// otherwise. It returns when the chat can be watched.
func up(t testing.TB, dir string, args ...string) *chorus {
	t.Helper()
	c := launch(t, nil, append([]string{"up", "--up.dir", dir, "--emulator.listen", "127.0.0.1:0", "--ops.listen", "127.0.0.1:0", "--planner.pace", "0s"}, args...)...)
	eventually(t, "chorus up says where it is", func() bool { return c.ended() || c.url() != "" })
	if c.ended() {
		t.Fatalf("chorus up ended: %v\n%s", c.process.Err(), c.errs.String())
	}
	return c
}

// ownSession starts a process in a new session, because containers have separate groups.
// Where the kernel schedules by session (sched_autogroup_enabled), all processes of the
// test would otherwise share the CPU time that each backend of PostgreSQL gets for itself.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// url returns the emulator's address; empty until chorus has printed it.
func (c *chorus) url() string {
	return regexp.MustCompile(`http://[0-9.:]+`).FindString(c.out.String())
}

// emulator returns a client of the emulator in the process.
func (c *chorus) emulator() *control.Client {
	c.t.Helper()
	return emulatorAt(c.t, c.url())
}

func emulatorAt(t testing.TB, url string) *control.Client {
	t.Helper()
	client, err := control.New(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func (c *chorus) ended() bool {
	select {
	case <-c.process.Done():
		return true
	default:
		return false
	}
}

// interrupt sends SIGINT and returns the time until the process ended.
func (c *chorus) interrupt() time.Duration {
	c.t.Helper()
	began := time.Now()
	c.signal(syscall.SIGINT)
	return time.Since(began)
}

// kill ends the process like a crash.
func (c *chorus) kill() {
	c.t.Helper()
	c.signal(syscall.SIGKILL)
}

func (c *chorus) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := c.process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
	c.wait()
}

// wait returns the exit code; -1 for a process that was killed.
func (c *chorus) wait() int {
	c.t.Helper()
	return c.waitFor(patience)
}

func (c *chorus) waitFor(most time.Duration) int {
	c.t.Helper()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-c.process.Done():
	case <-timer.C:
		c.t.Fatalf("chorus still runs after %v", most)
	}
	var failed *exec.ExitError
	switch err := c.process.Err(); {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		return failed.ExitCode()
	default:
		c.t.Fatalf("wait for chorus: %v", err)
		return -1
	}
}

// output collects what a process writes, and can be read at the same time.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// eventually waits for a condition, and fails the test if it isn't met in time.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	if !within(t, patience, is) {
		t.Fatalf("after %v it is still not so that %s", patience, what)
	}
}

// within waits for a condition at most d, and tells whether it was met.
func within(t testing.TB, d time.Duration, is func() bool) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// pass waits while the process runs without being polled.
func pass(t testing.TB, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
