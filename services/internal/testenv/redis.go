package testenv

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/child"
)

// Redis returns the URL of a new, empty Redis server, the test's own. It stops
// when the test ends.
func Redis(t testing.TB) string {
	t.Helper()
	return RedisServer(t).URL()
}

// Cache is a Redis server that a test kills, freezes and starts again. It keeps
// nothing over a restart.
type Cache struct {
	t       testing.TB
	program redisProgram
	port    int
	process *child.Process
}

// RedisServer starts a Redis server of the test's own.
func RedisServer(t testing.TB) *Cache {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), installPatience)
	defer cancel()
	program, err := findRedis(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cache{t: t, program: program}
	c.Restart()
	t.Cleanup(c.Kill)
	return c
}

// URL is the server's address. It stays the same over restarts.
func (c *Cache) URL() string { return "redis://" + c.addr() + "/0" }

func (c *Cache) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

// Kill ends the server at once and returns when it has ended.
func (c *Cache) Kill() {
	c.t.Helper()
	c.signal(syscall.SIGKILL)
	<-c.process.Done()
}

// Pause freezes the server: it accepts connections and answers nothing.
func (c *Cache) Pause() {
	c.t.Helper()
	c.signal(syscall.SIGSTOP)
}

// Resume lets a paused server go on.
func (c *Cache) Resume() {
	c.t.Helper()
	c.signal(syscall.SIGCONT)
}

func (c *Cache) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := c.process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
}

// Restart ends the server if it runs, and starts an empty one on the same port.
func (c *Cache) Restart() {
	c.t.Helper()
	if c.process != nil {
		c.Kill()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), patience)
	defer cancel()
	if err := c.start(ctx); err != nil {
		c.t.Fatalf("start Redis: %v", err)
	}
}

// start tries until ctx is done: between choosing a free port and opening it
// another process may be quicker.
func (c *Cache) start(ctx context.Context) error {
	fixed := c.port != 0
	for {
		if !fixed {
			port, err := freePort(ctx)
			if err != nil {
				return err
			}
			c.port = port
		}
		var out tail
		process, err := child.Start(c.program.command(c.port, &out), syscall.SIGKILL)
		if err != nil {
			return err
		}
		c.process = process
		if err = awaitPong(ctx, c.addr(), process); err == nil {
			return nil
		}
		c.Kill()
		if !errors.Is(err, errEnded) || ctx.Err() != nil {
			return fmt.Errorf("%w: %s", err, out.String())
		}
		if !strings.Contains(out.String(), "in use") {
			return fmt.Errorf("%w: %s", err, out.String())
		}
	}
}

var errEnded = errors.New("it ended")

// awaitPong returns when the server answers. The process is asked about, too:
// the one that answers may be somebody else's on the same port.
func awaitPong(ctx context.Context, addr string, process *child.Process) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-process.Done():
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if pong(ctx, addr, process.Pid()) {
			return nil
		}
	}
}

// pong asks the server at addr for its process id.
func pong(ctx context.Context, addr string, pid int) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := conn.Write([]byte("INFO server\r\n")); err != nil {
		return false
	}
	want := "process_id:" + strconv.Itoa(pid)
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if lines.Text() == want {
			return true
		}
	}
	return false
}

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return portOf("tcp://" + listener.Addr().String())
}

// redisProgram is an executable and where its libraries are, if not in the
// system's folders.
type redisProgram struct {
	path      string
	libraries string
}

func (p redisProgram) command(port int, out *tail) *exec.Cmd {
	//nolint:noctx // it outlives this call, and package child ends it
	cmd := exec.Command(p.path,
		"--port", strconv.Itoa(port),
		"--bind", "127.0.0.1",
		"--save", "",
		"--appendonly", "no",
		"--dir", os.TempDir(),
	)
	cmd.Env = os.Environ()
	if p.libraries != "" {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+p.libraries)
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second
	return cmd
}

// tail keeps the last output of a program for an error message.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (w *tail) Write(p []byte) (int, error) {
	const limit = 4 << 10
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	w.buf = w.buf[max(0, len(w.buf)-limit):]
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(bytes.TrimSpace(w.buf))
}
