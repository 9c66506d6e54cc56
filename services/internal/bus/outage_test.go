package bus_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// While the bus is lost, everybody who publishes and reads fails again and again. The
// log has a line when it is lost, and one when it is back.
func TestALostBusIsTwoLines(t *testing.T) {
	t.Parallel()
	link := testenv.Proxy(t, testenv.NATS(t))
	core, seen := observer.New(zap.InfoLevel)
	cfg := bus.DefaultConfig()
	cfg.URL = link.URL()
	b, err := bus.Connect(t.Context(), cfg, zap.New(core), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Declare(t.Context()); err != nil {
		t.Fatal(err)
	}
	handle := func(context.Context, *chorusv1.Delivery) error { return nil }
	stop := testenv.Background(t, bus.NewConsumer(b, bus.SenderMessages(), nil, nil, handle).Run)
	testenv.Eventually(t, "it reads", func() (string, bool) {
		return "", seen.FilterMessage("partitions are shared").Len() > 0
	})
	before := seen.Len()
	link.Cut()
	testenv.Eventually(t, "it is lost", func() (string, bool) { return "", b.Ready(t.Context()) != nil })
	for range 700 {
		if _, err := b.Publish(t.Context(), bus.Message{Subject: subject.Turns + ".1", ID: "x"}); err == nil {
			t.Fatal("published on a lost bus")
		}
	}
	tick := time.NewTimer(2 * time.Second) // of the reader's tries
	<-tick.C
	link.Restore()
	testenv.Eventually(t, "it is back", func() (string, bool) { return "", seen.FilterMessage("the bus is back").Len() == 1 })
	stop()
	var lines []string
	for _, e := range seen.All()[before:] {
		if e.Message != "partitions are shared" {
			lines = append(lines, e.Message)
		}
	}
	if len(lines) != 2 {
		t.Errorf("%d lines, want 2: %q", len(lines), lines)
	}
}

// A consumer that has ended can be run again, also after a time in which the bus got no
// sign of life from it.
func TestAConsumerIsRunAgain(t *testing.T) {
	b, _ := declared(t)
	handled := make(chan struct{}, 1)
	consumer := bus.NewConsumer(b, bus.Generator(), nil, nil, func(context.Context, *chorusv1.Turn) error {
		handled <- struct{}{}
		return nil
	})
	for i := range int64(2) {
		if i > 0 {
			// Longer than a message in hand lives without a sign of life.
			away := time.NewTimer(config("").AckWait)
			<-away.C
		}
		stop := testenv.Background(t, consumer.Run)
		publish(t, b, turn(1, i+1))
		receive(t, handled)
		stop()
	}
}
