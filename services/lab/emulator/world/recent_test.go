package world_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

const club = -1001000000001

func openClub(t *testing.T) *world.World {
	t.Helper()

	w, err := world.Open(world.Config{MaxMessages: 10_000, MaxUpdates: 10, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}

	if _, err := w.PutChat(world.NewChat{Chat: world.Chat{ID: club, Title: "Club"}}); err != nil {
		t.Fatal(err)
	}

	return w
}

func say(t *testing.T, w *world.World, text string) int64 {
	t.Helper()

	post, err := w.Say(club, "Ada", text, 0)
	if err != nil {
		t.Fatal(err)
	}

	return post.Seq
}

// seen ends the watching and returns what the channel held.
func seen(w *world.World, changes <-chan world.Change) []string {
	_ = w.Close()

	var got []string

	for c := range changes {
		line := fmt.Sprintf("%d %s %d", c.Revision, c.Kind, c.Seq)
		if c.Post != nil {
			line += " " + c.Post.Text
		}

		got = append(got, line)
	}

	return got
}

func TestWatchFromCatchesUp(t *testing.T) {
	t.Parallel()

	w := openClub(t)
	first := say(t, w, "first")
	known := w.Revision()
	second := say(t, w, "second")
	third := say(t, w, "third")

	if err := w.DeleteAs(club, second); err != nil {
		t.Fatal(err)
	}

	if err := w.ReactAs(club, first, "Ada", "🔥"); err != nil {
		t.Fatal(err)
	}

	if _, err := w.EditAs(club, third, "third, edited"); err != nil {
		t.Fatal(err)
	}

	changes, complete := w.WatchFrom(t.Context(), known)
	if !complete {
		t.Error("a few changes are forgotten already")
	}

	fourth := say(t, w, "fourth")

	want := []string{
		fmt.Sprintf("%d message %d third, edited", known+2, third),
		fmt.Sprintf("%d delete %d", known+3, second),
		fmt.Sprintf("%d reaction %d first", known+4, first),
		fmt.Sprintf("%d edit %d third, edited", known+5, third),
		fmt.Sprintf("%d message %d fourth", known+6, fourth),
	}
	if diff := cmp.Diff(want, seen(w, changes)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestWatchFromForgets(t *testing.T) {
	t.Parallel()

	const remembered = 4096

	w := openClub(t)
	start := w.Revision()

	for i := range remembered + 1 {
		say(t, w, fmt.Sprint(i))
	}

	// Ada's account and membership came with the first message.
	if got := w.Revision() - start; got != remembered+2 {
		t.Fatalf("%d changes, want %d", got, remembered+2)
	}

	for name, test := range map[string]struct {
		revision uint64
		complete bool
		past     int
	}{
		"too old":    {start + 1, false, 0},
		"the oldest": {start + 2, true, remembered},
		"the newest": {w.Revision(), true, 0},
		"the future": {w.Revision() + 1, false, 0},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		changes, complete := w.WatchFrom(ctx, test.revision)

		cancel()

		past := 0
		for range changes {
			past++
		}

		if complete != test.complete || past != test.past {
			t.Errorf("%s: complete %v with %d changes, want %v with %d", name, complete, past, test.complete, test.past)
		}
	}
}
