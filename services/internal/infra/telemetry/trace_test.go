package telemetry_test

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/protobuf/proto"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/run/runtest"
	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
)

// sink is a collector that stores the names of spans, by service.
type sink struct {
	*httptest.Server

	mu    sync.Mutex
	spans map[string][]string
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{spans: map[string][]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.take))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) take(w http.ResponseWriter, r *http.Request) {
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		in, _ = gzip.NewReader(r.Body)
	}
	body, _ := io.ReadAll(in)
	var request collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				s.spans[service] = append(s.spans[service], span.GetName())
			}
		}
	}
}

// finish runs a tracing whose context has ended.
func finish(t *testing.T, tracing *telemetry.Tracing) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tracing.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestSpansReachTheCollector(t *testing.T) {
	s := newSink(t)
	for _, path := range []string{"", "/", "/v1/traces"} {
		tracing, err := telemetry.NewTracing(t.Context(), telemetry.TraceConfig{Endpoint: s.URL + path, Ratio: 1}, "sender", telemetry.ReadBuild(), zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		_, span := tracing.Tracer("test").Start(t.Context(), "send"+path)
		span.End()
		finish(t, tracing)
	}
	if diff := cmp.Diff(map[string][]string{"sender": {"send", "send/", "send/v1/traces"}}, s.spans); diff != "" {
		t.Error(diff)
	}
}

func TestRatioAndParentDecide(t *testing.T) {
	s := newSink(t)
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.TraceConfig{Endpoint: s.URL}, "sender", telemetry.ReadBuild(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	for name, parent := range map[string]string{
		"of a recorded trace":   "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"of an unrecorded one":  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
		"of none, with ratio 0": "",
	} {
		ctx := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": parent})
		_, span := tracing.Tracer("test").Start(ctx, name)
		if parent != "" && span.SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("%s: the trace is %v", name, span.SpanContext().TraceID())
		}
		span.End()
	}
	finish(t, tracing)
	if diff := cmp.Diff(map[string][]string{"sender": {"of a recorded trace"}}, s.spans); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutAnEndpointThereAreIDs(t *testing.T) {
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.DefaultTraceConfig(), "sender", telemetry.ReadBuild(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracing.Tracer("test").Start(t.Context(), "send")
	if !span.SpanContext().IsValid() || span.IsRecording() {
		t.Errorf("the span is %+v", span.SpanContext())
	}
	span.End()
	finish(t, tracing)
}

func TestDeadCollectorIsOneWarning(t *testing.T) {
	s := newSink(t)
	s.Close()
	core, logged := observer.New(zap.DebugLevel)
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.TraceConfig{Endpoint: s.URL, Ratio: 1}, "sender", telemetry.ReadBuild(), zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 { // several batches
		_, span := tracing.Tracer("test").Start(t.Context(), "send")
		span.End()
	}
	finish(t, tracing)
	if n := logged.Len(); n != 1 {
		t.Errorf("there are %d entries, want 1: %v", n, logged.All())
	}
}

func TestTracingStress(t *testing.T) {
	s := newSink(t)
	runtest.Stress(t, func(t testing.TB) run.Part {
		tracing, err := telemetry.NewTracing(t.Context(), telemetry.TraceConfig{Endpoint: s.URL, Ratio: 1}, "sender", telemetry.ReadBuild(), zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		_, span := tracing.Tracer("test").Start(t.Context(), "send")
		span.End()
		return run.Part{Name: "tracing", Run: tracing.Run}
	})
}
