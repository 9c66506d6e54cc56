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
	// probeTimeout is ample for a connection with its TLS handshake.
	probeTimeout = 3 * time.Second

	shortestRetry = 250 * time.Millisecond
	longestRetry  = 2 * time.Second
)

// Probe makes a request that any answer ends, and returns an error if there was none.
type Probe func(ctx context.Context) error

// Monitor keeps the state of the connection. Its methods are safe for concurrent use,
// but one goroutine at a time may watch or wait.
type Monitor struct {
	probe   Probe
	outages *outage.Log
	asked   chan struct{} // a probe is to be made

	mu    sync.Mutex
	state State
}

// New makes a monitor. The log gets a line when the connection is lost and one when
// it is back.
func New(probe Probe, outages *outage.Log) *Monitor {
	return &Monitor{probe: probe, outages: outages, asked: make(chan struct{}, 1)}
}

// Called takes in whether a call got an answer.
func (m *Monitor) Called(answered bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state.Called(answered) {
		m.request()
	}
}

// request has Watch make a probe.
func (m *Monitor) request() {
	select {
	case m.asked <- struct{}{}:
	default:
	}
}

// Suspect tells that calls without an answer say nothing of Telegram, because perhaps
// this process doesn't reach it.
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
			// The probe that the end of the context cut off is asked for again, and that
			// is for the next Watch.
			if m.ask(ctx) != nil && (m.lost() || ctx.Err() != nil) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// Wait returns when the connection is there, or back, or the context ends.
func (m *Monitor) Wait(ctx context.Context) {
	if !m.lost() {
		return
	}
	again := retrypolicy.NewBuilder[any]().
		WithMaxRetries(-1).
		WithBackoff(shortestRetry, longestRetry).
		WithJitterFactor(0.2). //nolint:mnd // usual
		Build()
	// Its error says only that the context ended.
	_ = failsafe.With(again).WithContext(ctx).Run(func() error { return m.ask(ctx) })
}

// ask makes a probe. One that the context ended says nothing, and is made by the next
// Watch: the state asks for no other.
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
