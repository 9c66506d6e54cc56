package world_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// refusal returns the error for a bot that writes to a person.
func refusal(w *world.World, bot, person int64) string {
	if err := w.CheckSend(bot, person, plain("hello")); err != nil {
		return err.Error()
	}

	return ""
}

func TestABotWritesToWhoHasStartedIt(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	w := open(t, world.Config{Dir: dir})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot", Privacy: true})
	bob := addBot(t, w, world.NewBot{Username: "bob_bot"})
	group := addChat(t, w, world.Group, "ada_bot", "Mia")
	mia, _ := w.Find("Mia")

	for bot, want := range map[int64]string{ada: "Forbidden: bot can't initiate conversation with a user", bob: "Bad Request: chat not found"} {
		if got := refusal(w, bot, mia.ID); got != want {
			t.Errorf("before the start bot %d is told %q, want %q", bot, got, want)
		}
	}

	if chat, _, err := w.ChatFor(ada, mia.ID); err != nil || chat.Person.Name != "Mia" {
		t.Errorf("a bot that has met her sees %+v, %v", chat, err)
	}

	if got := refusal(w, ada, bob); got != "Forbidden: the bot can't send messages to the bot" {
		t.Errorf("to another bot it may not write: %q", got)
	}

	chat := must(w.Start("Mia", "@ada_bot"))(t)
	other := must(w.Start("Mia", "bob_bot"))(t)

	if chat.ID == other.ID || chat.Title != "ada_bot" || chat.Kind != world.Private {
		t.Errorf("the chats are %+v and %+v", chat, other)
	}

	// The bot gets all messages of the private chat, numbered on from the group.
	must(w.Say(group, "Mia", "@ada_bot look", 0))(t)
	must(w.Say(chat.ID, "Mia", "anything", 0))(t)

	if ids := told(t, w, ada); ids["/start"]+1 != ids["@ada_bot look"] || ids["@ada_bot look"]+1 != ids["anything"] {
		t.Errorf("ada is told %v", ids)
	}

	buttons := plain("Shall I?")
	buttons.Markup = []byte(`{"inline_keyboard":[[{"text":"Yes","callback_data":"yes"}]]}`)
	asked := send(t, w, ada, mia.ID, buttons)
	send(t, w, bob, mia.ID, plain("of bob"))

	if diff := cmp.Diff([]string{"/start", "anything", "Shall I?"}, texts(must(w.History(chat.ID, 0, 10))(t))); diff != "" {
		t.Errorf("in the chat with ada: %s", diff)
	}

	must(w.Press(chat.ID, asked.Seq, "Mia", "yes"))(t)

	all := must(w.Updates(ada, 0, 100))(t)
	if last := all[len(all)-1]; last.Kind != world.KindCallback || last.MsgID != asked.ID || last.In.Person.ID != mia.ID || last.Data != "yes" {
		t.Errorf("ada is told of the press: %+v", last)
	}

	must(w.Edit(world.Cause{Bot: ada, Chat: mia.ID}, ada, mia.ID, asked.ID, plain("Done.")))(t)

	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	again := open(t, world.Config{Dir: dir})
	same(t, "after the restart", w, again)

	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWhoBlocksABotIsWrittenToNoMore(t *testing.T) {
	t.Parallel()

	w := open(t, world.Config{})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	chat := must(w.Start("Mia", "ada_bot"))(t)
	mia, _ := w.Find("Mia")
	sent := send(t, w, ada, mia.ID, plain("hello"))

	if err := w.SetRole(chat.ID, "ada_bot", world.Kicked); err != nil {
		t.Fatal(err)
	}

	if got := refusal(w, ada, mia.ID); got != "Forbidden: bot was blocked by the user" {
		t.Errorf("to who has blocked it: %q", got)
	}

	must(w.Edit(world.Cause{Bot: ada, Chat: mia.ID}, ada, mia.ID, sent.ID, plain("changed")))(t)
	must(w.Start("Mia", "ada_bot"))(t)

	if got := refusal(w, ada, mia.ID); got != "" {
		t.Errorf("to who has taken it back: %q", got)
	}

	var roles []world.Role

	for _, e := range must(w.Updates(ada, 0, 100))(t) {
		if e.Kind == world.KindMyMember {
			roles = append(roles, e.NewRole)

			if e.Actor.ID != mia.ID || e.Subject.ID != ada {
				t.Errorf("it is told that %s has done it to %s", e.Actor.Name, e.Subject.Name)
			}
		}
	}

	if diff := cmp.Diff([]world.Role{world.Kicked, world.Ordinary}, roles); diff != "" {
		t.Errorf("it is told of %s", diff)
	}
}

func TestAPrivateChatIsOfTwo(t *testing.T) {
	t.Parallel()

	w := open(t, world.Config{})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	addBot(t, w, world.NewBot{Username: "bob_bot"})
	chat := must(w.Start("Mia", "ada_bot"))(t)
	mia, _ := w.Find("Mia")

	for what, err := range map[string]error{
		"a stranger writes":       second(w.Say(chat.ID, "Tom", "hello", 0)),
		"a stranger reacts":       w.ReactAs(chat.ID, 1, "Tom", "👍"),
		"another bot comes":       w.SetRole(chat.ID, "bob_bot", world.Ordinary),
		"a person comes":          w.SetRole(chat.ID, "Tom", world.Ordinary),
		"the person goes":         w.SetRole(chat.ID, "Mia", world.Left),
		"the bot is promoted":     w.SetRole(chat.ID, "ada_bot", world.Administrator),
		"the bot leaves":          w.Leave(world.Cause{}, ada, mia.ID),
		"it is made a group":      second(w.PutChat(world.NewChat{Chat: world.Chat{ID: chat.ID, Title: "Club"}})),
		"it is upgraded":          second(w.Upgrade(chat.ID)),
		"a bot is started by one": second(w.Start("bob_bot", "ada_bot")),
		"a person is started":     second(w.Start("Tom", "Mia")),
		"nobody is started":       second(w.Start("Tom", "nobody_bot")),
		"the id is its own":       w.CheckSend(ada, chat.ID, plain("hello")),
	} {
		if err == nil {
			t.Errorf("%s", what)
		}
	}

	if _, members, _ := w.Chat(chat.ID); len(members) != 2 {
		t.Errorf("in it are %+v", members)
	}
}

func second[T any](_ T, err error) error { return err }
