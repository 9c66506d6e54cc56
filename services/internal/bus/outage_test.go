package bus_test

import (
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// During an outage all calls fail again and again. The log has one line at its beginning
// and one at its end, and no call blocks.
func TestALostBusIsTwoLines(t *testing.T) {
	t.Parallel()
	link := testenv.Proxy(t, testenv.NATS(t))
	core, seen := observer.New(zap.InfoLevel)
	b, err := bus.Connect(t.Context(), config(link.URL()), zap.New(core), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Declare(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := seen.Len()
	link.Cut()
	testenv.Eventually(t, "it is lost", func() (string, bool) { return "", b.Ready(t.Context()) != nil })
	began := time.Now()
	for range 700 {
		b.Ring(bus.Messages(), 1)
		if b.Rings(bus.Messages()).Receive(t.Context(), 1, nil) == nil {
			t.Fatal("rings are heard on a lost bus")
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it was waited for: %v", took)
	}
	link.Restore()
	testenv.Eventually(t, "it is back", func() (string, bool) { return "", seen.FilterMessage("the bus is back").Len() == 1 })
	var lines []string
	for _, e := range seen.All()[before:] {
		lines = append(lines, e.Message)
	}
	if len(lines) != 2 {
		t.Errorf("%d lines, want 2: %q", len(lines), lines)
	}
}
