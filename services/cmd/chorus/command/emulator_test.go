package command

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/controlapi"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// anEmulator returns an empty emulator, which isn't listening on an address.
func anEmulator(t *testing.T) (emulated, *world.World) {
	t.Helper()
	w, err := world.Open(world.Config{Seed: 1, MaxMessages: 10, MaxUpdates: 100, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	api := controlapi.New(controlapi.Config{
		World: w, Faults: fault.NewSet(time.Now), Flood: flood.New(flood.Default(), time.Now), Log: zap.NewNop(),
	})
	return emulated{control: control.Within(api)}, w
}

func persona(name, display string) roster.Bot {
	return roster.Bot{Name: name, Persona: roster.Persona{DisplayName: display}}
}

func TestAnEmulatedCastIsFoundAgain(t *testing.T) {
	t.Parallel()
	e, w := anEmulator(t)
	ada := persona("ada", "Ada")
	token, err := e.token(t.Context(), ada)
	if err != nil {
		t.Fatal(err)
	}
	if known, ok := w.BotByToken(token.Reveal()); !ok || known.Name != "Ada" {
		t.Errorf("the token is that of %+v", known)
	}
	if again, err := e.token(t.Context(), ada); err != nil || !again.Equal(token) {
		t.Errorf("made again, it has another token: %v", err)
	}
	books := roster.Chat{Title: "Books", Kind: world.Group}
	chat, err := e.chat(t.Context(), books, []roster.Bot{ada})
	if err != nil {
		t.Fatal(err)
	}
	// Later changes of the chat are kept: a bot that was kicked isn't added again.
	if err := w.SetRole(chat, "ada_bot", world.Kicked); err != nil {
		t.Fatal(err)
	}
	ben := persona("ben", "Ben")
	if _, err := e.token(t.Context(), ben); err != nil {
		t.Fatal(err)
	}
	if same, err := e.chat(t.Context(), books, []roster.Bot{ada, ben}); err != nil || same != chat {
		t.Errorf("chat %d instead of %d, %v", same, chat, err)
	}
	_, members, _ := w.Chat(chat)
	roles := map[string]world.Role{}
	for _, m := range members {
		roles[m.Name] = m.Role
	}
	if roles["Ada"] != world.Kicked || roles["Ben"] != world.Ordinary {
		t.Errorf("roles: %v", roles)
	}
	// A chat with the same title and another kind is a different chat.
	if other, err := e.chat(t.Context(), roster.Chat{Title: "Books"}, nil); err != nil || other == chat {
		t.Errorf("chat %d, %v", other, err)
	}
	// After an upgrade, the former kind and the former id lead to the new chat.
	next, err := w.Upgrade(chat)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range []roster.Chat{books, {TelegramID: chat, Title: "Others"}} {
		if found, err := e.chat(t.Context(), spec, []roster.Bot{ada, ben}); err != nil || found != next.ID {
			t.Errorf("chat %d instead of %d, %v", found, next.ID, err)
		}
	}
}

// A bot that was registered with its own token gets one from the emulator, and keeps its
// account.
func TestAnEmulatedBotGetsATokenThatIsKnown(t *testing.T) {
	t.Parallel()
	e, w := anEmulator(t)
	if _, _, err := w.RegisterBot(world.NewBot{Username: "own_bot", Token: "77:secret"}); err != nil {
		t.Fatal(err)
	}
	token, err := e.token(t.Context(), persona("own", "Own"))
	if err != nil {
		t.Fatal(err)
	}
	if known, ok := w.BotByToken(token.Reveal()); !ok || known.ID != 77 {
		t.Errorf("the token is that of %+v", known)
	}
	if _, ok := w.BotByToken("77:secret"); ok {
		t.Error("the former token still opens the account")
	}
}

func TestAnEmulatorTellsWhatItCantMake(t *testing.T) {
	t.Parallel()
	e, _ := anEmulator(t)
	_, noBot := e.chat(t.Context(), roster.Chat{Title: "Books"}, []roster.Bot{{Name: "nobody", Username: "@nobody"}})
	_, noKind := e.chat(t.Context(), roster.Chat{Title: "Books", Kind: "channel"}, nil)
	for name, err := range map[string]error{"member": noBot, "kind": noKind} {
		if refused := (*control.Error)(nil); !errors.As(err, &refused) || refused.Status != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
