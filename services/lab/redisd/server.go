// Package redisd runs a private Redis server: found where one is installed, got
// where none is, and never outliving the process that started it (on Linux not
// even when that is killed). It is for tests and for the load lab, so it keeps
// nothing over a restart.
package redisd

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
	"time"

	"github.com/chorus-cast/chorus/services/lab/child"
	"github.com/chorus-cast/chorus/services/lab/debian"
)

// pollEvery is the interval of readiness checks.
const pollEvery = 5 * time.Millisecond

// Ensure returns the installed Redis, or gets one.
func Ensure(ctx context.Context) (debian.Program, error) {
	return debian.Ensure(ctx, "redis-server", "usr/bin/redis-server")
}

// Server is a Redis server that is killed, frozen and started again. Its methods
// are not safe for concurrent use, but for URL.
type Server struct {
	program debian.Program
	options []string
	addr    string
	process *child.Process
}

// Start starts an empty server on a free port of this machine alone, and returns
// when it answers. Options are more arguments of redis-server.
func Start(ctx context.Context, program debian.Program, options ...string) (*Server, error) {
	s := &Server{program: program, options: options}
	if err := s.Restart(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// URL is the server's address. It stays the same over restarts.
func (s *Server) URL() string { return "redis://" + s.addr + "/0" }

// Pid is the process id of the server.
func (s *Server) Pid() int { return s.process.Pid() }

// Kill ends the server at once and returns when it has ended.
func (s *Server) Kill() error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-s.process.Done()
	return nil
}

// Pause freezes the server: it accepts connections and answers nothing.
func (s *Server) Pause() error { return s.process.Signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Server) Resume() error { return s.process.Signal(syscall.SIGCONT) }

// Restart ends the server if it runs, and starts an empty one on the same port.
// It tries until ctx is done: between choosing a free port and opening it another
// process may be quicker.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	fixed := s.addr != ""
	for {
		if !fixed {
			var err error
			if s.addr, err = child.FreeAddress(ctx); err != nil {
				return err
			}
		}
		var out tail
		process, err := child.Start(command(s.program, s.addr, s.options, &out), syscall.SIGKILL)
		if err != nil {
			return fmt.Errorf("start Redis: %w", err)
		}
		s.process = process
		if err = awaitPong(ctx, s.addr, process); err == nil {
			return nil
		}
		err = errors.Join(err, s.Kill())
		if !errors.Is(err, errEnded) || ctx.Err() != nil || !strings.Contains(out.String(), "in use") {
			return fmt.Errorf("start Redis: %w: %s", err, out.String())
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

func command(program debian.Program, addr string, options []string, out *tail) *exec.Cmd {
	host, port, _ := net.SplitHostPort(addr)
	cmd := program.Command(append([]string{
		"--port", port,
		"--bind", host,
		"--save", "",
		"--appendonly", "no",
		"--dir", os.TempDir(),
	}, options...)...)
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
