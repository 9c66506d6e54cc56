package bus

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// asideEvery is how often one error of the client is worth a line: it tells of each
// message of a slow reader, and of each call on a lost connection.
const asideEvery = time.Minute

// asides are errors that the client tells of outside of any call.
type asides struct {
	log *zap.Logger

	mu   sync.Mutex
	told map[string]time.Time // by their text; there are few
}

// Note tells of an error, unless it was told of lately, or says only that the
// connection is lost, which has a line of its own.
func (a *asides) Note(err error, sub *nats.Subscription) {
	if err == nil || Passes(err) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now, text := time.Now(), err.Error()
	if at, is := a.told[text]; is && now.Sub(at) < asideEvery {
		return
	}
	if a.told == nil || len(a.told) >= mostAsides {
		a.told = map[string]time.Time{}
	}
	a.told[text] = now
	log := a.log
	if sub != nil {
		log = log.With(zap.String("subject", sub.Subject))
	}
	log.Warn("the bus disturbs", zap.Error(err))
}

// mostAsides is how many texts are known.
const mostAsides = 100
