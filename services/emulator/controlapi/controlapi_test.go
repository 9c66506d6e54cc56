package controlapi_test

import (
	"context"
	"net"

	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/emulator/calllog"
	"github.com/chorus-cast/chorus/services/emulator/control"
	"github.com/chorus-cast/chorus/services/emulator/controlapi"
	"github.com/chorus-cast/chorus/services/emulator/fault"
	"github.com/chorus-cast/chorus/services/emulator/flood"
	"github.com/chorus-cast/chorus/services/emulator/world"
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

	b.url = server.URL

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
