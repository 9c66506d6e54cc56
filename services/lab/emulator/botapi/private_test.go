package botapi_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestAPrivateChatHasTelegramsShape(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	tom, _ := r.world.Find("Tom")

	const notStarted = `{"ok":false,"error_code":403,"description":"Forbidden: bot can't initiate conversation with a user"}`

	if got := r.call(r.ada, "sendMessage", "chat_id", tom.ID, "text", "Hi"); got != notStarted {
		t.Errorf("before it is started it is told %s", got)
	}

	private, err := r.world.Start("Tom", "ada_bot")
	if err != nil {
		t.Fatal(err)
	}

	begun, err := r.world.History(private.ID, 0, 1)
	if err != nil {
		t.Fatal(err)
	}

	ada := fmt.Sprintf(`{"id":%d,"is_bot":true,"first_name":"Ada","username":"ada_bot"}`, r.adaID)
	person := fmt.Sprintf(`{"id":%d,"is_bot":false,"first_name":"Tom","username":"tom"}`, tom.ID)
	chat := fmt.Sprintf(`{"id":%d,"first_name":"Tom","username":"tom","type":"private"}`, tom.ID)

	var first sentMessage

	r.result(&first, r.ada, "sendMessage", "chat_id", tom.ID, "text", "Shall I?", "reply_markup", `{"inline_keyboard":[[{"text":"Yes","callback_data":"yes"}]]}`)

	for _, tt := range []struct {
		method string
		params []any
		want   string
	}{
		{"getUpdates", nil, fmt.Sprintf(`{"ok":true,"result":[{"update_id":ID,"message":{"message_id":%d,"from":%s,"chat":%s,"date":%d,"text":"/start","entities":[{"type":"bot_command","offset":0,"length":6}]}}]}`, first.MessageID-1, person, chat, begun[0].SentAt.Unix())},
		{"getChat", []any{"chat_id", tom.ID}, `{"ok":true,"result":` + chat[:len(chat)-1] + `,"max_reaction_count":11,"accent_color_id":0}}`},
		{"getChatMember", []any{"chat_id", tom.ID, "user_id", tom.ID}, `{"ok":true,"result":{"user":` + person + `,"status":"member"}}`},
		{"sendChatAction", []any{"chat_id", tom.ID, "action", "typing"}, `{"ok":true,"result":true}`},
		{"editMessageText", []any{"chat_id", tom.ID, "message_id", first.MessageID, "text", "Done."}, fmt.Sprintf(`{"ok":true,"result":{"message_id":%d,"from":%s,"chat":%s,"date":WHEN,"edit_date":WHEN,"text":"Done."}}`, first.MessageID, ada, chat)},
		{"setMessageReaction", []any{"chat_id", tom.ID, "message_id", first.MessageID}, `{"ok":true,"result":true}`},
		{"setMessageReaction", []any{"chat_id", tom.ID, "message_id", first.MessageID + 5}, `{"ok":false,"error_code":400,"description":"Bad Request: message to react not found"}`},
		{"leaveChat", []any{"chat_id", tom.ID}, `{"ok":false,"error_code":400,"description":"Bad Request: chat member status can't be changed in private chats"}`},
	} {
		if diff := cmp.Diff(tt.want, masked(r.call(r.ada, tt.method, tt.params...), tt.want)); diff != "" {
			t.Errorf("%s: %s", tt.method, diff)
		}
	}

	if last := r.records()[1]; last.Chat != tom.ID || last.EffectMessageID != first.MessageID || last.Effect != "sent" {
		t.Errorf("the log has %+v", last)
	}

	if err := r.world.SetRole(private.ID, "ada_bot", world.Kicked); err != nil {
		t.Fatal(err)
	}

	const blocked = `{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}`

	if got := r.call(r.ada, "sendMessage", "chat_id", tom.ID, "text", "Hi"); got != blocked {
		t.Errorf("once it is blocked it is told %s", got)
	}
}
