// Package outage keeps logs short during outages: callers note each failure and each
// success, and the log gets one line at the beginning of an outage and one at its end.
package outage

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// calm is the minimum time between the last line and the next outage's line. Something that
// fails and works in turns logs at this rate.
const calm = 10 * time.Second

// Log logs the outages of one dependency. It is safe for concurrent use. A nil Log does
// nothing.
type Log struct {
	log        *zap.Logger
	lost, back string
	known      func(error) bool

	mu       sync.Mutex
	away     bool
	told     bool      // the outage's first line is logged
	spoke    time.Time // time of the last line; zero for none
	since    time.Time
	failures int
}

// New returns a log of outages. lost and back are its two lines.
func New(log *zap.Logger, lost, back string) *Log {
	return &Log{log: log, lost: lost, back: back}
}

// Except ignores errors that are logged elsewhere: they neither begin nor end an outage. It
// is for the set-up, and returns l.
func (l *Log) Except(known func(error) bool) *Log {
	l.known = known
	return l
}

// Note records a result: an error begins or continues an outage, nil ends it. A logged
// failure's line has the fields.
func (l *Log) Note(err error, fields ...zap.Field) {
	if l == nil {
		return
	}
	if err != nil && l.known != nil && l.known(err) {
		l.log.Debug(l.lost, append([]zap.Field{zap.Error(err)}, fields...)...)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.end()
		return
	}
	now := time.Now()
	if !l.away {
		l.away, l.since, l.failures = true, now, 0
	}
	l.failures++
	if l.told || !l.spoke.IsZero() && now.Sub(l.spoke) < calm {
		return
	}
	l.told, l.spoke = true, now
	l.log.Warn(l.lost, append([]zap.Field{zap.Error(err)}, fields...)...)
}

func (l *Log) end() {
	if !l.away {
		return
	}
	l.away = false
	if !l.told {
		return
	}
	l.told, l.spoke = false, time.Now()
	l.log.Info(l.back, zap.Duration("after", l.spoke.Sub(l.since).Round(time.Millisecond)), zap.Int("failures", l.failures))
}
