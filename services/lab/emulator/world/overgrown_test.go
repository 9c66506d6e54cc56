package world_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestCompactCuresAnOvergrownJournal(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	w, err := world.Open(world.Config{Dir: dir, Seed: 1, MaxMessages: 10, MaxUpdates: 10, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}

	chat, err := w.PutChat(world.NewChat{Chat: world.Chat{Title: "Books"}})
	if err != nil {
		t.Fatal(err)
	}

	// Long messages, of which only a few stay.
	text := strings.Repeat("x", 4096)

	said := int64(0)
	for ; !w.Overgrown(); said++ {
		if said > 1e5 {
			t.Fatal("the journal never grows too large")
		}

		if _, err := w.Say(chat.ID, "Tom", text, 0); err != nil {
			t.Fatal(err)
		}
	}

	if err := w.Compact(); err != nil {
		t.Fatal(err)
	}

	if w.Overgrown() {
		t.Error("still too large")
	}

	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	again, err := world.Open(world.Config{Dir: dir, Seed: 1, MaxMessages: 10, MaxUpdates: 10, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}

	posts, err := again.History(chat.ID, 0, 100)
	if err != nil || len(posts) != 10 || posts[9].Seq != said {
		t.Errorf("%d messages, %v", len(posts), err)
	}

	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}
