package emulator_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/emulatortest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// childDir makes the test binary an emulator on that folder.
const childDir = "EMULATOR_TEST_CHILD_DIR"

func zapNop() *zap.Logger { return zap.NewNop() }

var errFound = errors.New("found")

// awaitCall waits until the log has a call of a method.
func awaitCall(ctx context.Context, t *testing.T, e *emulator.Emulator, method string) {
	t.Helper()

	err := e.Calls().Read(ctx, calllog.Filter{Method: method, Follow: true}, func([]byte) error { return errFound }, nil)
	if !errors.Is(err, errFound) {
		t.Fatalf("no call of %s came: %v", method, err)
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	e, stop := emulatortest.Run(t, in(dir))

	token, chat, err := scene(e.World(), world.Group)
	if err != nil {
		t.Fatal(err)
	}

	first := say(t, e.URL(), token, chat, "one")

	said, err := e.World().Say(chat, "Tom", "two", 0)
	if err != nil {
		t.Fatal(err)
	}

	bot, _ := e.World().BotByToken(token)
	before, err := e.World().Updates(bot.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}

	// All but the last update are confirmed, and the bot has a webhook's memory.
	last := before[len(before)-1]
	if err := e.World().Confirm(bot.ID, last.ID); err != nil {
		t.Fatal(err)
	}

	if err := stop(); err != nil {
		t.Fatal(err)
	}

	e = emulatortest.Start(t, in(dir))

	again, same, err := scene(e.World(), world.Group)
	if err != nil || again != token || same != chat {
		t.Fatalf("another scene: chat %d instead of %d, %v", same, chat, err)
	}

	after, err := e.World().Updates(bot.ID, 0, 100)
	if err != nil || len(after) != 1 || after[0].ID != last.ID || after[0].Post.Text != "two" {
		t.Errorf("updates after the restart: %+v, %v", after, err)
	}

	if id := say(t, e.URL(), token, chat, "three"); id <= e.World().IDs(chat, said.Seq)[bot.ID] || id <= first {
		t.Errorf("message id %d again", id)
	}

	records, err := e.Calls().Records(t.Context(), calllog.Filter{})
	if err != nil || len(records) != 2 || records[0].EffectMessageID != first || records[1].Seq != 2 {
		t.Errorf("log: %+v, %v", records, err)
	}
}

// TestLogIsCompletedFromTheWorld takes the last call out of the log, as if the
// process had died between the effect and the log.
func TestLogIsCompletedFromTheWorld(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	e, stop := emulatortest.Run(t, in(dir))

	token, chat, err := scene(e.World(), world.Supergroup)
	if err != nil {
		t.Fatal(err)
	}

	say(t, e.URL(), token, chat, "one")
	last := say(t, e.URL(), token, chat, "two")

	if err := stop(); err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(dir, "calls.jsonl")

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	end := bytes.LastIndexByte(bytes.TrimSuffix(content, []byte{'\n'}), '\n') + 1
	if err := os.WriteFile(path, content[:end+20], 0o600); err != nil { // with a torn line
		t.Fatal(err)
	}

	// The second start has nothing to complete any more.
	for range 2 {
		e, stop := emulatortest.Run(t, in(dir))

		records, err := e.Calls().Records(t.Context(), calllog.Filter{})
		if err != nil || len(records) != 2 {
			t.Fatalf("%d records, %v", len(records), err)
		}

		got := records[1]
		if got.EffectMessageID != last || !got.Recovered || got.Effect != "sent" || got.Method != "sendMessage" || got.Bot != "ada_bot" || got.Chat != chat {
			t.Errorf("completed with %+v", got)
		}

		if text := string(got.Params["text"]); text != `"two"` {
			t.Errorf("completed with the text %s", text)
		}

		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// hello is the first output of a child that is ready.
type hello struct {
	URL, Token string
	Chat       int64
}

// child is an emulator in a process of its own, to be killed.
func child(dir string) {
	cfg := emulator.DefaultConfig()
	cfg.Listen, cfg.Dir, cfg.Unlimited = "127.0.0.1:0", dir, true

	e, err := emulator.New(cfg, zapNop())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}

	token, chat, err := scene(e.World(), world.Group)
	if err == nil {
		err = e.Listen()
	}

	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(hello{e.URL(), token, chat})
	}

	if err == nil {
		err = e.Run(context.Background())
	}

	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func spawn(t *testing.T, dir string) (*exec.Cmd, hello) {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr

	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}

	var h hello
	if err := json.Unmarshal(line, &h); err != nil {
		t.Fatal(err)
	}

	return cmd, h
}

// TestNothingIsLostByKill kills an emulator in the middle of calls, several
// times on the same folder. What was answered must be there, once, and the log
// must have exactly what is there.
func TestNothingIsLostByKill(t *testing.T) {
	t.Parallel()

	const rounds, senders, enough = 4, 4, 25

	var (
		dir      = t.TempDir()
		mu       sync.Mutex
		answered = map[string]int64{} // text to message id
		chat     int64
	)

	for round := range rounds {
		cmd, h := spawn(t, dir)
		chat = h.Chat
		reached := make(chan struct{})

		var (
			group sync.WaitGroup
			count int
		)

		for sender := range senders {
			group.Go(func() {
				for i := 0; ; i++ {
					text := fmt.Sprintf("%d-%d-%d", round, sender, i)

					r, err := call(h.URL, h.Token, "sendMessage", url.Values{"chat_id": {strconv.FormatInt(chat, 10)}, "text": {text}})
					if err != nil {
						return // killed
					}

					mu.Lock()
					answered[text] = r.Result.MessageID

					if count++; count == enough {
						close(reached)
					}
					mu.Unlock()
				}
			})
		}

		<-reached

		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}

		group.Wait()

		_ = cmd.Wait() // says that it was killed
	}

	e := emulatortest.Start(t, in(dir))

	posts, err := e.World().History(chat, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}

	bot, _ := e.World().Find("ada_bot")
	there := map[int64]string{}
	times := map[string]int{}

	for _, p := range posts {
		there[e.World().IDs(chat, p.Seq)[bot.ID]] = p.Text
		times[p.Text]++
	}

	for text, id := range answered {
		if there[id] != text || times[text] != 1 {
			t.Errorf("%s was answered as message %d, which is %q; it is there %d times", text, id, there[id], times[text])
		}
	}

	records, err := e.Calls().Records(t.Context(), calllog.Filter{})
	if err != nil {
		t.Fatal(err)
	}

	if len(there) != len(posts) || len(records) != len(posts) {
		t.Errorf("%d messages with %d ids, %d calls in the log", len(posts), len(there), len(records))
	}

	for i, record := range records {
		if _, ok := there[record.EffectMessageID]; !ok || record.Seq != uint64(i)+1 || record.Effect != "sent" {
			t.Errorf("the log has %+v", record)
		}

		delete(there, record.EffectMessageID)
	}
}
