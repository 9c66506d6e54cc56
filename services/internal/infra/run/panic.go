package run

import (
	"fmt"
	"path"
	"runtime"
	"runtime/debug"
	"strings"

	"go.uber.org/zap"
)

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
