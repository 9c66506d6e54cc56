package sampling_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/lab/load/sampling"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { http.DefaultClient.CloseIdleConnections(); os.Exit(code) }))
}

const exposition = `# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 1.048576e+06
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total %d
# TYPE go_goroutines gauge
go_goroutines 12
# TYPE chorus_turns_planned_total counter
chorus_turns_planned_total{kind="message"} %d
# TYPE chorus_sender_breakers gauge
chorus_sender_breakers{state="open"} %d
# TYPE chorus_turn_seconds histogram
chorus_turn_seconds_bucket{le="+Inf"} 3
chorus_turn_seconds_sum 1.5
chorus_turn_seconds_count 3
# TYPE other_total counter
other_total 5
`

// service answers with a counter and a gauge that a test changes.
type service struct{ counter, gauge atomic.Int64 }

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer token" {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	_, _ = fmt.Fprintf(w, exposition, 2, s.counter.Load(), s.gauge.Load())
}

func TestCounters(t *testing.T) {
	var s service
	server := httptest.NewServer(&s)
	defer server.Close()
	source := sampling.Source{Service: "planner", Instance: "planner-1", URL: server.URL, Token: "token", Chorus: true}
	fresh := source
	fresh.Instance, fresh.Fresh = "planner-2", true
	sampler := sampling.New()
	for _, step := range []struct{ counter, gauge int64 }{{10, 1}, {15, 3}, {4, 0}} { // it began anew before the last
		s.counter.Store(step.counter)
		s.gauge.Store(step.gauge)
		sampler.Look(t.Context(), []sampling.Source{source, fresh})
	}
	got := sampler.Counters()
	for name, want := range map[string]float64{
		`chorus_turns_planned_total{kind="message"}`: (15 - 10 + 4) + (15 + 4),
		`chorus_sender_breakers{state="open"}`:       3 + 3,
		"chorus_turn_seconds_count":                  0 + 3,
		"other_total":                                0,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	samples := sampler.Samples()
	if len(samples) != 6 || samples[0].Memory != 1<<20 || samples[0].CPU != 2 || samples[0].Goroutines != 12 || !samples[0].Chorus {
		t.Errorf("%d samples, the first is %+v", len(samples), samples[0])
	}
}

func TestWhoDoesNotAnswerIsLeftOut(t *testing.T) {
	var s service
	server := httptest.NewServer(&s)
	defer server.Close()
	sampler := sampling.New()
	sampler.Look(t.Context(), []sampling.Source{
		{Service: "a", Instance: "a", URL: server.URL, Token: "wrong"},
		{Service: "b", Instance: "b", Pid: os.Getpid()},
	})
	if samples := sampler.Samples(); len(samples) != 1 || samples[0].Service != "b" {
		t.Errorf("the samples are %+v", samples)
	}
	if sampler.Failures() != 1 {
		t.Errorf("%d failures", sampler.Failures())
	}
}

func TestKernelKnowsThisProcess(t *testing.T) {
	sampler := sampling.New()
	sampler.Look(t.Context(), []sampling.Source{{Service: "test", Instance: "test", Pid: os.Getpid(), Tree: true}})
	samples := sampler.Samples()
	if len(samples) != 1 || samples[0].Memory < 1<<20 || samples[0].Memory > 4<<30 {
		t.Errorf("the samples are %+v", samples)
	}
}
