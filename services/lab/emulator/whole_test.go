package emulator_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/controlapi"
	"github.com/chorus-cast/chorus/services/lab/emulator/page"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// TestWholeEmulator mounts what belongs to a complete emulator, has somebody
// listen everywhere, and stops it.
func TestWholeEmulator(t *testing.T) {
	t.Parallel()

	cfg := emulator.DefaultConfig()
	cfg.Listen, cfg.Dir = "127.0.0.1:0", t.TempDir()

	e, err := emulator.New(cfg, zapNop())
	if err != nil {
		t.Fatal(err)
	}

	e.Mount(control.Prefix+"/", controlapi.New(controlapi.Config{
		World: e.World(), Calls: e.Calls(), Faults: e.Faults(), Flood: e.Flood(), Log: zapNop(),
	}))
	e.Mount("/", page.New(page.Of(e.World()), page.Options{}))

	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	ended := make(chan error, 1)

	go func() { ended <- e.Run(ctx) }()

	token, chat, err := scene(e.World(), world.Supergroup)
	if err != nil {
		t.Fatal(err)
	}

	director, err := control.New(e.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer director.Close()

	// Both streams are endless until the emulator ends.
	calls, streamed := make(chan control.Call, 1), make(chan struct{})

	go func() {
		defer close(calls)

		for call, err := range director.Calls(t.Context(), control.Filter{Follow: true}) {
			if err != nil {
				return
			}

			calls <- call
		}
	}()

	events, err := client().Get(e.URL() + "/page/events")
	if err != nil || events.StatusCode != http.StatusOK {
		t.Fatalf("the page's events: %+v, %v", events, err)
	}
	defer events.Body.Close()

	go func() {
		defer close(streamed)

		_, _ = io.Copy(io.Discard, events.Body) // ends with the connection
	}()

	id := say(t, e.URL(), token, chat, "Hello")

	if got := <-calls; got.EffectMessageID != id || got.Bot != "ada_bot" {
		t.Errorf("the log streams %+v", got)
	}

	begin := time.Now()

	cancel()

	if err := <-ended; err != nil {
		t.Error(err)
	}

	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v to stop", took)
	}

	for range calls {
		t.Error("a call after the end")
	}

	<-streamed
}
