package world_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// told returns the messages in a bot's waiting updates: their ids by text.
func told(t tb, w *world.World, bot int64) map[string]int64 {
	t.Helper()

	got := map[string]int64{}

	for _, e := range must(w.Updates(bot, 0, 100))(t) {
		if e.Kind == world.KindMessage && e.Post.Service == nil {
			got[e.Post.Text] = e.MsgID
		}
	}

	return got
}

func TestInABasicGroupEachBotHasItsOwnNumbers(t *testing.T) {
	t.Parallel()

	w := open(t, world.Config{})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot", BotToBot: true})
	bob := addBot(t, w, world.NewBot{Username: "bob_bot", BotToBot: true})
	deaf := addBot(t, w, world.NewBot{Username: "deaf_bot"})
	books := addChat(t, w, world.Group, "ada_bot", "bob_bot", "deaf_bot", "Mia")
	tea := addChat(t, w, world.Group, "ada_bot")

	question := must(w.Say(books, "Mia", "question", 0))(t)
	elsewhere := send(t, w, ada, tea, plain("elsewhere"))
	answer := send(t, w, ada, books, plain("answer"))

	// Ada numbers on over both groups, Bob over his one.
	if ids := told(t, w, ada); ids["question"]+1 != elsewhere.ID || elsewhere.ID+1 != answer.ID {
		t.Errorf("ada calls them %d, %d, %d", ids["question"], elsewhere.ID, answer.ID)
	}

	bobs := told(t, w, bob)
	if bobs["question"]+1 != bobs["answer"] || bobs["question"] == told(t, w, ada)["question"] {
		t.Errorf("bob calls them %v", bobs)
	}

	if got := w.IDs(books, answer.Seq); !cmp.Equal(map[int64]int64{ada: answer.ID, bob: bobs["answer"]}, got) {
		t.Errorf("the world says they call the answer %v", got)
	}

	// A bot refers to a message by its own number, and only if it has one.
	reply := plain("reply")
	reply.ReplyTo = bobs["answer"]

	if got := send(t, w, bob, books, reply); got.ReplyTo == nil || got.ReplyTo.Text != "answer" || got.ReplyTo.ID != bobs["answer"] {
		t.Errorf("bob's reply is to %+v", got.ReplyTo)
	}

	reply.ReplyTo = answer.ID // what ada calls it

	for bot, name := range map[int64]string{bob: "bob", deaf: "deaf"} {
		if err := w.CheckSend(bot, books, reply); err == nil || err.Error() != "Bad Request: message to be replied not found" {
			t.Errorf("%s replied to ada's number: %v", name, err)
		}

		if err := w.CheckReact(bot, books, answer.ID, "👍"); err == nil || err.Error() != "Bad Request: message to react not found" {
			t.Errorf("%s reacted to ada's number: %v", name, err)
		}
	}

	if err := w.CheckReact(ada, books, elsewhere.ID, "👍"); err == nil {
		t.Error("ada reacted in one group to a message of the other")
	}

	// People see the chat's own numbers.
	if err := w.ReactAs(books, question.Seq, "Mia", "👍"); err != nil || question.ID != question.Seq {
		t.Errorf("people call message %d %d: %v", question.Seq, question.ID, err)
	}
}

func TestInASupergroupAllUseTheChatsNumbers(t *testing.T) {
	t.Parallel()

	w := open(t, world.Config{})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	bob := addBot(t, w, world.NewBot{Username: "bob_bot"})
	chat := addChat(t, w, world.Supergroup, "ada_bot", "bob_bot", "Mia")

	said := send(t, w, ada, chat, plain("hello"))

	if said.ID != said.Seq {
		t.Errorf("ada calls message %d %d", said.Seq, said.ID)
	}

	// Bob was not told of it, and yet can refer to it.
	reply := plain("reply")
	reply.ReplyTo = said.ID

	if got := send(t, w, bob, chat, reply); got.ReplyTo == nil || got.ReplyTo.ID != said.ID {
		t.Errorf("bob's reply is to %+v", got.ReplyTo)
	}

	if got := w.IDs(chat, said.Seq); !cmp.Equal(map[int64]int64{ada: said.Seq, bob: said.Seq}, got) {
		t.Errorf("they call it %v", got)
	}
}

