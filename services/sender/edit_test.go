package sender_test

import (
	"testing"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// A bot asks with buttons, and edits its question after the answer.
func TestAMessageWithButtonsIsEdited(t *testing.T) {
	for _, kind := range []string{world.Group, world.Supergroup} {
		t.Run(kind, func(t *testing.T) { isEdited(t, kind) })
	}
}

func isEdited(t *testing.T, kind string) {
	t.Helper()
	s := newFixture(t)
	chat, _ := s.chat("club", kind)
	send := func(d *chorusv1.Delivery, change func(*chorusv1.Delivery)) *chorusv1.Delivery {
		turn := s.turn(chat)
		turn.Kind = chorusv1.TurnKind_TURN_KIND_COMMAND
		d = journaltest.Message(turn, d.GetText())
		change(d)
		turn.TargetMessage = d.GetTargetMessage()
		return s.post(turn, d)
	}
	asked := send(&chorusv1.Delivery{Text: "Send it?"}, func(d *chorusv1.Delivery) {
		d.Buttons = []*chorusv1.Button{{Text: "Yes", Data: "yes 1"}, {Text: "No", Data: "no 1"}}
	})
	s.becomes(asked, "delivered closed")
	number := int64(s.one(`SELECT number FROM messages WHERE turn_no IS NOT NULL`))
	telegramID := int64(s.one(`SELECT telegram_id FROM chats`))
	shown := func() (string, string) {
		posts, err := s.telegram.World().History(telegramID, 0, 1)
		if err != nil || len(posts) != 1 {
			t.Fatal(posts, err)
		}
		return posts[0].Text, string(posts[0].Markup)
	}
	if text, markup := shown(); text != "Send it?" || markup != `{"inline_keyboard":[[{"text":"Yes","callback_data":"yes 1"},{"text":"No","callback_data":"no 1"}]]}` {
		t.Errorf("%s %s is asked", text, markup)
	}
	edit := func(of int64) *chorusv1.Delivery {
		return send(&chorusv1.Delivery{Text: "It is sent."}, func(d *chorusv1.Delivery) {
			d.Action, d.TargetMessage = chorusv1.Action_ACTION_EDIT_MESSAGE, of
		})
	}
	// The outcome of the first call is unknown, so there is a second one.
	s.fault("editMessageText:reset_after:count=1")
	s.becomes(edit(number), "delivered closed")
	s.called("editMessageText", "edited 200", "none 400")
	if text, markup := shown(); text != "It is sent." || markup != "" {
		t.Errorf("it becomes %s %s", text, markup)
	}
	s.counts("an edit is no message", 1, `SELECT count(*) FROM messages WHERE turn_no IS NOT NULL`)
	s.becomes(edit(99), "rejected closed")
}
