package world_test

import (
	"errors"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestEnsureFindsWhatItMade(t *testing.T) {
	t.Parallel()

	w, err := world.Open(world.Config{Seed: 1, MaxMessages: 10, MaxUpdates: 100, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}

	token, id, err := w.EnsureBot("@Ada_bot", "Ada")
	if err != nil {
		t.Fatal(err)
	}

	if known, ok := w.BotByToken(token); !ok || known.ID != id || known.Name != "Ada" {
		t.Errorf("the token is that of %+v", known)
	}

	if again, same, err := w.EnsureBot("ada_bot", ""); err != nil || again != token || same != id {
		t.Errorf("another bot %d, %v", same, err)
	}

	spec := world.NewChat{Chat: world.Chat{Kind: world.Group, Title: "Books"}, Members: []string{"ada_bot", "Tom"}}

	chat, err := w.EnsureChat(spec)
	if err != nil {
		t.Fatal(err)
	}

	// What happened in the chat since stays: who was kicked isn't let in again.
	if err := w.SetRole(chat, "ada_bot", world.Kicked); err != nil {
		t.Fatal(err)
	}

	spec.Members = append(spec.Members, "Mia")
	if same, err := w.EnsureChat(spec); err != nil || same != chat {
		t.Errorf("chat %d instead of %d, %v", same, chat, err)
	}

	_, members, _ := w.Chat(chat)
	roles := map[string]world.Role{}

	for _, m := range members {
		roles[m.Name] = m.Role
	}

	if roles["Ada"] != world.Kicked || roles["Tom"] != world.Ordinary || roles["Mia"] != world.Ordinary {
		t.Errorf("roles: %v", roles)
	}

	// A chat of the same title and another kind is another chat.
	spec.Kind = world.Supergroup
	if other, err := w.EnsureChat(spec); err != nil || other == chat {
		t.Errorf("chat %d, %v", other, err)
	}

	// After an upgrade the former kind leads to the new chat.
	next, err := w.Upgrade(chat)
	if err != nil {
		t.Fatal(err)
	}

	spec.Kind = world.Group
	if found, err := w.EnsureChat(spec); err != nil || found != next.ID {
		t.Errorf("chat %d instead of %d, %v", found, next.ID, err)
	}
}

// A bot that was registered with a token of its own gets a minted one, and stays the
// same account.
func TestEnsureReplacesATokenThatNobodyKnows(t *testing.T) {
	t.Parallel()

	w, err := world.Open(world.Config{Seed: 1, MaxMessages: 10, MaxUpdates: 100, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}

	if _, _, err := w.RegisterBot(world.NewBot{Username: "own_bot", Token: "77:secret"}); err != nil {
		t.Fatal(err)
	}

	token, id, err := w.EnsureBot("own_bot", "")
	if err != nil || id != 77 {
		t.Fatalf("account %d, %v", id, err)
	}

	if known, ok := w.BotByToken(token); !ok || known.ID != id {
		t.Errorf("the token is that of %+v", known)
	}

	if _, ok := w.BotByToken("77:secret"); ok {
		t.Error("the former token still opens the account")
	}
}

// A chat that is named by its id is that one, whatever its title, also after it moved.
func TestEnsureFindsAChatByItsID(t *testing.T) {
	t.Parallel()

	w, err := world.Open(world.Config{Seed: 1, MaxMessages: 10, MaxUpdates: 100, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}

	spec := world.NewChat{Chat: world.Chat{ID: -123, Kind: world.Group, Title: "Books"}, Members: []string{"Tom"}}
	for range 2 {
		if id, err := w.EnsureChat(spec); err != nil || id != -123 {
			t.Fatalf("chat %d, %v", id, err)
		}
	}

	next, err := w.Upgrade(-123)
	if err != nil {
		t.Fatal(err)
	}

	if id, err := w.EnsureChat(spec); err != nil || id != next.ID {
		t.Errorf("chat %d instead of %d, %v", id, next.ID, err)
	}
}

func TestEnsureSaysWhatIsWrong(t *testing.T) {
	t.Parallel()

	w, err := world.Open(world.Config{Seed: 1, MaxMessages: 10, MaxUpdates: 100, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}

	_, _, noName := w.EnsureBot("1", "")
	_, noTitle := w.EnsureChat(world.NewChat{})
	_, noKind := w.EnsureChat(world.NewChat{Chat: world.Chat{Kind: "channel", Title: "x"}})
	_, noBot := w.EnsureChat(world.NewChat{Chat: world.Chat{Title: "x"}, Members: []string{"@nobody"}})

	for name, err := range map[string]error{"username": noName, "title": noTitle, "kind": noKind, "member": noBot, "chat": w.EnsureMember(5, "Tom", world.Ordinary)} {
		if input := (*world.InputError)(nil); !errors.As(err, &input) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
