package bus_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// eventually waits until what is looked at is as wanted.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	late := time.After(patience)
	for !is() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-late:
			t.Fatal("never:", what)
		}
	}
}

func TestWhatWaitsIsMeasured(t *testing.T) {
	b, _ := declared(t)
	proceed := make(chan struct{})
	c := bus.NewConsumer(b, bus.Generator(), make(graves), nil, func(ctx context.Context, _ *chorusv1.Turn) error {
		select {
		case <-proceed:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	testenv.Background(t, c.Run)
	before := time.Now()
	publish(t, b, turn(1, 1), turn(1, 2), turn(2, 1))
	measured := func(messages, lanes int) func() bool {
		return func() bool {
			gotMessages, gotLanes, oldest, err := c.Depth(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if (messages > 0) != (oldest > 0) || oldest > time.Since(before)+time.Second {
				return false
			}
			return gotMessages == messages && gotLanes == lanes
		}
	}
	eventually(t, "three messages of two chats wait", measured(3, 2))
	close(proceed)
	eventually(t, "nothing waits", measured(0, 0))
}

func TestSeriesExistBeforeAnythingHappens(t *testing.T) {
	b, _ := declared(t)
	r := prometheus.NewRegistry()
	bus.NewConsumer(b, bus.Generator(), make(graves), bus.NewMetrics(r), func(context.Context, *chorusv1.Turn) error { return nil })
	found, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]int{}
	for _, f := range found {
		have[f.GetName()] = len(f.GetMetric())
	}
	for name, series := range map[string]int{
		"chorus_bus_settled_total": 4, "chorus_bus_retries_total": 1, "chorus_bus_partitions": 1,
		"chorus_queue_messages": 1, "chorus_queue_oldest_seconds": 1, "chorus_queue_lanes": 1,
	} {
		if have[name] != series {
			t.Errorf("%s has %d series, want %d", name, have[name], series)
		}
	}
}

func TestATraceGoesOnOverTheBus(t *testing.T) {
	b, _ := declared(t)
	spans := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))
	b.Trace(provider.Tracer("bus"))
	failed := false
	consume(t, b, make(graves), func(context.Context, *chorusv1.Turn) error {
		if !failed {
			failed = true
			return fail.AsTransient(context.DeadlineExceeded)
		}
		return nil
	})
	m := turn(1, 1)
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	m.TraceParent = "00-" + trace + "-" + parent + "-01"
	publish(t, b, m)
	eventually(t, "two attempts have ended", func() bool { return len(spans.Ended()) == 2 })
	for i, s := range spans.Ended() {
		if s.SpanContext().TraceID().String() != trace || s.Parent().SpanID().String() != parent || s.Name() != "generator" {
			t.Errorf("attempt %d is %s in trace %v after %v", i, s.Name(), s.SpanContext().TraceID(), s.Parent().SpanID())
		}
		if wrong := s.Status().Code == codes.Error; wrong != (i == 0) {
			t.Errorf("attempt %d has the status %v", i, s.Status())
		}
		about := attribute.NewSet(s.Attributes()...)
		if id, _ := about.Value("messaging.message.id"); id.AsString() != m.ID {
			t.Errorf("attempt %d is of message %s, want %s", i, id.AsString(), m.ID)
		}
	}
}
