package connection

import (
	"context"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/chorus-cast/chorus/services/internal/infra/outage"
)

const (
	// probeTimeout is long enough for a connection with its TLS handshake.
	probeTimeout = 3 * time.Second

	shortestRetry = 250 * time.Millisecond
	longestRetry  = 2 * time.Second
)

// Probe makes a request and returns an error if there is no response at all.
type Probe func(ctx context.Context) error

// Monitor tracks the state of the connection. Its methods are safe for concurrent use, but
// only one goroutine at a time may call Watch or Wait.
type Monitor struct {
	probe   Probe
	outages *outage.Log
	asked   chan struct{} // requests a probe

	mu    sync.Mutex
	state State
}

// New returns a monitor. It logs one line when the connection is lost and one when it is
// back.
func New(probe Probe, outages *outage.Log) *Monitor {
	return &Monitor{probe: probe, outages: outages, asked: make(chan struct{}, 1)}
}

// Called records whether a call was answered.
func (m *Monitor) Called(answered bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state.Called(answered) {
		m.request()
	}
}

// request makes Watch run a probe.
func (m *Monitor) request() {
	select {
	case m.asked <- struct{}{}:
	default:
	}
}

// Suspect reports whether unanswered calls may be this process' fault, not Telegram's.
func (m *Monitor) Suspect() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Suspect()
}

// Watch returns when the connection is lost or the context ends.
func (m *Monitor) Watch(ctx context.Context) {
	for {
		select {
		case <-m.asked:
			// If the context ended during the probe, the request for it is left to the next
			// Watch.
			if m.ask(ctx) != nil && (m.lost() || ctx.Err() != nil) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// Wait returns when the connection is not lost, or the context ends.
func (m *Monitor) Wait(ctx context.Context) {
	if !m.lost() {
		return
	}
	again := retrypolicy.NewBuilder[any]().
		WithMaxRetries(-1).
		WithBackoff(shortestRetry, longestRetry).
		WithJitterFactor(0.2). //nolint:mnd // usual
		Build()
	// The error only says that the context ended.
	_ = failsafe.With(again).WithContext(ctx).Run(func() error { return m.ask(ctx) })
}

// ask runs a probe. If the context ends it, it has no result and is requested again for the
// next Watch, because the state requests no other.
func (m *Monitor) ask(ctx context.Context) error {
	probing, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := m.probe(probing)
	if ctx.Err() != nil {
		m.request()
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Probed(err == nil)
	if err == nil || m.state.Lost() {
		m.outages.Note(err)
	}
	return err
}

func (m *Monitor) lost() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Lost()
}
