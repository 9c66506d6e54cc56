package e2e_test

import (
	"cmp"
	"path/filepath"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// bookClub is the cast of make demo.
const bookClub = "../../deploy/examples/book-club.yaml"

const (
	// talksWithin limits the wait for a conversation. Speakers are random, and a user
	// typically sees one in about twenty seconds.
	talksWithin = time.Minute
	// stopsWithin limits the time to stop after Ctrl-C.
	stopsWithin = 5 * time.Second
)

func TestTalks(t *testing.T) {
	t.Parallel()
	cast, err := filepath.Abs(bookClub)
	if err != nil {
		t.Fatal(err)
	}
	built.path(t)
	dir, began := testenv.Folder(t), time.Now()
	// At its own pace a chat may be quiet for a minute.
	c := up(t, dir, "--cast", cast, "--planner.pace", "2s")
	emulator := c.emulator()
	var seen conversation
	if !within(t, talksWithin-time.Since(began), func() bool {
		seen = converse(t, callsOf(t, emulator, control.Filter{}))
		return seen.complete()
	}) {
		t.Errorf("after %v there is %+v, want three personas, a new message, a reply and a reaction", talksWithin, seen)
	}
	t.Logf("a conversation after %v: %+v", time.Since(began).Round(time.Millisecond), seen)
	first := callsOf(t, emulator, control.Filter{})
	turns := lastTurn(t, dir)
	stopped(t, c)

	again := up(t, dir, "--cast", cast, "--planner.pace", "2s")
	emulator = again.emulator()
	eventually(t, "the second run goes on talking", func() bool {
		return len(sent(callsOf(t, emulator, control.Filter{Since: first[len(first)-1].Seq}))) > 2
	})
	goesOn(t, first, callsOf(t, emulator, control.Filter{}))
	if now := lastTurn(t, dir); now <= turns {
		t.Errorf("the last turn is %d after %d in the first run", now, turns)
	}
	stopped(t, again)
}

// conversation counts what makes a chat worth watching.
type conversation struct{ personas, messages, replies, reactions int }

func (c conversation) complete() bool {
	return c.personas >= 3 && c.messages > 0 && c.replies > 0 && c.reactions > 0
}

func converse(t *testing.T, calls []control.Call) conversation {
	t.Helper()
	var seen conversation
	personas := map[string]bool{}
	for _, c := range calls {
		switch {
		case c.Effect == effectReacted:
			seen.reactions++
		case c.Effect != effectSent:
		case answered(t, c) != 0:
			seen.replies++
			personas[c.Bot] = true
		default:
			seen.messages++
			personas[c.Bot] = true
		}
	}
	seen.personas = len(personas)
	return seen
}

// stopped sends Ctrl-C, and expects a quick end and no warning in the log.
func stopped(t *testing.T, c *chorus) {
	t.Helper()
	ends(t, c)
	if complaint := c.errs.String(); complaint != "" {
		t.Errorf("chorus complained:\n%s", complaint)
	}
}

// ends sends Ctrl-C and expects a quick end.
func ends(t *testing.T, c *chorus) {
	t.Helper()
	if took := c.interrupt(); took > stopsWithin {
		t.Errorf("Ctrl-C took %v, want less than %v", took, stopsWithin)
	}
	if code := c.wait(); code != 0 {
		t.Errorf("the exit code is %d, want 0", code)
	}
}

// goesOn checks that the log of a second run continues that of the first: the same chat,
// the same bots, and rising message ids.
func goesOn(t *testing.T, first, both []control.Call) {
	t.Helper()
	if len(both) < len(first) {
		t.Fatalf("the log has %d calls, %d before the restart", len(both), len(first))
	}
	known, chat, last := map[string]int64{}, int64(0), int64(0)
	for _, c := range first {
		known[c.Bot] = c.BotID
		chat = cmp.Or(chat, c.Chat) // a listener's calls have no chat
		last = max(last, c.EffectMessageID)
	}
	for _, c := range both[len(first):] {
		if c.Chat != chat && c.Chat != 0 || known[c.Bot] != c.BotID && known[c.Bot] != 0 {
			t.Errorf("call %d is of %s (%d) in chat %d, want the chat and the bots of the first run", c.Seq, c.Bot, c.BotID, c.Chat)
		}
		if c.Effect == effectSent && c.EffectMessageID <= last {
			t.Errorf("message %d comes after message %d", c.EffectMessageID, last)
		}
		last = max(last, c.EffectMessageID)
	}
}
