package smoke_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/emulatortest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	// patience bounds getting the library, and a bot that hangs.
	patience = 3 * time.Minute
	// allowed limits the bot's run; its long poll ends within it.
	allowed = time.Minute
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// event is a line that the bot prints.
type event struct {
	Event       string `json:"event"`
	Username    string `json:"username"`
	To          string `json:"to"`
	Message     int64  `json:"message"`
	Code        int    `json:"code"`
	Description string `json:"description"`
	RetryAfter  int    `json:"retry_after"`
}

func TestUnmodifiedLibrary(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	node, modules, err := testenv.Node(ctx, ".")
	if err != nil {
		t.Fatal(err)
	}

	e := emulatortest.Start(t)

	ada, token, err := e.World().RegisterBot(world.NewBot{Username: "ada_bot", Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}

	chat, err := e.World().PutChat(world.NewChat{Chat: world.Chat{Title: "Books"}, Members: []string{"ada_bot", "Tom"}})
	if err != nil {
		t.Fatal(err)
	}

	events := run(t, node, modules, map[string]string{"BOT_TOKEN": token, "BOT_API": e.URL()}, func() {
		if _, err := e.World().Say(chat.ID, "Tom", "Hello, bot!", 0); err != nil {
			t.Error(err)
		}
	})

	if diff := cmp.Diff([]event{
		{Event: "started", Username: "ada_bot"},
		{Event: "replied", To: "Hello, bot!", Message: 2},
		{Event: "refused", Code: 429, Description: "Too Many Requests: retry after 1", RetryAfter: 1},
		{Event: "missed", Code: 400, Description: "Bad Request: message to react not found"},
		{Event: "ended"},
	}, events); diff != "" {
		t.Error(diff)
	}

	posts, err := e.World().History(chat.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}

	if len(posts) < 2 || posts[1].Text != "You said: Hello, bot!" || posts[1].ReplyTo == nil || posts[1].ReplyTo.Seq != posts[0].Seq ||
		len(posts[0].Reactions) != 1 || posts[0].Reactions[0].Emoji != "👍" {
		t.Errorf("the chat has %+v", posts)
	}

	if left := e.World().Pending(ada.ID); left != 0 {
		t.Errorf("%d updates were not confirmed", left)
	}

	records, err := e.Calls().Records(ctx, calllog.Filter{Method: "sendMessage"})
	if err != nil || len(records) < 2 || records[len(records)-1].Status != 429 {
		t.Errorf("the log has %+v, %v", records, err)
	}
}

// run runs the bot to its end and returns what it printed. started is called
// when it is up.
func run(t *testing.T, node, modules string, env map[string]string, started func()) []event {
	t.Helper()

	// The library is found beside the program, so both go to a folder of their own.
	dir := t.TempDir()

	program, err := os.ReadFile("bot.mjs")
	if err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(filepath.Join(dir, "bot.mjs"), program, 0o600); err != nil {
		t.Fatal(err)
	}

	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), allowed)
	defer cancel()

	cmd := exec.CommandContext(ctx, node, "bot.mjs")
	cmd.Dir = dir
	cmd.Env = os.Environ()

	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}

	var stderr bytes.Buffer

	cmd.Stderr = &stderr

	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	var events []event

	for lines := bufio.NewScanner(out); lines.Scan(); {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Errorf("the bot prints %q", lines.Text())

			continue
		}

		if events = append(events, e); e.Event == "started" {
			started()
		}
	}

	if err := cmd.Wait(); err != nil {
		t.Errorf("the bot ended with %v: %s", err, strings.TrimSpace(stderr.String()))
	}

	return events
}
