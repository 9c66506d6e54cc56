package controlapi_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/controlapi"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is an emulator without its Bot API.
type bench struct {
	*control.Client

	world  *world.World
	calls  *calllog.Log
	faults *fault.Set
	flood  *flood.Control
	url    string
	stop   func() // ends the contexts of requests
}

func start(t *testing.T) bench {
	t.Helper()

	w, err := world.Open(world.Config{Seed: 1, MaxMessages: 100, MaxUpdates: 100, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}

	calls, err := calllog.Open(t.TempDir(), 100)
	if err != nil {
		t.Fatal(err)
	}

	b := bench{world: w, calls: calls, faults: fault.NewSet(time.Now), flood: flood.New(flood.Default(), time.Now)}

	ctx, cancel := context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(controlapi.New(controlapi.Config{
		World: w, Calls: calls, Faults: b.faults, Flood: b.flood, Log: zap.NewNop(), Hosts: []string{"chorus.example"},
	}))
	server.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	server.Start()

	b.url, b.stop = server.URL, cancel

	if b.Client, err = control.New(server.URL); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		cancel()
		b.Close()
		server.Close()

		if err := calls.Close(); err != nil {
			t.Error(err)
		}
	})

	return b
}

func TestItMayBeMountedAnyhow(t *testing.T) {
	t.Parallel()

	b := start(t)
	h := controlapi.New(controlapi.Config{World: b.world, Calls: b.calls, Faults: b.faults, Flood: b.flood, Log: zap.NewNop()})

	mux := http.NewServeMux()
	mux.Handle(control.Prefix+"/", h)

	mounted, handled := chi.NewRouter(), chi.NewRouter()
	mounted.Mount(control.Prefix, h)
	handled.Handle(control.Prefix+"/*", h)

	for name, around := range map[string]http.Handler{"alone": h, "mux": mux, "chi mount": mounted, "chi handle": handled} {
		answer := httptest.NewRecorder()
		around.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+control.Prefix+"/faults", nil))

		if got := answer.Body.String(); answer.Code != http.StatusOK || got != "[]\n" {
			t.Errorf("%s: got %d %s", name, answer.Code, got)
		}
	}
}
