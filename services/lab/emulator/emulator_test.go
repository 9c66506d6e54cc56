package emulator_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/emulatortest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
	}

	goleak.VerifyTestMain(m)
}

// reply is the form of every answer of the Bot API.
type reply struct {
	OK     bool `json:"ok"`
	Result struct {
		MessageID int64 `json:"message_id"`
	} `json:"result"`
	Description string `json:"description"`
}

// client closes its connections, so that none outlives the test.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
}

func call(address, token, method string, params url.Values) (reply, error) {
	var r reply

	resp, err := client().PostForm(address+"/bot"+token+"/"+method, params)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()

	return r, json.NewDecoder(resp.Body).Decode(&r)
}

// say sends a message as a bot, which must work.
func say(t *testing.T, address, token string, chat int64, text string) int64 {
	t.Helper()

	r, err := call(address, token, "sendMessage", url.Values{"chat_id": {strconv.FormatInt(chat, 10)}, "text": {text}})
	if err != nil || !r.OK {
		t.Fatalf("sendMessage: %+v, %v", r, err)
	}

	return r.Result.MessageID
}

// scene is a bot and Tom in a group; it is found again after a restart.
func scene(w *world.World, kind string) (token string, chat int64, err error) {
	if _, token, err = w.RegisterBot(world.NewBot{Username: "ada_bot", Name: "Ada"}); err != nil {
		return "", 0, err
	}

	id := map[string]int64{world.Group: -1001, world.Supergroup: -1001000001001}[kind]
	made, err := w.PutChat(world.NewChat{Chat: world.Chat{ID: id, Title: "Books", Kind: kind}, Members: []string{"ada_bot", "Tom"}})

	return token, made.ID, err
}

func in(dir string) func(*emulator.Config) {
	return func(cfg *emulator.Config) { cfg.Dir = dir }
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	t.Parallel()

	for change, want := range map[*func(*emulator.Config)]string{
		new(func(c *emulator.Config) { c.Listen = "8081" }):                  `listen: "8081", want HOST:PORT`,
		new(func(c *emulator.Config) { c.Listen = ":8081" }):                 `listen: ":8081" can be reached by other machines`,
		new(func(c *emulator.Config) { c.Listen = "0.0.0.0:8081" }):          `want 127.0.0.1:PORT, or set allow_remote`,
		new(func(c *emulator.Config) { c.Listen = "example.com:80" }):        `can be reached by other machines`,
		new(func(c *emulator.Config) { c.SilentWait = -1 }):                  `silent_wait: -1ns, want a duration from 0s to 1h`,
		new(func(c *emulator.Config) { c.Seed = -1 }):                        `seed: -1, want a whole number, 0 or more`,
		new(func(c *emulator.Config) { c.MaxMessages = 0 }):                  `max_messages: 0, want a whole number, 1 or more`,
		new(func(c *emulator.Config) { c.MaxUpdates = 0 }):                   `max_updates: 0, want a whole number, 1 or more`,
		new(func(c *emulator.Config) { c.MaxCalls = 0 }):                     `max_calls: 0, want a whole number, 1 or more`,
		new(func(c *emulator.Config) { c.Faults = []string{"sendMessage"} }): `faults: fault "sendMessage": must be METHOD:FAULT`,
	} {
		cfg := emulator.DefaultConfig()
		(*change)(&cfg)

		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}

	for _, listen := range []string{"127.0.0.1:0", "127.8.0.1:80", "[::1]:80", "localhost:8081"} {
		cfg := emulator.DefaultConfig()
		cfg.Listen = listen

		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", listen, err)
		}
	}

	cfg := emulator.DefaultConfig()
	cfg.Listen, cfg.AllowRemote = ":8081", true

	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestPortAndFolderInUse(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	first := emulatortest.Start(t, in(dir))

	cfg := emulator.DefaultConfig()
	cfg.Listen = strings.TrimPrefix(first.URL(), "http://")

	second, err := emulator.New(cfg, zapNop())
	if err != nil {
		t.Fatal(err)
	}

	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "is in use by another program") {
		t.Errorf("port: %v", err)
	}

	cfg.AnyPort = true

	third, err := emulator.New(cfg, zapNop())
	if err != nil {
		t.Fatal(err)
	}

	if err := third.Listen(); err != nil || third.URL() == first.URL() {
		t.Errorf("another port: %s, %v", third.URL(), err)
	}

	if err := third.Close(); err != nil {
		t.Error(err)
	}

	cfg.Dir = dir
	if _, err := emulator.New(cfg, zapNop()); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("folder: %v", err)
	}
}

func TestMountsBesideTheBotAPI(t *testing.T) {
	t.Parallel()

	cfg := emulator.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"

	e, err := emulator.New(cfg, zapNop())
	if err != nil {
		t.Fatal(err)
	}

	echo := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, name+r.URL.Path) })
	}

	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}

	e.Mount("/_emulator/", echo("control "))
	e.Mount("/{$}", echo("page "))

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)

	go func() { ended <- e.Run(ctx) }()

	for path, want := range map[string]string{
		"/":                   "page /",
		"/_emulator/x/y":      "control /_emulator/x/y",
		"/elsewhere":          `{"ok":false,"error_code":404,"description":"Not Found"}`,
		"/bot1:unknown/getMe": `{"ok":false,"error_code":401,"description":"Unauthorized"}`,
	} {
		resp, err := client().Get(e.URL() + path)
		if err != nil {
			t.Fatal(err)
		}

		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()

		if err != nil || string(body) != want {
			t.Errorf("%s: %s %v", path, body, err)
		}
	}

	rebound, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}

	rebound.Host = "evil.example"

	if resp, err := client().Do(rebound); err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("under another name: %v, %v", resp, err)
	}

	cancel()

	if err := <-ended; err != nil {
		t.Error(err)
	}

	if err := e.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

func TestStopsInTimeWhateverHangs(t *testing.T) {
	t.Parallel()

	e, stop := emulatortest.Run(t, func(cfg *emulator.Config) {
		cfg.Faults = []string{"sendChatAction:hang", "deleteMessage:hang_after", "getMe:latency=1h"}
	})

	token, chat, err := scene(e.World(), world.Supergroup)
	if err != nil {
		t.Fatal(err)
	}

	endless := make(chan struct{})

	for method, params := range map[string]url.Values{
		"getUpdates":     {"timeout": {"50"}, "offset": {"9999999999"}},
		"sendChatAction": {"chat_id": {strconv.FormatInt(chat, 10)}, "action": {"typing"}},
		"deleteMessage":  {"chat_id": {strconv.FormatInt(chat, 10)}, "message_id": {"1"}},
		"getMe":          {},
	} {
		go func() {
			defer func() { endless <- struct{}{} }()

			_, _ = call(e.URL(), token, method, params) // answered or cut
		}()
	}

	// The effect of hang_after comes before the hang, so it tells when that call
	// is on its way; the others may be on theirs or not.
	following, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	awaitCall(following, t, e, "deleteMessage")

	begin := time.Now()

	if err := stop(); err != nil {
		t.Error(err)
	}

	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}

	for range 4 {
		<-endless
	}
}
