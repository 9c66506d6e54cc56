package world_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// life does things to a world at random.
type life struct {
	w     *world.World
	cfg   world.Config
	now   time.Time
	bots  []int64
	chats []int64
}

func newLife(t tb, dir string) *life {
	t.Helper()

	l := &life{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	l.cfg = world.Config{Dir: dir, Seed: 1, MaxMessages: 6, MaxUpdates: 5, Now: func() time.Time { return l.now }}
	l.w = open(t, l.cfg)

	for _, b := range []world.NewBot{{Username: "ada_bot"}, {Username: "bob_bot", Privacy: true}, {Username: "cy_bot", BotToBot: true}} {
		l.bots = append(l.bots, addBot(t, l.w, b))
	}

	l.chats = append(l.chats,
		addChat(t, l.w, world.Group, "ada_bot", "bob_bot", "cy_bot", "Mia"),
		addChat(t, l.w, world.Group, "ada_bot", "bob_bot"),
		addChat(t, l.w, world.Supergroup, "ada_bot", "cy_bot", "Mia"))

	return l
}

// step does one thing. Whether the world refuses it is of no interest.
func (l *life) step(rt *rapid.T) {
	l.now = l.now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "ms")) * time.Millisecond)

	bot := rapid.SampledFrom(l.bots).Draw(rt, "bot")
	chat := rapid.SampledFrom(l.chats).Draw(rt, "chat")
	seq := rapid.Int64Range(1, 20).Draw(rt, "seq")
	who := rapid.SampledFrom([]string{"ada_bot", "bob_bot", "cy_bot", "Mia", "Ben"}).Draw(rt, "who")
	emoji := rapid.SampledFrom([]string{"", "👍", "❤", "🔥"}).Draw(rt, "emoji")
	text := rapid.SampledFrom([]string{"hello", "hi @bob_bot", "/go@cy_bot", "why?"}).Draw(rt, "text")

	known := seq
	if own, ok := l.w.IDs(chat, seq)[bot]; ok {
		known = own
	}

	cause := world.Cause{ID: fmt.Sprint(l.now.UnixNano()), Bot: bot, Chat: chat, Method: "x"}
	said := plain(text)

	if rapid.Bool().Draw(rt, "reply") {
		said.ReplyTo, said.ReplyOptional = known, rapid.Bool().Draw(rt, "optional")
	}

	switch rapid.IntRange(0, 18).Draw(rt, "what") {
	case 0, 1, 2, 3:
		_, _ = l.w.Send(cause, bot, chat, said)
	case 4, 5:
		_, _ = l.w.Say(chat, who, text, seq%3)
	case 6:
		_, _ = l.w.React(cause, bot, chat, known, emoji)
	case 7:
		_ = l.w.ReactAs(chat, seq, who, emoji)
	case 8:
		said.Markup = json.RawMessage(`{"inline_keyboard":[]}`)
		_, _ = l.w.Edit(cause, bot, chat, known, said)
	case 9:
		_, _ = l.w.EditAs(chat, seq, text)
	case 10:
		_ = l.w.Delete(cause, bot, chat, known)
	case 11:
		_ = l.w.DeleteAs(chat, seq)
	case 12:
		role := rapid.SampledFrom([]world.Role{world.Administrator, world.Ordinary, world.Restricted, world.Left, world.Kicked}).Draw(rt, "role")
		_ = l.w.SetRole(chat, who, role)
	case 13:
		_, _ = l.w.Updates(bot, rapid.Int64Range(-3, 900_000_000).Draw(rt, "offset"), 2)
	case 14:
		_ = l.w.Allow(bot, rapid.SampledFrom([][]string{nil, {"message", "message_reaction"}, {"chat_member"}}).Draw(rt, "kinds"))
	case 15:
		_ = l.w.SetWebhook(bot, rapid.SampledFrom([]*world.Webhook{nil, {URL: "https://x.example", MaxConnections: 3}}).Draw(rt, "hook"), rapid.Bool().Draw(rt, "drop"))
	case 16:
		_ = l.w.SetCommands(bot, "default", rapid.SampledFrom([]json.RawMessage{nil, json.RawMessage(`[{"command":"go"}]`)}).Draw(rt, "menu"))
	case 17:
		if next, err := l.w.Start(who, "ada_bot"); err == nil && !slices.Contains(l.chats, next.ID) {
			l.chats = append(l.chats, next.ID, next.Person.ID) // as people call it, and as the bot does
		}
	default:
		if next, err := l.w.Upgrade(chat); err == nil && len(l.chats) < 6 {
			l.chats = append(l.chats, next.ID)
		}
	}
}

