package postgres

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// serverLog is the server's standard error: it passes lines on to a logger and
// keeps the last ones for an error message.
type serverLog struct {
	log   *zap.Logger
	quiet atomic.Bool // starting and stopping look like failures

	mu   sync.Mutex
	rest []byte
	last []string
}

const (
	keepLines   = 20
	maxLineSize = 8 << 10
)

func newServerLog(log *zap.Logger) *serverLog {
	l := &serverLog{log: log}
	l.quiet.Store(true)
	return l
}

// Write takes any piece of the output. It never fails.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found && len(l.rest) < maxLineSize {
			return len(p), nil
		}
		l.line(string(line))
		l.rest = bytes.Clone(rest)
	}
}

// line passes a line on: an ERROR is one statement's and its client's to report, a
// LOG line is routine.
func (l *serverLog) line(text string) {
	l.last = append(l.last, text)
	l.last = l.last[max(0, len(l.last)-keepLines):]
	level := zapcore.DebugLevel
	switch severity, _, _ := strings.Cut(text, ":  "); {
	case l.quiet.Load():
	case severity == "PANIC":
		level = zap.ErrorLevel
	case severity == "FATAL", severity == "WARNING":
		level = zap.WarnLevel
	}
	l.log.Log(level, text)
}

// tail returns what the server said to be wrong, or all that it said last.
func (l *serverLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var wrong []string
	for _, line := range l.last {
		if strings.HasPrefix(line, "FATAL:") || strings.HasPrefix(line, "PANIC:") {
			wrong = append(wrong, line)
		}
	}
	if len(wrong) == 0 {
		wrong = l.last
	}
	return strings.Join(wrong, "; ")
}
