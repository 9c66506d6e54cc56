package emulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
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

	mountAll(e)

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

// mountAll mounts all that a person meets.
func mountAll(e *emulator.Emulator) {
	e.Mount(control.Prefix+"/", controlapi.New(controlapi.Config{
		World: e.World(), Calls: e.Calls(), Faults: e.Faults(), Flood: e.Flood(), Log: zapNop(),
	}))
	e.Mount("/", page.New(page.Of(e.World()), page.Options{}))
}

// The page's script acts through the control interface.
func TestThePageActsByTheControlInterface(t *testing.T) {
	t.Parallel()

	e, err := emulator.New(emulator.DefaultConfig(), zapNop())
	if err != nil {
		t.Fatal(err)
	}

	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()

	mountAll(e)

	handler := e.Handler()
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost:8080/"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")

		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)

		return w
	}

	_, chat, err := scene(e.World(), world.Supergroup)
	if err != nil {
		t.Fatal(err)
	}

	bot, _ := e.World().Find("ada_bot")

	asked, err := e.World().Send(world.Cause{}, bot.ID, chat, world.Saying{
		Content: world.Content{Text: "Tea?"}, Markup: json.RawMessage(`{"inline_keyboard":[[{"text":"Yes","callback_data":"y"}]]}`),
	})
	if err != nil {
		t.Fatal(err)
	}

	private, err := e.World().Start("Tom", "ada_bot")
	if err != nil {
		t.Fatal(err)
	}

	acts := map[string]struct {
		chat int64
		body string
	}{
		"_emulator/chats/${chat}/messages":  {chat, fmt.Sprintf(`{"name":"Tom","text":"hi","reply_to":%d}`, asked.Seq)},
		"_emulator/chats/${chat}/reactions": {chat, fmt.Sprintf(`{"name":"Tom","message_id":%d,"emoji":"👍"}`, asked.Seq)},
		"_emulator/chats/${chat}/presses":   {chat, fmt.Sprintf(`{"name":"Tom","message_id":%d,"data":"y"}`, asked.Seq)},
		"_emulator/chats/${chat}/members":   {chat, `{"who":"Tom","role":"administrator"}`},
		"_emulator/chats/${open}/members":   {private.ID, `{"who":"ada_bot","role":"kicked"}`},
		"_emulator/starts":                  {0, `{"name":"Mia","bot":"ada_bot"}`},
	}

	found := regexp.MustCompile("post\\([`\"]([^`\"]+)").FindAllStringSubmatch(ask(http.MethodGet, "page/web/app.js", "").Body.String(), -1)
	if len(found) != len(acts) {
		t.Errorf("the script posts to %q, want %d places", found, len(acts))
	}

	for _, match := range found {
		act := acts[match[1]]
		path := regexp.MustCompile(`\$\{\w+\}`).ReplaceAllString(match[1], strconv.FormatInt(act.chat, 10))

		if w := ask(http.MethodPost, path, act.body); w.Code >= http.StatusMultipleChoices {
			t.Errorf("%s: %d %s", match[1], w.Code, w.Body)
		}
	}
}
