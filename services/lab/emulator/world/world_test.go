package world_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tb has the methods that tests and properties share.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// must takes the value of a call that has to work.
func must[T any](value T, err error) func(t tb) T {
	return func(t tb) T {
		t.Helper()

		if err != nil {
			t.Fatal(err)
		}

		return value
	}
}

func open(t tb, cfg world.Config) *world.World {
	t.Helper()

	if cfg.Now == nil {
		cfg.Now = time.Now
	}

	if cfg.MaxMessages == 0 {
		cfg.MaxMessages = 1000
	}

	if cfg.MaxUpdates == 0 {
		cfg.MaxUpdates = 1000
	}

	return must(world.Open(cfg))(t)
}

func addBot(t tb, w *world.World, b world.NewBot) int64 {
	t.Helper()

	account, _, err := w.RegisterBot(b)
	if err != nil {
		t.Fatal(err)
	}

	return account.ID
}

func addChat(t tb, w *world.World, kind string, members ...string) int64 {
	t.Helper()

	return must(w.PutChat(world.NewChat{Chat: world.Chat{Kind: kind, Title: "Books"}, Members: members}))(t).ID
}

// plain is a message to send, without markup.
func plain(text string) world.Saying { return world.Saying{Content: world.Content{Text: text}} }

func send(t tb, w *world.World, bot, chat int64, s world.Saying) world.Post {
	t.Helper()

	return must(w.Send(world.Cause{Bot: bot, Chat: chat}, bot, chat, s))(t)
}

func texts(posts []world.Post) []string {
	var all []string
	for _, p := range posts {
		all = append(all, p.Text)
	}

	return all
}

func TestResetRemovesEverything(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	w := open(t, world.Config{Dir: dir})

	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	chat := addChat(t, w, world.Group, "ada_bot", "Mia")
	send(t, w, ada, chat, plain("hello"))

	wake := w.Wake(ada)

	if err := w.Reset(); err != nil {
		t.Fatal(err)
	}

	<-wake // whoever waits for updates is told

	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	again := open(t, world.Config{Dir: dir})
	same(t, "after the restart", w, again)

	if len(again.Chats()) > 0 || len(again.Bots()) > 0 {
		t.Errorf("left: %v, %v", again.Chats(), again.Bots())
	}

	if _, ok := again.Find("Mia"); ok {
		t.Error("people are left")
	}

	if again := addBot(t, again, world.NewBot{Username: "ada_bot"}); again != ada {
		t.Errorf("the bot is %d now and was %d", again, ada)
	}

	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheSameSeedMintsTheSameIDs(t *testing.T) {
	t.Parallel()

	mint := func(seed uint64) []any {
		w := open(t, world.Config{Seed: seed})
		bot, token, err := w.RegisterBot(world.NewBot{Username: "ada_bot"})

		if known, ok := w.BotByToken(token); err != nil || !ok || known != bot {
			t.Errorf("the token of %v leads to %v, %v", bot, known, err)
		}

		return []any{bot.ID, token, addChat(t, w, world.Group), addChat(t, w, world.Supergroup)}
	}

	if diff := cmp.Diff(mint(1), mint(1)); diff != "" {
		t.Error(diff)
	}

	one, two := mint(1), mint(2)
	for i := range one {
		if one[i] == two[i] {
			t.Errorf("another seed minted %v again", one[i])
		}
	}
}
