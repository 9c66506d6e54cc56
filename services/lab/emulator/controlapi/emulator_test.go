package controlapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/controlapi"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// A whole emulator: a bot is made, calls go right and wrong as told, the log
// has them, and the end of the emulator ends who follows.
func TestAWholeEmulatorIsControlled(t *testing.T) {
	t.Parallel()

	cfg := emulator.DefaultConfig()
	cfg.Listen, cfg.Dir = "127.0.0.1:0", t.TempDir()

	e, err := emulator.New(cfg, testenv.Logger(t))
	if err != nil {
		t.Fatal(err)
	}

	e.Mount(control.Prefix+"/", controlapi.New(controlapi.Config{
		World: e.World(), Calls: e.Calls(), Faults: e.Faults(), Flood: e.Flood(), Log: testenv.Logger(t),
	}))

	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()

	ended := make(chan error, 1)

	go func() { ended <- e.Run(ctx) }()

	c, err := control.New(e.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	ada, err := c.AddBot(t.Context(), control.NewBot{Username: "ada_bot"})
	if err != nil {
		t.Fatal(err)
	}

	chat, err := c.PutChat(t.Context(), control.NewChat{Chat: world.Chat{Title: "Books"}, Members: []string{"ada_bot"}})
	if err != nil {
		t.Fatal(err)
	}

	if _, err := c.SetFaults(t.Context(), control.Fault{ID: "f", Kind: fault.Status, Status: 502, Body: fault.HTML, Count: 1}); err != nil {
		t.Fatal(err)
	}

	message := url.Values{"chat_id": {strconv.FormatInt(chat.ID, 10)}, "text": {"hello"}}

	for _, want := range []int{http.StatusBadGateway, http.StatusOK} {
		r := newRequest(t, http.MethodPost, e.URL()+"/bot"+ada.Token.Reveal()+"/sendMessage", message.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")

		if status, body := exchange(t, r); status != want {
			t.Fatalf("got %d %s, want %d", status, body, want)
		}
	}

	type line struct {
		Seq    uint64
		Method string
		Status int
		Effect string
		ID     int64
		Fault  string
	}

	var (
		got []line
		end error
	)

	for call, err := range c.Calls(t.Context(), control.Filter{Follow: true, Bot: "ada_bot", Chat: chat.ID}) {
		if end = err; err != nil {
			break
		}

		got = append(got, line{call.Seq, call.Method, call.Status, call.Effect, call.EffectMessageID, call.Fault})

		if len(got) == 2 {
			stop()
		}
	}

	if err := <-ended; err != nil {
		t.Error(err)
	}

	want := []line{{1, "sendMessage", 502, "none", 0, "f"}, {2, "sendMessage", 200, "sent", 1, ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	if !errors.Is(end, control.ErrEnded) {
		t.Errorf("the stream ended with %v", end)
	}
}
