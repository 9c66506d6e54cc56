package emulator_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/emulator"
	"github.com/chorus-cast/chorus/services/emulator/world"
	"github.com/chorus-cast/chorus/services/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// local is an emulator's configuration for a test.
func local(dir string) emulator.Config {
	cfg := emulator.DefaultConfig()
	cfg.Listen, cfg.Dir, cfg.SilentWait = "127.0.0.1:0", dir, 0

	return cfg
}

// running is an emulator that serves until stop is called.
type running struct {
	*emulator.Emulator

	stop func() error
}

func run(t *testing.T, cfg emulator.Config) running {
	t.Helper()

	e, err := emulator.New(cfg, testenv.Logger(t))
	if err != nil {
		t.Fatal(err)
	}

	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)

	go func() { ended <- e.Run(ctx) }()

	var stopped bool

	stop := func() error {
		if stopped {
			return nil
		}

		stopped = true

		cancel()

		return <-ended
	}

	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}

		http.DefaultClient.CloseIdleConnections()
	})

	return running{e, stop}
}

// reply is the form of every answer of the Bot API.
type reply struct {
	OK          bool            `json:"ok"`
	Result      json.RawMessage `json:"result"`
	ErrorCode   int             `json:"error_code"`
	Description string          `json:"description"`
}

func call(t *testing.T, e running, token, method string, params url.Values) reply {
	t.Helper()

	resp, err := http.PostForm(e.URL()+"/bot"+token+"/"+method, params)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()

	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}

	var r reply
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatalf("%s: %v", body, err)
	}

	return r
}

func TestSaysAndReacts(t *testing.T) {
	t.Parallel()

	e := run(t, local(""))

	token, _, err := e.World().EnsureBot("ada_bot", "Ada")
	if err != nil {
		t.Fatal(err)
	}

	id, err := e.World().EnsureChat(world.NewChat{
		Chat: world.Chat{Title: "Books"}, Members: []string{"ada_bot", "Tom"},
	})
	if err != nil {
		t.Fatal(err)
	}

	group := chatID(id)
	if r := call(t, e, token, "sendMessage", url.Values{"chat_id": {group}, "text": {"Hello"}}); !r.OK {
		t.Fatalf("sendMessage: %+v", r)
	}

	if r := call(t, e, token, "SETMESSAGEREACTION", url.Values{
		"chat_id": {group}, "message_id": {"1"}, "reaction": {`[{"type":"emoji","emoji":"👍"}]`},
	}); !r.OK {
		t.Fatalf("setMessageReaction: %+v", r)
	}

	posts, err := e.World().History(id, 0, 10)
	if err != nil || len(posts) != 1 || posts[0].Text != "Hello" || len(posts[0].Reactions) != 1 {
		t.Fatalf("history: %+v, %v", posts, err)
	}
}
func chatID(id int64) string { return strconv.FormatInt(id, 10) }
