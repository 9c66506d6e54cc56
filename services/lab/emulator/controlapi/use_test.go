package controlapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestPeopleAndBotsMeetInAChat(t *testing.T) {
	t.Parallel()

	b, ctx := start(t), t.Context()

	ada, err := b.AddBot(ctx, control.NewBot{Username: "ada_bot", Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}

	if known, ok := b.world.BotByToken(ada.Token.Reveal()); !ok || known.ID != ada.ID {
		t.Fatalf("the token is not that of the bot: %v %v", known, ok)
	}

	chat, err := b.PutChat(ctx, control.NewChat{Chat: world.Chat{Kind: world.Group, Title: "Books"}, Members: []string{"ada_bot", "Mia"}})
	if err != nil {
		t.Fatal(err)
	}

	said, err := b.Say(ctx, chat.ID, control.Saying{Name: "Mia", Text: "what do you read?", Mentions: []string{"ada_bot"}})
	if err != nil {
		t.Fatal(err)
	}

	answer, err := b.Say(ctx, chat.ID, control.Saying{Name: "Ben 100%/?", Text: "nothing", ReplyTo: said.ID})
	if err != nil {
		t.Fatal(err)
	}

	if err := b.React(ctx, chat.ID, control.Reacting{Name: "Ben 100%/?", MessageID: said.ID, Emoji: "👍"}); err != nil {
		t.Fatal(err)
	}

	if _, err := b.EditMessage(ctx, chat.ID, answer.ID, "nothing yet"); err != nil {
		t.Fatal(err)
	}

	messages, err := b.Messages(ctx, chat.ID, 0, 2)
	if err != nil || len(messages) != 2 {
		t.Fatalf("got %d messages, %v", len(messages), err)
	}

	if got := messages[0]; got.Text != "@ada_bot what do you read?" || got.Reactions[0].By[0].Name != "Ben 100%/?" || got.IDs[ada.ID] == 0 || got.IDs[ada.ID] == got.ID {
		t.Errorf("first message: %+v", got)
	}

	if got := messages[1]; got.Text != "nothing yet" || got.ReplyTo != said.ID || got.EditedAt.IsZero() {
		t.Errorf("second message: %+v", got)
	}

	if err := b.Kick(ctx, chat.ID, "Ben 100%/?"); err != nil {
		t.Fatal(err)
	}

	if err := b.DeleteMessage(ctx, chat.ID, answer.ID); err != nil {
		t.Fatal(err)
	}

	super, err := b.Upgrade(ctx, chat.ID)
	if err != nil {
		t.Fatal(err)
	}

	chats, err := b.Chats(ctx)
	if err != nil {
		t.Fatal(err)
	}

	roles := map[string]world.Role{}
	for _, m := range super.Members {
		roles[m.Name] = m.Role
	}

	if diff := cmp.Diff(map[string]world.Role{"Ada": world.Ordinary, "Mia": world.Ordinary, "Ben 100%/?": world.Kicked}, roles); diff != "" {
		t.Error(diff)
	}

	if len(chats) != 2 || chats[0].ID != super.ID || chats[1].MigratedTo != super.ID {
		t.Errorf("after the upgrade: %+v", chats)
	}
}

func TestAPersonStartsABot(t *testing.T) {
	t.Parallel()

	b, ctx := start(t), t.Context()

	ada, err := b.AddBot(ctx, control.NewBot{Username: "ada_bot", Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}

	chat, err := b.Start(ctx, control.Starting{Name: "Mia", Bot: "ada_bot"})
	if err != nil || chat.Kind != world.Private || chat.Person == nil || chat.Person.Name != "Mia" || len(chat.Members) != 2 {
		t.Fatalf("%+v, %v", chat, err)
	}

	messages, err := b.Messages(ctx, chat.ID, 0, 10)
	if err != nil || len(messages) != 1 || messages[0].Text != "/start" || messages[0].IDs[ada.ID] == 0 {
		t.Errorf("%+v, %v", messages, err)
	}

	if err := b.Kick(ctx, chat.ID, "ada_bot"); err != nil {
		t.Error(err)
	}

	if _, err := b.Start(ctx, control.Starting{Name: "Mia"}); err == nil || !strings.Contains(err.Error(), "bot:") {
		t.Errorf("without a bot: %v", err)
	}
}

// A method that isn't emulated is refused with a link to the list of methods.
func TestMethodsAreListed(t *testing.T) {
	t.Parallel()

	b := start(t)

	list := read(t, b.url+"/_emulator/methods")
	if !strings.Contains(list, `"sendMessage"`) || strings.Contains(list, `"sendPhoto"`) {
		t.Errorf("methods: %s", list)
	}
}
