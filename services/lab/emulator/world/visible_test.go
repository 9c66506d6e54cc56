package world_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Which of the messages of a chat a bot is told of, by its modes and its role.
func TestWhatABotSees(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name    string
		bot     world.NewBot
		admin   bool
		talking bool // the other bot has the bot-to-bot mode
		want    []string
	}{
		{"everything of people", world.NewBot{}, false, false, []string{
			"plain", "@eve_bot you", "see @eve_bot2", "/go@eve_bot", "/go", "person's reply to eve", "person's reply to other",
		}},
		{"privacy", world.NewBot{Privacy: true}, false, false, []string{"@eve_bot you", "/go@eve_bot", "person's reply to eve"}},
		{"privacy of an administrator", world.NewBot{Privacy: true}, true, false, []string{
			"plain", "@eve_bot you", "see @eve_bot2", "/go@eve_bot", "/go", "person's reply to eve", "person's reply to other",
		}},
		{"bots too", world.NewBot{BotToBot: true}, false, false, []string{
			"plain", "@eve_bot you", "see @eve_bot2", "/go@eve_bot", "/go", "person's reply to eve", "person's reply to other",
			"bot plain", "bot @eve_bot", "/bot@eve_bot", "bot's reply to eve",
		}},
		{"bots too, with privacy", world.NewBot{BotToBot: true, Privacy: true}, false, false, []string{
			"@eve_bot you", "/go@eve_bot", "person's reply to eve", "/bot@eve_bot", "bot's reply to eve",
		}},
		{"a bot that talks to bots", world.NewBot{Privacy: true}, false, true, []string{
			"@eve_bot you", "/go@eve_bot", "person's reply to eve", "/bot@eve_bot", "bot's reply to eve",
		}},
	}
	for _, tt := range tests {
		for _, kind := range []string{world.Group, world.Supergroup} {
			t.Run(tt.name+" in a "+kind, func(t *testing.T) {
				t.Parallel()

				w := open(t, world.Config{})
				tested := tt.bot
				tested.Username = "eve_bot"
				eve := addBot(t, w, tested)
				addBot(t, w, world.NewBot{Username: "eve_bot2"})
				other := addBot(t, w, world.NewBot{Username: "other_bot", BotToBot: tt.talking})

				n := world.NewChat{Chat: world.Chat{Kind: kind, Title: "Books"}, Members: []string{"eve_bot", "other_bot", "Mia"}}
				if tt.admin {
					n.Admins = []string{"eve_bot"}
				}

				chat := must(w.PutChat(n))(t).ID

				evesOwn := send(t, w, eve, chat, plain("eve's own"))
				others := send(t, w, other, chat, botSays(t, "bot plain", 0))

				for _, text := range []string{"plain", "@eve_bot you", "see @eve_bot2", "/go@eve_bot", "/go"} {
					must(w.Say(chat, "Mia", text, 0))(t)
				}

				must(w.Say(chat, "Mia", "person's reply to eve", evesOwn.Seq))(t)
				must(w.Say(chat, "Mia", "person's reply to other", others.Seq))(t)

				send(t, w, other, chat, botSays(t, "bot @eve_bot", 0))
				send(t, w, other, chat, botSays(t, "/bot@eve_bot", 0))

				// The other bot can reply by number only where it has one.
				if known, ok := w.IDs(chat, evesOwn.Seq)[other]; ok {
					send(t, w, other, chat, botSays(t, "bot's reply to eve", known))
				}

				want := map[string]bool{}
				for _, text := range tt.want {
					want[text] = true
				}

				got := map[string]bool{}
				for text := range told(t, w, eve) {
					got[text] = true
				}

				if _, ok := w.IDs(chat, evesOwn.Seq)[other]; !ok {
					delete(want, "bot's reply to eve")
				}

				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func botSays(t tb, text string, replyTo int64) world.Saying {
	t.Helper()

	parsed := must(markup.Parse(text, ""))(t)

	return world.Saying{Content: world.Content{Text: parsed.Plain, Entities: parsed.Entities}, ReplyTo: replyTo}
}

func TestReactionsAreToldToAdministratorsWhoAskForThem(t *testing.T) {
	t.Parallel()

	kinds := []string{world.KindReaction}

	for i, tt := range []struct {
		admin bool
		kinds []string
		want  bool
	}{{true, kinds, true}, {true, nil, false}, {false, kinds, false}} {
		w := open(t, world.Config{})
		ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
		bob := addBot(t, w, world.NewBot{Username: "bob_bot"})
		chat := addChat(t, w, world.Supergroup, "ada_bot", "bob_bot", "Mia")

		if tt.admin {
			if err := w.SetRole(chat, "ada_bot", world.Administrator); err != nil {
				t.Fatal(err)
			}
		}

		if err := w.Allow(ada, tt.kinds); err != nil {
			t.Fatal(err)
		}

		m := must(w.Say(chat, "Mia", "look", 0))(t).Seq

		// Reactions of bots are told to nobody.
		must(w.React(world.Cause{Bot: bob, Chat: chat}, bob, chat, m, "👎"))(t)

		for _, emoji := range []string{"👍", "❤", ""} {
			if err := w.ReactAs(chat, m, "Mia", emoji); err != nil {
				t.Fatal(err)
			}
		}

		var got []string

		for _, e := range must(w.Updates(ada, 0, 100))(t) {
			if e.Kind == world.KindReaction {
				got = append(got, fmt.Sprintf("%s %q to %q of %d", e.Actor.Name, e.OldEmoji, e.NewEmoji, e.MsgID))
			}
		}

		var want []string
		if tt.want {
			want = []string{
				fmt.Sprintf(`Mia "" to "👍" of %d`, m), fmt.Sprintf(`Mia "👍" to "❤" of %d`, m), fmt.Sprintf(`Mia "❤" to "" of %d`, m),
			}
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("case %d: %s", i, diff)
		}
	}
}
