package limit

import (
	"context"
	"time"
)

// NewLocalAt returns a limiter with a clock.
func NewLocalAt(window time.Duration, replicas func() int, now func() time.Time) *Local {
	return newLocal(window, replicas, now)
}

// ReserveAt reserves, and returns Redis' time of the reservation.
func (r *Redis) ReserveAt(ctx context.Context, c Call, maxWait time.Duration) (Verdict, time.Time, error) {
	a, err := r.ask(ctx, c, maxWait, asItIs)
	return a.Verdict, time.UnixMicro(a.at), err
}

// Size returns how many deadlines the limiter stores.
func (l *Local) Size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.bots.of) + len(l.chats.of) + len(l.cooling.chats.of) + len(l.cooling.bots.of)
}

// Share returns the rate for each of n processes.
func (r Rate) Share(n int) Rate { return r.share(n) }

// Probe makes a limiter that has lost Redis probe it with the next call.
func Probe(s *Shared) { s.breaker.HalfOpen() }
