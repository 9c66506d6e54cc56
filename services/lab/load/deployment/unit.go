package deployment

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/chorus-cast/chorus/services/lab/child"
)

const (
	// patience limits the time until a process is ready.
	patience = time.Minute
	// pollEvery is the interval of readiness checks.
	pollEvery = 50 * time.Millisecond
	// stopGrace is the time for a stop before the process is killed.
	stopGrace = 30 * time.Second
	// tailBytes is the part of a process' log that an error shows.
	tailBytes = 2048
)

// unit is a process of Chorus' own binary on a port that stays the same.
type unit struct {
	name    string
	args    []string
	url     string // of the port
	ready   string // path that answers 200 once it is ready
	process *child.Process
	// down marks a process that was ended on purpose, paused a frozen one.
	down, paused bool
}

// program describes how units are started.
type program struct {
	binary, dir string
	env         []string
}

// newUnit chooses a port. option is the flag that takes it.
func (p program) newUnit(ctx context.Context, command, name, option, ready string) (*unit, error) {
	address, err := child.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	return &unit{
		name: name, ready: ready, url: "http://" + address,
		args: []string{command, option, address},
	}, nil
}

// start starts the unit; awaitReady waits for it.
func (p program) start(u *unit) error {
	log, err := os.OpenFile(p.log(u), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()                        // the process has a descriptor of its own
	cmd := exec.Command(p.binary, u.args...) //nolint:noctx // it outlives this call, and package child ends it
	cmd.Env, cmd.Dir = p.env, p.dir
	cmd.Stdout, cmd.Stderr = log, log
	if u.process, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		return fmt.Errorf("start %s: %w", u.name, err)
	}
	u.down, u.paused = false, false
	return nil
}

// environment is this process' with Chorus' own variables for values by path, such as
// nats.url, in place of those that are there.
func environment(values map[string]string) []string {
	const prefix = "CHORUS_"
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, prefix) })
	for path, value := range values {
		env = append(env, prefix+strings.ToUpper(strings.ReplaceAll(path, ".", "_"))+"="+value)
	}
	return env
}

// run runs a command of the binary to its end.
func (p program) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, p.binary, args...)
	cmd.Env, cmd.Dir = p.env, p.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("chorus %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (p program) log(u *unit) string { return filepath.Join(p.dir, u.name+".log") }

// ended reports whether the unit's process has ended.
func (u *unit) ended() bool {
	if u.process == nil {
		return true
	}
	select {
	case <-u.process.Done():
		return true
	default:
		return false
	}
}

// awaitReady returns when the unit answers that it is ready.
func (p program) awaitReady(ctx context.Context, u *unit) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if u.answers(ctx) {
			return nil
		}
		select {
		case <-u.process.Done():
			return fmt.Errorf("%s ended at once: %s", u.name, p.tail(u))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %v: %s", u.name, patience, p.tail(u))
		case <-tick.C:
		}
	}
}

func (u *unit) answers(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url+u.ready, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection is used again
	return response.StatusCode == http.StatusOK
}

// tail is the end of the unit's log, for a person.
func (p program) tail(u *unit) string {
	text, err := os.ReadFile(p.log(u))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-tailBytes):]))
}

// kill ends the unit as a crash would.
func (u *unit) kill() error {
	u.down = true
	if u.ended() {
		return nil
	}
	if err := u.process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-u.process.Done()
	return nil
}

// stop ends the unit as an operator would.
func (u *unit) stop() error {
	u.down = true
	if u.ended() {
		return nil
	}
	if err := u.resume(); err != nil {
		return err
	}
	return u.process.Stop(stopGrace, syscall.SIGTERM)
}

func (u *unit) pause() error {
	if u.ended() {
		return nil
	}
	u.paused = true
	return u.process.Signal(syscall.SIGSTOP)
}

func (u *unit) resume() error {
	if !u.paused || u.ended() {
		return nil
	}
	u.paused = false
	return u.process.Signal(syscall.SIGCONT)
}
