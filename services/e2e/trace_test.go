package e2e_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// traces stores the names of spans by trace. Services send them by OTLP.
type traces struct {
	mu    sync.Mutex
	spans map[string]map[string]bool
}

func (s *traces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		in = unzipped
	}
	body, err := io.ReadAll(in)
	var request collector.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(body, &request) != nil {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				id := string(span.GetTraceId())
				if s.spans[id] == nil {
					s.spans[id] = map[string]bool{}
				}
				s.spans[id][span.GetName()] = true
			}
		}
	}
}

// has tells whether one trace has all of these spans.
func (s *traces) has(names ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, spans := range s.spans {
		all := true
		for _, n := range names {
			all = all && spans[n]
		}
		if all {
			return true
		}
	}
	return false
}

// A turn is one trace, from its plan to the call to Telegram, over three processes.
func TestATurnIsOneTrace(t *testing.T) {
	t.Parallel()
	store := &traces{spans: map[string]map[string]bool{}}
	server := httptest.NewServer(store)
	defer server.Close()
	d := deploy(t, troupe{bots: 4, supergroups: 2, perChat: 3, gap: 1e9}.file(t))
	d.environment = append(d.environment, "CHORUS_TRACE_ENDPOINT="+server.URL, "OTEL_BSP_SCHEDULE_DELAY=200")
	d.start("planner", "generator", "sender")
	eventually(t, "a message's turn is one trace", func() bool {
		return store.has("plan turn", "generator", "generate text", "sender-message", "sendMessage")
	})
	eventually(t, "a reaction's turn is one trace", func() bool {
		return store.has("plan turn", "sender-reaction", "setMessageReaction")
	})
}