func TestAnUpgradeKeepsTheHistoryAndThePeople(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	w := open(t, world.Config{Dir: dir})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	addBot(t, w, world.NewBot{Username: "bob_bot"})

	few := []string{"👍", "❤"}
	old := must(w.PutChat(world.NewChat{
		Chat:    world.Chat{Kind: world.Group, Title: "Books", Reactions: &few, Note: "reads"},
		Members: []string{"ada_bot", "bob_bot", "Mia", "Ben"}, Admins: []string{"Mia"},
	}))(t).ID

	if err := w.SetRole(old, "Ben", world.Kicked); err != nil {
		t.Fatal(err)
	}

	must(w.Say(old, "Mia", "before", 0))(t)
	own := send(t, w, ada, old, plain("mine"))
	before := must(w.History(old, 0, 100))(t)
	_, people, _ := w.Chat(old)

	next := must(w.Upgrade(old))(t)

	// In a new process it is the same.
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	w = open(t, world.Config{Dir: dir})
	defer func() { _ = w.Close() }()

	closed, _, _ := w.Chat(old)
	now, peopleNow, _ := w.Chat(next.ID)

	want := world.Chat{ID: next.ID, Kind: world.Supergroup, Title: "Books", Reactions: &few, Note: "reads", MigratedFrom: old}
	if diff := cmp.Diff(want, now); diff != "" || closed.MigratedTo != next.ID {
		t.Errorf("%s; the old group leads to %d", diff, closed.MigratedTo)
	}

	if diff := cmp.Diff(people, peopleNow); diff != "" {
		t.Errorf("people: %s", diff)
	}

	after := must(w.History(old, 0, 100))(t)
	if diff := cmp.Diff(texts(before), texts(after[:len(before)])); diff != "" || len(after) != len(before)+1 {
		t.Errorf("history of %d messages: %s", len(after), diff)
	}

	if note := after[len(after)-1].Service; note == nil || note.MigrateTo != next.ID {
		t.Errorf("the old group ends with %+v", note)
	}

	first := must(w.History(next.ID, 0, 100))(t)
	if len(first) != 1 || first[0].Seq != 1 || first[0].Service == nil || first[0].Service.MigrateFrom != old {
		t.Errorf("the supergroup begins with %+v", first)
	}

	// The bots were told on both sides, and own messages are of the past.
	moves := 0

	for _, e := range must(w.Updates(ada, 0, 100))(t) {
		if e.Post != nil && e.Post.Service != nil && (e.Post.Service.MigrateTo == next.ID || e.Post.Service.MigrateFrom == old) {
			moves++
		}
	}

	if moves != 2 {
		t.Errorf("ada was told of %d moves, want 2", moves)
	}

	reply := plain("reply")
	reply.ReplyTo = own.ID

	if err := w.CheckSend(ada, next.ID, reply); err == nil {
		t.Error("the old number of a message means something in the new group")
	}

	if _, err := w.Say(old, "Mia", "anybody here?", 0); err == nil {
		t.Error("a person wrote to the old group")
	}

	if _, err := w.Upgrade(old); err == nil {
		t.Error("upgraded twice")
	}

	if _, err := w.Upgrade(next.ID); err == nil {
		t.Error("a supergroup was upgraded")
	}
}

