package natsd

import (
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"
)

// logger passes on warnings and worse, and what would have ended a server that
// is a process of its own.
type logger struct {
	log   *zap.Logger
	fatal chan string

	rebuilds sync.Once
}

var _ server.Logger = (*logger)(nil)

func newLogger(log *zap.Logger) *logger {
	if log == nil {
		log = zap.NewNop()
	}
	return &logger{log: log.Named("nats"), fatal: make(chan string, 1)}
}

func (l *logger) Noticef(string, ...any) {}
func (l *logger) Debugf(string, ...any)  {}
func (l *logger) Tracef(string, ...any)  {}

func (l *logger) Warnf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if !rebuildsIndex(text) {
		l.log.Warn(text)
		return
	}
	l.rebuilds.Do(func() {
		l.log.Info("NATS was not stopped in order: it reads its streams' indexes anew from their messages, and nothing is lost")
	})
	l.log.Debug(text)
}

// rebuildsIndex reports whether a warning is about the index of a file store. The store writes
// it when it stops, and at times before. After a kill it is older than the messages, or
// truncated; the store then reads the messages instead.
func rebuildsIndex(warning string) bool {
	store, said, ok := strings.Cut(warning, "] ")
	if !ok || !strings.HasPrefix(store, "Filestore [") {
		return false
	}
	kind, state, ok := strings.Cut(said, " state ")
	switch {
	case !ok:
		return false
	case kind == "Stream":
		return !strings.HasSuffix(state, "on write") // while it runs
	default:
		return strings.HasPrefix(state, "is outdated") || strings.HasPrefix(state, "from index errored")
	}
}

func (l *logger) Errorf(format string, v ...any) { l.log.Error(fmt.Sprintf(format, v...)) }

// Fatalf must not end the process: the first reason becomes the error of Start.
func (l *logger) Fatalf(format string, v ...any) {
	reason := fmt.Sprintf(format, v...)
	select {
	case l.fatal <- reason:
	default:
		l.log.Error(reason)
	}
}
