// Package outage keeps the log readable while something is away: whoever fails
// for it notes each failure and each success, and the log gets one line when the
// outage begins and one when it ends.
package outage

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// calm is how long after its last line another outage of the same is worth one. What
// fails and works by turns says so at this pace.
const calm = 10 * time.Second

// Log tells of the outages of one thing. It is safe for concurrent use. A nil Log
// tells nothing.
type Log struct {
	log        *zap.Logger
	lost, back string
	known      func(error) bool

	mu       sync.Mutex
	away     bool
	told     bool      // the log has the line of this outage
	spoke    time.Time // when it got its last line; zero for never
	since    time.Time
	failures int
}

// New makes a log of outages. Lost and back are its two lines: what is lost, and
// what works again.
func New(log *zap.Logger, lost, back string) *Log {
	return &Log{log: log, lost: lost, back: back}
}

// Except leaves out errors that somebody else tells of: they begin and end no outage
// here. It is for setting up, and returns the log.
func (l *Log) Except(known func(error) bool) *Log {
	l.known = known
	return l
}

// Note notes how something ended: an error begins an outage or goes on with it,
// none ends it. The fields of the failure that gets a line are in that line.
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
