package world_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// waiting returns the texts of a bot's waiting messages from an offset on.
func waiting(t tb, w *world.World, bot, offset int64, limit int) []string {
	t.Helper()

	var all []string
	for _, e := range must(w.Updates(bot, offset, limit))(t) {
		all = append(all, e.Post.Text)
	}

	return all
}

func TestAnOffsetConfirms(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg := world.Config{Dir: dir, MaxUpdates: 4, Now: func() time.Time { return now }}

	w := open(t, cfg)
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	chat := addChat(t, w, world.Supergroup, "ada_bot", "Mia")

	if err := w.Confirm(ada, 1<<40); err != nil { // that it was let in
		t.Fatal(err)
	}

	for _, text := range []string{"one", "two", "three", "four", "five"} {
		must(w.Say(chat, "Mia", text, 0))(t)
	}

	first := must(w.Updates(ada, 0, 1))(t)[0].ID // of "two": "one" was too much

	steps := []struct {
		offset int64
		limit  int
		want   []string
	}{
		{0, 100, []string{"two", "three", "four", "five"}},
		{first, 2, []string{"two", "three"}},
		{first + 1, 100, []string{"three", "four", "five"}},
		{first, 100, []string{"three", "four", "five"}}, // what is confirmed stays so
		{-2, 100, []string{"four", "five"}},
		{-9, 100, []string{"four", "five"}},
		{first + 3, 0, nil},
		{0, 100, []string{"five"}},
	}
	for _, s := range steps {
		if diff := cmp.Diff(s.want, waiting(t, w, ada, s.offset, s.limit)); diff != "" {
			t.Errorf("offset %d, limit %d: %s", s.offset, s.limit, diff)
		}

		// A new process knows what was confirmed.
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}

		w = open(t, cfg)
	}

	defer func() { _ = w.Close() }()

	now = now.Add(24 * time.Hour)

	if got := waiting(t, w, ada, 0, 100); got != nil || w.Pending(ada) != 1 {
		t.Errorf("after a day %v of %d are told", got, w.Pending(ada))
	}
}

func TestWhoWaitsForUpdatesIsWoken(t *testing.T) {
	t.Parallel()

	w := open(t, world.Config{})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	chat := addChat(t, w, world.Supergroup, "ada_bot", "Mia")

	for name, act := range map[string]func() error{
		"message":       func() error { _, err := w.Say(chat, "Mia", "hello", 0); return err },
		"a new webhook": func() error { return w.SetWebhook(ada, &world.Webhook{URL: "https://x.example"}, false) },
		"no webhook":    func() error { return w.SetWebhook(ada, nil, false) },
	} {
		wake := w.Wake(ada)

		select {
		case <-wake:
			t.Errorf("%s: woken before", name)
		default:
		}

		if err := act(); err != nil {
			t.Fatal(err)
		}

		select {
		case <-wake:
		default:
			t.Errorf("%s: not woken", name)
		}
	}

	<-w.Wake(12345) // nobody waits for updates of a bot that isn't there
}

func TestAnUpdateShowsTheMessageAsItWas(t *testing.T) {
	t.Parallel()

	w := open(t, world.Config{})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	chat := addChat(t, w, world.Group, "ada_bot", "Mia")

	if err := w.Confirm(ada, 1<<40); err != nil {
		t.Fatal(err)
	}

	said := must(w.Say(chat, "Mia", "first", 0))(t)
	must(w.EditAs(chat, said.Seq, "second"))(t)

	events := must(w.Updates(ada, 0, 100))(t)
	if len(events) != 2 || events[0].Kind != world.KindMessage || events[0].Post.Text != "first" ||
		events[1].Kind != world.KindEdited || events[1].Post.Text != "second" || events[0].MsgID != events[1].MsgID {
		t.Errorf("got %+v", events)
	}

	if err := w.DeleteAs(chat, said.Seq); err != nil {
		t.Fatal(err)
	}

	if got := waiting(t, w, ada, 0, 100); !cmp.Equal([]string{"first", "second"}, got) {
		t.Errorf("after the deletion: %v", got)
	}
}

func TestSettingsOfABotLast(t *testing.T) {
	t.Parallel()

	cfg := world.Config{Dir: t.TempDir()}
	w := open(t, cfg)
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	hook := world.Webhook{URL: "https://x.example", Secret: "s", MaxConnections: 7}

	err := errors.Join(
		w.SetWebhook(ada, &hook, true),
		w.Allow(ada, []string{world.KindMessage}),
		w.SetCommands(ada, "default", []byte(`[{"command":"go"}]`)),
		w.SetCommands(ada, "other", []byte(`[]`)),
		w.SetCommands(ada, "other", nil),
		w.Compact(),
		w.Close(),
	)
	if err != nil {
		t.Fatal(err)
	}

	w = open(t, cfg)
	defer func() { _ = w.Close() }()

	got, kinds := w.WebhookOf(ada)
	if diff := cmp.Diff(&hook, got); diff != "" || !cmp.Equal([]string{world.KindMessage}, kinds) {
		t.Errorf("%s %v", diff, kinds)
	}

	if hooks, _ := w.Webhooks(); !cmp.Equal(map[int64]world.Webhook{ada: hook}, hooks) {
		t.Errorf("webhooks: %v", hooks)
	}

	if got := w.Commands(ada, "default"); string(got) != `[{"command":"go"}]` || w.Commands(ada, "other") != nil {
		t.Errorf("commands: %s, %s", got, w.Commands(ada, "other"))
	}

	if err := w.SetWebhook(12345, nil, false); err == nil {
		t.Error("a bot that isn't there has a webhook")
	}
}
