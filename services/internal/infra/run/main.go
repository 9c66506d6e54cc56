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
	// ExitUsage means a wrong call or configuration: the same call will fail again.
	ExitUsage = 2
)

// Main runs a program and returns its exit code. The context ends at the first SIGINT or
// SIGTERM; a second one kills the process.
//
// An error is written to w as one line that begins with the program's name. For an error
// with exit code 2, each of its lines is written separately. A panic counts as an error,
// without its stack.
func Main(w io.Writer, name string, program func(context.Context) error) int {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer release()
	// After the release a second signal has its default effect: it kills.
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
		_, _ = fmt.Fprintf(w, "%s: %s\n", name, line) // this error can't be reported anywhere
	}
	return code
}

// ExitCode returns the code from an error's method ExitCode() int, 1 for any other error
// and 0 for nil.
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

// Told marks an error that is logged already: Main writes no line for it. nil stays nil.
func Told(err error) error {
	if err == nil {
		return nil
	}
	return &told{err}
}

type told struct{ error }

func (t *told) Unwrap() error { return t.error }

// Usage marks an error of usage: a wrong flag, argument or file. nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &usage{err}
}

type usage struct{ error }

func (u *usage) Unwrap() error { return u.error }

// ExitCode returns ExitUsage.
func (*usage) ExitCode() int { return ExitUsage }

// protect turns a panic into an error for the user, and logs the stack for developers.
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

// origin returns the file and line that panicked. The deferred function that recovers calls
// it, so the panicking code is above it on the stack.
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
