package e2e_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

// desk is the chat in which texts are shown to operators: a group, or a private chat.
type desk struct {
	t  *testing.T
	e  *control.Client
	at int64 // the emulator's id of the chat
	id int64 // the bots' id of the chat
}

// shown returns the oldest message of the desk that meets a condition.
func (d desk) shown(what string, is func(control.Message) bool) (found control.Message) {
	d.t.Helper()
	eventually(d.t, what, func() bool {
		all, err := d.e.Messages(d.t.Context(), d.at, 0, 1000)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, m := range all {
			if is(m) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// waiting returns a message with a text that waits, and the text.
func (d desk) waiting() (m control.Message, text string) {
	d.t.Helper()
	m = d.shown("a text waits at the desk", func(m control.Message) bool { return strings.Contains(string(m.Markup), `"send `) })
	_, text, _ = strings.Cut(m.Text, ":\n\n")
	text, _, _ = strings.Cut(text, "\n")
	return m, text
}

// became waits until the message shows the decision and has no buttons.
func (d desk) became(m control.Message, says string) {
	d.t.Helper()
	d.shown("the message says: "+says, func(now control.Message) bool {
		return now.ID == m.ID && strings.Contains(now.Text, says) && len(now.Markup) == 0
	})
}

// press presses a message's button of an act.
func (d desk) press(who, act string, m control.Message) {
	d.t.Helper()
	_, after, _ := strings.Cut(string(m.Markup), `"callback_data":"`+act)
	number, _, _ := strings.Cut(after, `"`)
	if _, err := d.e.Press(d.t.Context(), d.at, control.Pressing{Name: who, MessageID: m.ID, Data: act + number}); err != nil {
		d.t.Fatal(err)
	}
}

func (d desk) say(who, text string, to control.Message) {
	d.t.Helper()
	if _, err := d.e.Say(d.t.Context(), d.at, control.Saying{Name: who, Text: text, ReplyTo: to.ID}); err != nil {
		d.t.Fatal(err)
	}
}

// answers counts the presses that were answered by a line.
func (d desk) answers(line string) (times int) {
	d.t.Helper()
	for _, call := range callsOf(d.t, d.e, control.Filter{Method: "answerCallbackQuery"}) {
		if strings.Contains(string(call.Params["text"]), line) {
			times++
		}
	}
	return times
}

func (d desk) answered(line string) {
	d.t.Helper()
	eventually(d.t, "a press is answered: "+line, func() bool { return d.answers(line) > 0 })
}

// said counts how often the cast has sent a text in its chats.
func (d desk) said(text string) (times int) {
	d.t.Helper()
	for _, call := range sent(callsOf(d.t, d.e, control.Filter{Method: sendMessage})) {
		var is string
		if err := json.Unmarshal(call.Params["text"], &is); err != nil {
			d.t.Fatal(err)
		}
		if call.Chat != d.id && strings.Contains(is, text) {
			times++
		}
	}
	return times
}

// once waits until a text is sent, and checks that it is sent once.
func (d desk) once(text string) {
	d.t.Helper()
	eventually(d.t, "it is said: "+text, func() bool { return d.said(text) > 0 })
	if n := d.said(text); n != 1 {
		d.t.Errorf("%q is said %d times", text, n)
	}
}

// edits counts the edits of a message.
func (d desk) edits(m control.Message) (times int) {
	d.t.Helper()
	for _, call := range callsOf(d.t, d.e, control.Filter{Method: "editMessageText"}) {
		if call.Chat != d.id || call.Effect != "edited" {
			continue
		}
		for _, id := range m.IDs {
			if call.EffectMessageID == id {
				times++
				break // in a supergroup all bots have the same id
			}
		}
	}
	return times
}

// Operators approve texts in a group: one sends another text instead, and one sends a text
// as it is and presses twice. A stranger's press has no effect.
func TestOperatorsApproveByTelegram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := up(t, dir, "--cast", absolute(t, bookClub), "--planner.pace", "2s")
	d := &deployment{t: t, environment: []string{"CHORUS_CONFIG=" + filepath.Join(dir, "up.yaml")}}
	e := c.emulator()
	bots, err := e.Bots(t.Context())
	if err != nil || len(bots) == 0 {
		t.Fatal(bots, err)
	}
	desk, people := group(t, e, bots[0].Username)
	// A value that begins with a dash would be parsed as a flag.
	d.run("settings", "set", "approval_people", people)
	d.run("settings", "set", "--", "approval_chat", fmt.Sprint(desk.id))
	d.run("settings", "set", "approval", "approve")

	first, _ := desk.waiting()
	desk.press("Eve", "send", first)
	desk.answered("You may not decide here.")
	desk.say("Kim", "/edit The ferry has books on board.", first)
	desk.once("The ferry has books on board.")
	desk.became(first, "changed and sent by Kim")

	second, text := desk.waiting()
	// While the message has its buttons, another person may press one.
	late := control.Fault{ID: "late", Method: "editMessageText", Kind: fault.Latency, Duration: jsontime.Duration(5 * time.Second)}
	if _, err := e.SetFaults(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	desk.press("Kim", "send", second)
	desk.answered("Done.")
	desk.press("Lee", "discard", second)
	desk.answered("It is decided already: sent by Kim")
	if _, err := e.SetFaults(t.Context()); err != nil {
		t.Fatal(err)
	}
	desk.became(second, "sent by Kim")
	desk.once(text)
}

// group returns a desk in a group with a bot, Kim and Lee, who may decide, and Eve, who may
// not.
func group(t *testing.T, e *control.Client, bot string) (d desk, people string) {
	t.Helper()
	var n control.NewChat
	n.Title, n.Members = "Operators", []string{bot, "Kim", "Lee", "Eve"}
	made, err := e.PutChat(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int64{} // members are ordered by id, which differs in each run
	for _, m := range made.Members {
		ids[m.Name] = m.ID
	}
	return desk{t, e, made.ID, made.ID}, fmt.Sprintf("%d,%d", ids["Kim"], ids["Lee"])
}

// An operator approves texts in a private chat with a bot. Texts from before the operator
// started the bot, or from while it was blocked, are shown when the bot may write again. A
// service that dies between a press and its effect loses and doubles nothing.
func TestAnOperatorApprovesInAPrivateChat(t *testing.T) {
	t.Parallel()
	d := deploy(t, troupe{bots: 3, supergroups: 1, perChat: 3, gap: time.Second}.file(t), "--emulator.unlimited")
	e := d.telegram
	bots, err := e.Bots(t.Context())
	if err != nil || len(bots) == 0 {
		t.Fatal(bots, err)
	}
	_, people := group(t, e, bots[0].Username) // here the bot meets Kim
	kim, _, _ := strings.Cut(people, ",")
	roster := d.pool()
	for key, value := range map[string]string{
		"approval_people": strings.TrimPrefix(people, kim+","), "approval_chat": kim, "approval_bot": strings.TrimSuffix(bots[0].Username, "_of_tests_bot"), "approval": "approve",
	} {
		d.run("settings", "set", key, value)
	}
	d.start("planner", "generator", "sender", "listener")
	eventually(t, "the bot may not begin", func() bool {
		for _, call := range callsOf(t, e, control.Filter{Method: sendMessage}) {
			if strings.Contains(call.Description, "bot can't initiate conversation with a user") {
				return true
			}
		}
		return false
	})
	// Telegram's times are whole seconds. A start in the second of the refusal may count as
	// older, and then only the next retry resumes the bot.
	eventually(t, "the refusal is a second old", func() (known bool) {
		err := roster.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM cast_members WHERE suspended_at < now() - interval '1 second')`).Scan(&known)
		return known && err == nil
	})
	private, err := e.Start(t.Context(), control.Starting{Name: "Kim", Bot: bots[0].Username})
	if err != nil {
		t.Fatal(err)
	}
	desk := desk{t, e, private.ID, private.Person.ID}
	first, _ := desk.waiting()
	desk.press("Kim", "send", first)
	desk.answered("You may not decide here.")
	d.run("settings", "set", "approval_people", people)
	const edited = "The ferry has books on board."
	// The listener receives a changed setting a moment later.
	for tries := 0; desk.said(edited) == 0 && tries < 10; tries++ {
		desk.say("Kim", "/edit "+edited, first)
		within(t, 5*time.Second, func() bool { return desk.said(edited) > 0 })
	}
	desk.once(edited)
	desk.became(first, "changed and sent by Kim")

	// Each service dies between a press and its effect: the listener before it receives the
	// press, the sender before it sends the text, and both during the work.
	for round, dies := range [][]string{{"listener"}, {"sender"}, {"listener", "sender"}} {
		m, text := desk.waiting()
		if round == 2 {
			desk.press("Kim", "send", m)
		}
		for _, service := range dies {
			d.running[service].kill()
		}
		if round != 2 {
			desk.press("Kim", "send", m)
		}
		d.revive()
		desk.became(m, "sent by Kim")
		desk.once(text)
		if n := desk.edits(m); n != 1 {
			t.Errorf("after the death of %v it is edited %d times", dies, n)
		}
	}

	// A bot that returns shows what waits, even if its messages were deleted.
	if err := e.Kick(t.Context(), desk.at, bots[0].Username); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the bot is suspended in the chat", func() bool {
		return one[bool](t, roster, `SELECT EXISTS (SELECT FROM cast_members m JOIN chats c ON c.id = m.chat_id WHERE c.kind = 'private' AND m.suspended_at IS NOT NULL)`)
	})
	if _, err := e.Start(t.Context(), control.Starting{Name: "Kim", Bot: bots[0].Username}); err != nil {
		t.Fatal(err)
	}
	m, text := desk.waiting()
	if err := e.DeleteMessage(t.Context(), desk.at, m.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Start(t.Context(), control.Starting{Name: "Kim", Bot: bots[0].Username}); err != nil {
		t.Fatal(err)
	}
	again := desk.shown("what was deleted is shown again", func(now control.Message) bool {
		return now.ID > m.ID && strings.Contains(now.Text, text) && len(now.Markup) > 0
	})
	desk.press("Kim", "discard", again)
	desk.became(again, "discarded by Kim")
	if n := desk.said(text); n != 0 {
		t.Errorf("what was discarded is said %d times", n)
	}
}
