package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"path"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry/redact"
)

// Exit codes.
const (
	ExitOK      = 0
	ExitFailure = 1
	// ExitUsage is for a wrong call or configuration: the same call will fail again.
	ExitUsage = 2
)

// Main runs a program and returns its exit code. The context ends at the first
// SIGINT or SIGTERM; a second one ends the process at once.
//
// An error is written to w as one line that begins with the program's name; of
// an error with an exit code of 2, every line is written as a line of its own. A
// panic is such an error, too, without a stack.
func Main(w io.Writer, name string, program func(context.Context) error) int {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer release()
	// From then on a signal does what it does by default: it kills.
	defer context.AfterFunc(ctx, release)()

	err := protect(zap.NewNop(), func() error { return program(ctx) })
	if err == nil {
		return ExitOK
	}
	code := ExitCode(err)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	if said := (*told)(nil); errors.As(err, &said) {
		return code
	}
	for _, line := range lines(err, code) {
		_, _ = fmt.Fprintf(w, "%s: %s\n", name, line) // there is nowhere to report it
	}
	return code
}

// ExitCode is the code that an error asks for by a method ExitCode() int, 1 for
// any other error and 0 for none.
func ExitCode(err error) int {
	var coded interface{ ExitCode() int }
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &coded):
		return coded.ExitCode()
	}
	return ExitFailure
}

func lines(err error, code int) []string {
	text := redact.New().String(strings.TrimSpace(err.Error()))
	var parts []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	if code == ExitUsage {
		return parts
	}
	return []string{strings.Join(parts, "; ")}
}

// Told marks an error as one that is in the log already: Main writes no line for it. A
// nil error stays nil.
func Told(err error) error {
	if err == nil {
		return nil
	}
	return &told{err}
}

type told struct{ error }

func (t *told) Unwrap() error { return t.error }

// Usage marks an error as one of usage: a wrong flag, argument or file. A nil
// error stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &usage{err}
}

type usage struct{ error }

func (u *usage) Unwrap() error { return u.error }

// ExitCode is ExitUsage.
func (*usage) ExitCode() int { return ExitUsage }

// protect turns a panic into an error for the user, and writes the stack to the
// log for those who mend it.
func protect(log *zap.Logger, do func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			at := origin()
			log.Error("panic", zap.Any("panic", cause), zap.String("at", at), zap.ByteString("panic_stack", debug.Stack()))
			err = fmt.Errorf("fault in the program at %s: %v", at, cause)
		}
	}()
	return do()
}

// origin is the file and line that panicked. It is called by the deferred
// function that recovers, so the panicking code stands above it on the stack.
func origin() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	for panicked := false; ; {
		f, more := frames.Next()
		switch {
		case strings.HasPrefix(f.Function, "runtime."):
			panicked = panicked || f.Function == "runtime.gopanic"
		case panicked:
			return fmt.Sprintf("%s:%d", path.Join(path.Base(path.Dir(f.File)), path.Base(f.File)), f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}