// Wherever the death of the process cuts an upgrade short, doing it again leads
// to one supergroup with everyone in it.
func TestAnUpgradeCutShortIsTakenUp(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	path := filepath.Join(dir, "world.jsonl")

	w := open(t, world.Config{Dir: dir})
	addBot(t, w, world.NewBot{Username: "ada_bot"})
	old := addChat(t, w, world.Group, "ada_bot", "Mia")
	before := len(must(os.ReadFile(path))(t))

	must(w.Upgrade(old))(t)

	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	journal := must(os.ReadFile(path))(t)

	for cut := before; cut <= len(journal); cut++ {
		if cut > before && journal[cut-1] != '\n' {
			continue
		}

		if err := os.WriteFile(path, journal[:cut], 0o600); err != nil {
			t.Fatal(err)
		}

		w := open(t, world.Config{Dir: dir})

		if closed, _, _ := w.Chat(old); closed.MigratedTo == 0 {
			must(w.Upgrade(old))(t)
		}

		chats := w.Chats()
		if len(chats) != 2 || chats[0].MigratedFrom != old || chats[1].MigratedTo != chats[0].ID {
			t.Errorf("cut at %d of %d: %+v", cut, len(journal), chats)
		}

		if _, people, _ := w.Chat(chats[0].ID); len(people) != 2 {
			t.Errorf("cut at %d of %d: members %v", cut, len(journal), people)
		}

		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOldMessagesAreForgotten(t *testing.T) {
	t.Parallel()

	w := open(t, world.Config{MaxMessages: 3})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	chat := addChat(t, w, world.Group, "ada_bot", "Mia")

	var sent []world.Post
	for _, text := range []string{"one", "two", "three", "four", "five"} {
		sent = append(sent, send(t, w, ada, chat, plain(text)))
	}

	if diff := cmp.Diff([]string{"three", "four", "five"}, texts(must(w.History(chat, 0, 10))(t))); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff([]string{"three"}, texts(must(w.History(chat, sent[3].Seq, 10))(t))); diff != "" {
		t.Errorf("before the fourth: %s", diff)
	}

	if diff := cmp.Diff([]string{"four", "five"}, texts(must(w.History(chat, 0, 2))(t))); diff != "" {
		t.Errorf("the last two: %s", diff)
	}

	for i, p := range sent {
		if err := w.CheckReact(ada, chat, p.ID, "👍"); (err == nil) != (i >= 2) {
			t.Errorf("reaction to message %d: %v", i+1, err)
		}
	}
}

func TestRolesComeAndGo(t *testing.T) {
	t.Parallel()

	w := open(t, world.Config{})
	ada := addBot(t, w, world.NewBot{Username: "ada_bot"})
	boss := addBot(t, w, world.NewBot{Username: "boss_bot"})
	chat := must(w.PutChat(world.NewChat{Chat: world.Chat{Title: "Books"}, Members: []string{"ada_bot"}, Admins: []string{"boss_bot"}}))(t).ID

	if err := w.Allow(boss, []string{world.KindMember}); err != nil {
		t.Fatal(err)
	}

	for _, role := range []world.Role{world.Kicked, world.Kicked, world.Ordinary} {
		if err := w.SetRole(chat, "@ada_bot", role); err != nil {
			t.Fatal(err)
		}
	}

	// A present member neither joins again nor loses a role.
	must(w.PutChat(world.NewChat{Chat: world.Chat{ID: chat, Title: "Books", Kind: world.Supergroup}, Members: []string{"boss_bot", "ada_bot"}}))(t)

	if err := w.Leave(world.Cause{}, ada, chat); err != nil {
		t.Fatal(err)
	}

	type change struct {
		kind     string
		old, new world.Role
	}

	changes := func(bot int64) []change {
		var all []change

		for _, e := range must(w.Updates(bot, 0, 100))(t) {
			if e.Member == ada {
				all = append(all, change{e.Kind, e.OldRole, e.NewRole})
			}
		}

		return all
	}

	moves := []change{
		{"", world.Ordinary, world.Kicked}, {"", world.Kicked, world.Ordinary}, {"", world.Ordinary, world.Left},
	}
	want := map[string][]change{world.KindMyMember: {{"", world.Left, world.Ordinary}}}

	for _, m := range moves {
		want[world.KindMyMember] = append(want[world.KindMyMember], m)
		want[world.KindMember] = append(want[world.KindMember], m)
	}

	for kind, bot := range map[string]int64{world.KindMyMember: ada, world.KindMember: boss} {
		for i := range want[kind] {
			want[kind][i].kind = kind
		}

		if diff := cmp.Diff(want[kind], changes(bot), cmp.AllowUnexported(change{})); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
}
