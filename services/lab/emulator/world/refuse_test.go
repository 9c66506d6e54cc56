package world_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// The texts and codes match those of Telegram's Bot API server.
func TestBotsAreRefusedInTelegramsWords(t *testing.T) {
	t.Parallel()

	const (
		group  = -100
		super  = -1000000000100
		forum  = -1000000000200
		silent = -1000000000300
		old    = -300
	)

	w := open(t, world.Config{})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	bob := addBot(t, w, world.NewBot{Username: "bob_bot"})
	few := []string{"👍"}

	for _, n := range []world.NewChat{
		{Chat: world.Chat{ID: group, Kind: world.Group, Title: "group"}},
		{Chat: world.Chat{ID: super, Kind: world.Supergroup, Title: "super"}},
		{Chat: world.Chat{ID: forum, Kind: world.Supergroup, Title: "forum", Topics: map[int64]world.Topic{7: {Name: "open"}, 8: {Name: "closed", Closed: true}}, Reactions: &few}},
		{Chat: world.Chat{ID: silent, Kind: world.Supergroup, Title: "silent", ReadOnly: true}},
		{Chat: world.Chat{ID: old, Kind: world.Group, Title: "old"}},
	} {
		n.Members = []string{"ada_bot", "Mia"}
		must(w.PutChat(n))(t)
	}

	// Service messages: someone came, and in an upgraded group the move.
	service := must(w.Say(super, "Mia", "first", 0))(t).Seq + 1
	if err := errors.Join(w.SetRole(super, "Ben", world.Ordinary), w.SetRole(super, "bob_bot", world.Ordinary), w.SetRole(super, "bob_bot", world.Left)); err != nil {
		t.Fatal(err)
	}

	inOld := send(t, w, ada, old, plain("before")).ID
	moved := must(w.Upgrade(old))(t).ID
	own := send(t, w, ada, super, plain("mine"))
	other := must(w.Say(super, "Mia", "yours", 0))(t).Seq

	sends := func(bot, chat int64, change func(*world.Saying)) func() error {
		return func() error {
			s := plain("hello")
			if change != nil {
				change(&s)
			}

			if err := w.CheckSend(bot, chat, s); err != nil {
				return err
			}

			_, err := w.Send(world.Cause{Bot: bot, Chat: chat}, bot, chat, s)

			return err
		}
	}
	reacts := func(bot, chat, message int64, emoji string) func() error {
		return func() error {
			_, err := w.React(world.Cause{Bot: bot, Chat: chat}, bot, chat, message, emoji)

			return err
		}
	}
	edits := func(chat, message int64, text string) func() error {
		return func() error {
			_, err := w.Edit(world.Cause{}, ada, chat, message, plain(text))

			return err
		}
	}
	deletes := func(chat, message int64) func() error {
		return func() error { return w.Delete(world.Cause{}, ada, chat, message) }
	}
	as := func(role world.Role, chat int64, do func() error) func() error {
		return func() error {
			if err := w.SetRole(chat, "ada_bot", role); err != nil {
				return err
			}

			err := do()

			return errors.Join(err, w.SetRole(chat, "ada_bot", world.Ordinary))
		}
	}

	tests := []struct {
		name string
		do   func() error
		code int // 0: works
		want string
	}{
		{"send", sends(ada, super, nil), 0, ""},
		{"send of a stranger", sends(12345, super, nil), 401, "Unauthorized"},
		{"send to no chat", sends(ada, -5, nil), 400, "Bad Request: chat not found"},
		{"send to an unknown chat", sends(bob, group, nil), 400, "Bad Request: chat not found"},
		{"send after leaving", sends(bob, super, nil), 403, "Forbidden: bot is not a member of the supergroup chat"},
		{"send after leaving a group", as(world.Left, group, sends(ada, group, nil)), 403, "Forbidden: bot is not a member of the group chat"},
		{"send when kicked", as(world.Kicked, super, sends(ada, super, nil)), 403, "Forbidden: bot was kicked from the supergroup chat"},
		{"send when kicked from a group", as(world.Kicked, group, sends(ada, group, nil)), 403, "Forbidden: bot was kicked from the group chat"},
		{"send when restricted", as(world.Restricted, super, sends(ada, super, nil)), 400, "Bad Request: not enough rights to send text messages to the chat"},
		{"send where only administrators may", sends(ada, silent, nil), 400, "Bad Request: not enough rights to send text messages to the chat"},
		{"send as an administrator", as(world.Administrator, silent, sends(ada, silent, nil)), 0, ""},
		{"send to an upgraded group", sends(ada, old, nil), 400, "Bad Request: group chat was upgraded to a supergroup chat"},
		{"send nothing", sends(ada, super, func(s *world.Saying) { s.Text = "" }), 400, "Bad Request: message text is empty"},
		{"send the longest", sends(ada, super, func(s *world.Saying) { s.Text = strings.Repeat("🏟", 2048) }), 0, ""},
		{"send too much", sends(ada, super, func(s *world.Saying) { s.Text = strings.Repeat("🏟", 2048) + "x" }), 400, "Bad Request: message is too long"},
		{"reply", sends(ada, super, func(s *world.Saying) { s.ReplyTo = other }), 0, ""},
		{"reply to nothing", sends(ada, super, func(s *world.Saying) { s.ReplyTo = 999 }), 400, "Bad Request: message to be replied not found"},
		{"reply to nothing if possible", sends(ada, super, func(s *world.Saying) { s.ReplyTo, s.ReplyOptional = 999, true }), 0, ""},
		{"reply to a message of another chat", sends(ada, group, func(s *world.Saying) { s.ReplyTo = inOld }), 400, "Bad Request: message to be replied not found"},
		{"thread", sends(ada, forum, func(s *world.Saying) { s.Thread = 7 }), 0, ""},
		{"no thread", sends(ada, forum, func(s *world.Saying) { s.Thread = 9 }), 400, "Bad Request: message thread not found"},
		{"General by its number", sends(ada, forum, func(s *world.Saying) { s.Thread = 1 }), 400, "Bad Request: message thread not found"},
		{"closed thread", sends(ada, forum, func(s *world.Saying) { s.Thread = 8 }), 400, "Bad Request: TOPIC_CLOSED"},
		{"thread of no forum", sends(ada, super, func(s *world.Saying) { s.Thread = 7 }), 400, "Bad Request: message thread not found"},

		{"react", reacts(ada, super, other, "❤"), 0, ""},
		{"react once more", reacts(ada, super, other, "❤"), 0, ""},
		{"react no more", reacts(ada, super, other, ""), 0, ""},
		{"react with a variation selector", reacts(ada, super, other, "❤\uFE0F"), 400, "Bad Request: REACTION_INVALID"},
		{"react with no reaction", reacts(ada, super, other, "🍕"), 400, "Bad Request: REACTION_INVALID"},
		{"react with two", reacts(ada, super, other, "👍 👎"), 400, "Bad Request: REACTION_INVALID"},
		{"react to nothing", reacts(ada, super, 999, "👍"), 400, "Bad Request: message to react not found"},
		{"react to a note", reacts(ada, super, service, "👍"), 400, "Bad Request: MESSAGE_ID_INVALID"},
		{"react in an upgraded group", reacts(ada, old, inOld, "👍"), 400, "Bad Request: message to react not found"},
		{"react when restricted", as(world.Restricted, super, reacts(ada, super, other, "👍")), 0, ""},
		{"react when kicked", as(world.Kicked, super, reacts(ada, super, other, "👍")), 403, "Forbidden: bot was kicked from the supergroup chat"},

		{"edit", edits(super, own.ID, "new"), 0, ""},
		{"edit nothing", edits(super, own.ID, "new"), 400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"},
		{"edit no message", edits(super, 999, "x"), 400, "Bad Request: message to edit not found"},
		{"edit another's", edits(super, other, "x"), 400, "Bad Request: message can't be edited"},
		{"edit to nothing", edits(super, own.ID, ""), 400, "Bad Request: message text is empty"},
		{"delete another's", deletes(super, other), 400, "Bad Request: message can't be deleted"},
		{"delete another's as an administrator", as(world.Administrator, super, deletes(super, other)), 0, ""},
		{"delete own", deletes(super, own.ID), 0, ""},
		{"delete again", deletes(super, own.ID), 400, "Bad Request: message to delete not found"},
	}
	for _, tt := range tests {
		err := tt.do()

		var refused *world.Error

		switch {
		case tt.code == 0 && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.code != 0 && (!errors.As(err, &refused) || refused.Code != tt.code || refused.Description != tt.want):
			t.Errorf("%s: got %v, want %d %s", tt.name, err, tt.code, tt.want)
		case tt.code != 0 && (refused.MigrateTo != 0) != strings.Contains(tt.want, "upgraded"):
			t.Errorf("%s: migrates to %d", tt.name, refused.MigrateTo)
		case tt.code != 0 && refused.MigrateTo != 0 && refused.MigrateTo != moved:
			t.Errorf("%s: migrates to %d, not %d", tt.name, refused.MigrateTo, moved)
		}
	}
}

func TestReactionsOfAMessage(t *testing.T) {
	t.Parallel()

	w := open(t, world.Config{})
	chat := addChat(t, w, world.Supergroup, "Mia")
	m := must(w.Say(chat, "Mia", "look", 0))(t).Seq
	all := world.Reactions()

	if len(all) != 73 {
		t.Fatalf("%d reactions, want 73", len(all))
	}

	for _, emoji := range all {
		if !world.IsReaction(emoji) || strings.Contains(emoji, "\uFE0F") {
			t.Errorf("%q is no reaction", emoji)
		}
	}

	for i, emoji := range all[:world.MaxReactionKinds] {
		if err := w.ReactAs(chat, m, "person "+string(rune('a'+i)), emoji); err != nil {
			t.Fatal(err)
		}
	}

	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	if err := w.SetRole(chat, "ada_bot", world.Ordinary); err != nil {
		t.Fatal(err)
	}

	if err := w.CheckReact(ada, chat, m, all[world.MaxReactionKinds]); err == nil || err.Error() != "Bad Request: REACTIONS_TOO_MANY" {
		t.Errorf("a twelfth emoji: got %v", err)
	}

	for _, step := range []struct {
		emoji   string
		changed bool
	}{{all[0], true}, {all[0], false}, {all[1], true}, {"", true}, {"", false}} {
		if changed, err := w.React(world.Cause{Bot: ada, Chat: chat}, ada, chat, m, step.emoji); err != nil || changed != step.changed {
			t.Errorf("react with %q: got %v, %v, want %v", step.emoji, changed, err, step.changed)
		}
	}

	// A second reaction of the same person replaces the first.
	if err := w.ReactAs(chat, m, "person a", all[1]); err != nil {
		t.Fatal(err)
	}

	got := map[string]int{}
	for _, r := range must(w.History(chat, 0, 10))(t)[0].Reactions {
		got[r.Emoji] = len(r.By)
	}

	if got[all[0]] != 0 || got[all[1]] != 2 || len(got) != world.MaxReactionKinds-1 {
		t.Errorf("got %v", got)
	}
}

func TestWrongInputNamesTheField(t *testing.T) {
	t.Parallel()

	w := open(t, world.Config{})
	addBot(t, w, world.NewBot{Username: "ada_bot", Token: "77:own-secret"})
	chat := addChat(t, w, world.Group, "ada_bot", "Mia")

	put := func(c world.Chat, members ...string) error {
		_, err := w.PutChat(world.NewChat{Chat: c, Members: members})

		return err
	}
	register := func(b world.NewBot) error {
		_, _, err := w.RegisterBot(b)

		return err
	}
	pizza := []string{"🍕"}

	tests := []struct {
		name, field string
		err         error
	}{
		{"username", "username", register(world.NewBot{Username: "1a"})},
		{"token", "token", register(world.NewBot{Username: "bob_bot", Token: "x"})},
		{"bot id taken", "token", register(world.NewBot{Username: "bob_bot", Token: "77:other-secret"})},
		{"another bot id", "token", register(world.NewBot{Username: "ADA_bot", Token: "78:other-secret"})},
		{"kind", "kind", put(world.Chat{Kind: "channel", Title: "x"})},
		{"title", "title", put(world.Chat{Title: " "})},
		{"id of a group", "id", put(world.Chat{Kind: world.Group, ID: -1000000000100, Title: "x"})},
		{"id of a supergroup", "id", put(world.Chat{ID: -100, Title: "x"})},
		{"id of a person", "id", put(world.Chat{Kind: world.Group, ID: 100, Title: "x"})},
		{"topics of a group", "topics", put(world.Chat{Kind: world.Group, Title: "x", Topics: map[int64]world.Topic{2: {}}})},
		{"reactions", "available_reactions", put(world.Chat{Title: "x", Reactions: &pizza})},
		{"members", "members", put(world.Chat{Title: "x"}, "@nobody")},
		{"role", "role", w.SetRole(chat, "Mia", "owner")},
		{"who", "who", w.SetRole(chat, "@nobody", world.Ordinary)},
		{"chat", "chat", w.SetRole(-5, "Mia", world.Ordinary)},
	}
	for _, tt := range tests {
		var input *world.InputError
		if !errors.As(tt.err, &input) || input.Field != tt.field || strings.Contains(input.Error(), "-secret") {
			t.Errorf("%s: got %v, want an error about %s", tt.name, tt.err, tt.field)
		}
	}

	if diff := cmp.Diff([]string{"ada_bot"}, usernames(w)); diff != "" {
		t.Errorf("a refused bot is there: %s", diff)
	}

	if len(w.Chats()) != 1 {
		t.Errorf("a refused chat is there: %v", w.Chats())
	}
}

func usernames(w *world.World) []string {
	var all []string
	for _, b := range w.Bots() {
		all = append(all, b.Username)
	}

	return all
}

func TestOnlyButtonsOfBotsArePressed(t *testing.T) {
	t.Parallel()

	now := time.Now()
	w := open(t, world.Config{Now: func() time.Time { return now }})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	chat := addChat(t, w, world.Group, "ada_bot", "Mia")

	s := plain("choose")
	s.Markup = json.RawMessage(`{"inline_keyboard":[[{"text":"a","callback_data":"a"}]]}`)
	own := send(t, w, ada, chat, s)
	bare := send(t, w, ada, chat, plain("no choice"))

	query := must(w.Press(chat, own.Seq, "Mia", "a"))(t)

	events := must(w.Updates(ada, 0, 10))(t)
	last := events[len(events)-1]

	if last.Kind != world.KindCallback || last.Query != query || last.Data != "a" || last.Actor.Name != "Mia" || last.Post.ID != own.ID {
		t.Errorf("got %+v", last)
	}

	now = now.Add(31 * time.Second)
	if w.AnswerQuery(ada, query) {
		t.Error("a query is answered that is too old")
	}

	for _, seq := range []int64{bare.Seq, 99} {
		if _, err := w.Press(chat, seq, "Mia", "a"); err == nil {
			t.Errorf("message %d was pressed", seq)
		}
	}
}
