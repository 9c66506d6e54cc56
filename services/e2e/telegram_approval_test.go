package e2e_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// An operator approves texts in a group of Telegram: sends another text instead of one, and
// one as it stands, which somebody presses twice. A stranger's press does nothing.
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
	var n control.NewChat
	n.Title, n.Members = "Operators", []string{bots[0].Username, "Kim", "Eve"}
	desk, err := e.PutChat(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	hello, err := e.Say(t.Context(), desk.ID, control.Saying{Name: "Kim", Text: "Hello."})
	if err != nil {
		t.Fatal(err)
	}
	// Settings that begin with a dash would be taken for flags.
	d.run("settings", "set", "approval_people", fmt.Sprint(hello.From.ID))
	d.run("settings", "set", "--", "approval_chat", fmt.Sprint(desk.ID))
	d.run("settings", "set", "approval", "approve")

	// shown gives the newest message of the desk for which something is true.
	shown := func(what string, is func(control.Message) bool) (found control.Message) {
		t.Helper()
		eventually(t, what, func() bool {
			all, err := e.Messages(t.Context(), desk.ID, 0, 100)
			if err != nil {
				t.Fatal(err)
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
	waits := func(m control.Message) bool { return strings.Contains(string(m.Markup), `"send `) }
	press := func(who string, m control.Message) {
		t.Helper()
		_, after, _ := strings.Cut(string(m.Markup), `"callback_data":"`)
		data, _, _ := strings.Cut(after, `"`)
		if _, err := e.Press(t.Context(), desk.ID, control.Pressing{Name: who, MessageID: m.ID, Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	answered := func(text string) func() bool {
		return func() bool {
			for _, call := range callsOf(t, e, control.Filter{Method: "answerCallbackQuery"}) {
				if strings.Contains(string(call.Params["text"]), text) {
					return true
				}
			}
			return false
		}
	}
	said := func(text string) (times int) {
		for _, call := range sent(callsOf(t, e, control.Filter{Method: sendMessage})) {
			var is string
			if err := json.Unmarshal(call.Params["text"], &is); err != nil {
				t.Fatal(err)
			}
			if call.Chat != desk.ID && strings.Contains(is, text) {
				times++
			}
		}
		return times
	}

	first := shown("a text waits at the desk", waits)
	press("Eve", first)
	eventually(t, "a stranger is told so", answered("You may not decide here."))
	if _, err := e.Say(t.Context(), desk.ID, control.Saying{Name: "Kim", Text: "/edit The ferry has books on board.", ReplyTo: first.ID}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the edited text is sent", func() bool { return said("The ferry has books on board.") == 1 })
	shown("the message says who sent it", func(m control.Message) bool {
		return m.ID == first.ID && strings.Contains(m.Text, "changed and sent by Kim") && len(m.Markup) == 0
	})

	second := shown("another text waits", waits)
	_, text, _ := strings.Cut(second.Text, ":\n\n")
	text, _, _ = strings.Cut(text, "\n")
	press("Kim", second)
	press("Kim", second)
	shown("the message says that it is sent", func(m control.Message) bool { return m.ID == second.ID && strings.Contains(m.Text, "sent by Kim") })
	eventually(t, "both presses are answered", func() bool {
		return len(callsOf(t, e, control.Filter{Method: "answerCallbackQuery"})) == 3
	})
	eventually(t, "the text is sent", func() bool { return said(text) > 0 })
	if n := said(text); n != 1 {
		t.Errorf("it is sent %d times", n)
	}
}
