package postgres

import (
	"bytes"
	"strings"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// serverLog is the server's standard error: it passes lines on to a logger and
// keeps the last ones for an error message.
type serverLog struct {
	log *zap.Logger

	mu    sync.Mutex
	rest  []byte
	last  []string
	level zapcore.Level // of the entry that a DETAIL or HINT line belongs to
	quiet bool          // starting and stopping look like failures
}

const (
	keepLines   = 20
	maxLineSize = 8 << 10
)

func newServerLog(log *zap.Logger) *serverLog {
	if log == nil {
		log = zap.NewNop()
	}
	return &serverLog{log: log.Named("postgres"), quiet: true, level: zap.DebugLevel}
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
		l.rest = append([]byte(nil), rest...)
	}
}

func (l *serverLog) line(text string) {
	if text == "" {
		return
	}
	l.last = append(l.last, text)
	if len(l.last) > keepLines {
		l.last = l.last[1:]
	}
	severity, message, found := strings.Cut(text, ":  ")
	if !found {
		message = text
	}
	level := l.severityLevel(severity)
	if l.quiet {
		level = zap.DebugLevel
	}
	l.log.Log(level, message, zap.String("severity", severity))
}

// severityLevel: an ERROR is one statement's and its client's to report, a LOG
// line is routine.
func (l *serverLog) severityLevel(severity string) zapcore.Level {
	switch severity {
	case "PANIC":
		l.level = zap.ErrorLevel
	case "FATAL", "WARNING":
		l.level = zap.WarnLevel
	case "DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION":
	default:
		l.level = zap.DebugLevel
	}
	return l.level
}

func (l *serverLog) setQuiet(quiet bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quiet = quiet
}

func (l *serverLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last, l.rest = nil, nil
}

func (l *serverLog) mentions(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.last {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// tail is what the server said to be wrong, or all that it said last.
func (l *serverLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var wrong []string
	for _, line := range l.last {
		if strings.HasPrefix(line, "FATAL:") || strings.HasPrefix(line, "PANIC:") {
			wrong = append(wrong, line)
		}
	}
	switch {
	case len(wrong) > 0:
		return strings.Join(wrong, "; ")
	case len(l.last) > 0:
		return strings.Join(l.last, "; ")
	}
	return "(it said nothing)"
}