func (l *life) files(t tb) (snapshot, journal []byte) {
	t.Helper()

	snapshot, err := os.ReadFile(filepath.Join(l.cfg.Dir, "world.json"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}

	return snapshot, must(os.ReadFile(filepath.Join(l.cfg.Dir, "world.jsonl")))(t)
}

// reopened is the world that a new process finds in the files.
func (l *life) reopened(t tb, dir string, snapshot, journal []byte) *world.World {
	t.Helper()

	if err := os.WriteFile(filepath.Join(dir, "world.jsonl"), journal, 0o600); err != nil {
		t.Fatal(err)
	}

	if err := os.Remove(filepath.Join(dir, "world.json")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}

	if snapshot != nil {
		if err := os.WriteFile(filepath.Join(dir, "world.json"), snapshot, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	cfg := l.cfg
	cfg.Dir = dir
	w := open(t, cfg)

	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	return w
}

func same(t tb, what string, want, got *world.World) {
	t.Helper()

	if diff := world.Diff(want, got); diff != "" {
		t.Fatalf("%s: %s", what, diff)
	}
}

// A process that dies at any moment finds the state again that its last whole
// record made, with or without a snapshot.
func TestTheJournalReplaysToTheSameState(t *testing.T) {
	t.Parallel()

	root := t.TempDir()

	rapid.Check(t, func(rt *rapid.T) {
		dir := must(os.MkdirTemp(root, "life"))(rt)
		other := must(os.MkdirTemp(root, "copy"))(rt)
		l := newLife(rt, dir)

		defer func() { _ = l.w.Close() }()

		var oldSnapshot, oldJournal []byte

		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			l.step(rt)

			if rapid.IntRange(0, 40).Draw(rt, "compact") == 0 {
				oldSnapshot, oldJournal = l.files(rt)

				if err := l.w.Compact(); err != nil {
					rt.Fatal(err)
				}

				snapshot, _ := l.files(rt)

				same(rt, "after a snapshot", l.w, l.reopened(rt, other, snapshot, nil))
				same(rt, "between snapshot and journal", l.w, l.reopened(rt, other, snapshot, oldJournal))
				same(rt, "before the snapshot", l.w, l.reopened(rt, other, oldSnapshot, oldJournal))
			}
		}

		snapshot, journal := l.files(rt)
		same(rt, "all of it", l.w, l.reopened(rt, other, snapshot, journal))

		if len(journal) == 0 {
			return
		}

		cut := rapid.IntRange(0, len(journal)-1).Draw(rt, "cut")
		whole := bytes.LastIndexByte(journal[:cut], '\n') + 1
		same(rt, fmt.Sprintf("cut at byte %d", cut), l.reopened(rt, other, snapshot, journal[:whole]), l.reopened(rt, other, snapshot, journal[:cut]))
	})
}

// No bot gets the same id for two messages or two updates, whatever happens and however often
// the process dies.
func TestIDsNeverRepeat(t *testing.T) {
	t.Parallel()

	root := t.TempDir()

	type key struct{ bot, chat, id int64 }

	rapid.Check(t, func(rt *rapid.T) {
		l := newLife(rt, must(os.MkdirTemp(root, "life"))(rt))
		defer func() { _ = l.w.Close() }()

		messages := map[key]int64{}      // what a bot calls a message, and its number
		boxes := map[[2]int64]key{}      // the same over all basic groups of a bot
		updates := map[[2]int64]string{} // a bot's update ids, and what they told

		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			l.step(rt)

			if rapid.IntRange(0, 8).Draw(rt, "kill") == 0 {
				// No Close: what is not in the file by now is lost.
				l.w = open(rt, l.cfg)
			}

			for _, c := range l.w.Chats() {
				for _, p := range must(l.w.History(c.ID, 0, 100))(rt) {
					for bot, id := range l.w.IDs(c.ID, p.Seq) {
						k := key{bot, c.ID, id}
						if seq, ok := messages[k]; ok && seq != p.Seq {
							rt.Fatalf("%+v is message %d and was %d", k, p.Seq, seq)
						}

						messages[k] = p.Seq

						if c.Kind == world.Supergroup {
							if id != p.Seq {
								rt.Fatalf("bot %d calls message %d of a supergroup %d", bot, p.Seq, id)
							}

							continue
						}

						box := [2]int64{bot, id}
						if was, ok := boxes[box]; ok && was != k {
							rt.Fatalf("bot %d calls messages of %d and %d both %d", bot, was.chat, c.ID, id)
						}

						boxes[box] = k
					}
				}
			}

			for _, bot := range l.bots {
				last := int64(0)

				for _, e := range must(l.w.Updates(bot, 0, 100))(rt) {
					told := fmt.Sprint(e.Kind, e.At, e.Chat, e.MsgID, e.By, e.Member, e.OldEmoji, e.NewEmoji, e.NewRole)
					id := [2]int64{bot, e.ID}

					if was, ok := updates[id]; ok && was != told {
						rt.Fatalf("update %d of bot %d is %s and was %s", e.ID, bot, told, was)
					}

					if updates[id] = told; e.ID <= last {
						rt.Fatalf("update %d of bot %d comes after %d", e.ID, bot, last)
					}

					last = e.ID
				}
			}
		}
	})
}
