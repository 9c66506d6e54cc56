package botapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestResultsHaveTelegramsShape(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	allowed := []string{"👍", "🔥"}
	few := r.chat(world.NewChat{Chat: world.Chat{Title: "Few", Kind: world.Group, Reactions: &allowed}})
	r.quiet()

	said := r.say(r.books, "Hello @ada_bot")
	when := fmt.Sprint(said.SentAt.Unix())
	tom := fmt.Sprint(said.From.ID)

	if err := r.world.SetRole(r.books, "Tom", world.Creator); err != nil {
		t.Fatal(err)
	}

	if err := r.world.SetRole(r.books, "bob_bot", world.Administrator); err != nil {
		t.Fatal(err)
	}

	ada := fmt.Sprintf(`{"id":%d,"is_bot":true,"first_name":"Ada","username":"ada_bot"}`, r.adaID)
	bob := fmt.Sprintf(`{"id":%d,"is_bot":true,"first_name":"Bob","username":"bob_bot"}`, r.bobID)
	person := `{"id":` + tom + `,"is_bot":false,"first_name":"Tom","username":"tom"}`
	books := fmt.Sprintf(`{"id":%d,"title":"Books","type":"supergroup"}`, r.books)

	tests := []struct {
		method string
		params []any
		want   string
	}{
		{"getMe", nil, `{"ok":true,"result":` + ada[:len(ada)-1] + `,"can_join_groups":true,"can_read_all_group_messages":true,"supports_inline_queries":false,"can_connect_to_business":false,"has_main_web_app":false}}`},
		{
			"sendMessage",
			[]any{"chat_id", r.books, "text", "Hi <you>", "reply_parameters", `{"message_id":1}`},
			`{"ok":true,"result":{"message_id":2,"from":` + ada + `,"chat":` + books + `,"date":WHEN,"reply_to_message":{"message_id":1,"from":` + person + `,"chat":` + books + `,"date":` + when + `,"text":"Hello @ada_bot","entities":[{"type":"mention","offset":6,"length":8}]},"text":"Hi <you>"}}`,
		},
		{
			"sendMessage",
			[]any{"chat_id", r.books, "text", "a <b>b</b>", "parse_mode", "html", "reply_to_message_id", 99, "allow_sending_without_reply", "true", "reply_markup", `{"inline_keyboard": [[{"text":"x","callback_data":"y"}]]}`},
			`{"ok":true,"result":{"message_id":3,"from":` + ada + `,"chat":` + books + `,"date":WHEN,"text":"a b","entities":[{"type":"bold","offset":2,"length":1}],"reply_markup":{"inline_keyboard":[[{"text":"x","callback_data":"y"}]]}}}`,
		},
		{
			"editMessageReplyMarkup",
			[]any{"chat_id", r.books, "message_id", 3},
			`{"ok":true,"result":{"message_id":3,"from":` + ada + `,"chat":` + books + `,"date":WHEN,"edit_date":WHEN,"text":"a b","entities":[{"type":"bold","offset":2,"length":1}]}}`,
		},
		{
			"editMessageReplyMarkup",
			[]any{"chat_id", r.books, "message_id", 3},
			`{"ok":false,"error_code":400,"description":"Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"}`,
		},
		{
			"sendSticker",
			[]any{"chat_id", r.books, "sticker", "CAACAgIAAxkBAAIBYWZxJ2sprouting0NgQ"},
			`{"ok":true,"result":{"message_id":4,"from":` + ada + `,"chat":` + books + `,"date":WHEN,"sticker":{"width":512,"height":512,"is_animated":false,"is_video":false,"type":"regular","file_id":"CAACAgIAAxkBAAIBYWZxJ2sprouting0NgQ","file_unique_id":"AgADrouting0NgQ"}}}`,
		},
		{
			"editMessageText",
			[]any{"chat_id", r.books, "message_id", 2, "text", "Ho"},
			`{"ok":true,"result":{"message_id":2,"from":` + ada + `,"chat":` + books + `,"date":WHEN,"edit_date":WHEN,"reply_to_message":{"message_id":1,"from":` + person + `,"chat":` + books + `,"date":` + when + `,"text":"Hello @ada_bot","entities":[{"type":"mention","offset":6,"length":8}]},"text":"Ho"}}`,
		},
		{
			"editMessageText",
			[]any{"chat_id", r.books, "message_id", 2, "text", "Ho"},
			`{"ok":false,"error_code":400,"description":"Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"}`,
		},
		{"deleteMessage", []any{"chat_id", r.books, "message_id", 2}, `{"ok":true,"result":true}`},
		{"sendChatAction", []any{"chat_id", r.books, "action", "typing"}, `{"ok":true,"result":true}`},
		{"setMessageReaction", []any{"chat_id", r.books, "message_id", 1, "reaction", `[{"type":"emoji","emoji":"❤‍🔥"}]`}, `{"ok":true,"result":true}`},
		{"getUpdates", nil, `{"ok":true,"result":[{"update_id":ID,"message":{"message_id":1,"from":` + person + `,"chat":` + books + `,"date":` + when + `,"text":"Hello @ada_bot","entities":[{"type":"mention","offset":6,"length":8}]}}]}`},
		{"getChat", []any{"chat_id", few}, fmt.Sprintf(`{"ok":true,"result":{"id":%d,"title":"Few","type":"group","all_members_are_administrators":false,"permissions":{"can_send_messages":true,"can_send_other_messages":true,"can_add_web_page_previews":true,"can_react_to_messages":true,"can_change_info":false,"can_invite_users":true,"can_pin_messages":false},"available_reactions":[{"type":"emoji","emoji":"👍"},{"type":"emoji","emoji":"🔥"}],"max_reaction_count":11,"accent_color_id":0}}`, few)},
		{"getChatMember", []any{"chat_id", r.books, "user_id", r.adaID}, `{"ok":true,"result":{"user":` + ada + `,"status":"member"}}`},
		{"getChatMember", []any{"chat_id", r.books, "user_id", r.bobID}, `{"ok":true,"result":{"user":` + bob + `,"status":"administrator","can_be_edited":false,"is_anonymous":false,"can_manage_chat":true,"can_delete_messages":true,"can_restrict_members":true}}`},
		{"getChatMemberCount", []any{"chat_id", r.books}, `{"ok":true,"result":3}`},
		{"getChatAdministrators", []any{"chat_id", r.books}, `{"ok":true,"result":[{"user":` + person + `,"status":"creator","is_anonymous":false}]}`},
		{"setMyCommands", []any{"commands", `[{"command":"start","description":"Begin"}]`}, `{"ok":true,"result":true}`},
		{"getMyCommands", nil, `{"ok":true,"result":[{"command":"start","description":"Begin"}]}`},
		{"deleteMyCommands", nil, `{"ok":true,"result":true}`},
		{"getMyCommands", nil, `{"ok":true,"result":[]}`},
		{"getWebhookInfo", nil, `{"ok":true,"result":{"url":"","has_custom_certificate":false,"pending_update_count":1}}`},
		{"deleteWebhook", nil, `{"ok":true,"result":true,"description":"Webhook is already deleted"}`},
		{"setWebhook", []any{"url", "http://127.0.0.1:9/", "secret_token", "abc"}, `{"ok":true,"result":true,"description":"Webhook was set"}`},
		{"setWebhook", []any{"url", "http://127.0.0.1:9/", "secret_token", "abc"}, `{"ok":true,"result":true,"description":"Webhook is already set"}`},
		{"getUpdates", nil, `{"ok":false,"error_code":409,"description":"Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"}`},
		{"getWebhookInfo", nil, `{"ok":true,"result":{"url":"http://127.0.0.1:9/","has_custom_certificate":false,"pending_update_count":1,"max_connections":40}}`},
		{"deleteWebhook", []any{"drop_pending_updates", "true"}, `{"ok":true,"result":true,"description":"Webhook was deleted"}`},
		{"getUpdates", nil, `{"ok":true,"result":[]}`},
		{"logOut", nil, `{"ok":true,"result":true}`},
		{"leaveChat", []any{"chat_id", r.books}, `{"ok":true,"result":true}`},
		{"leaveChat", []any{"chat_id", r.books}, `{"ok":false,"error_code":403,"description":"Forbidden: bot is not a member of the supergroup chat"}`},
	}

	for _, tt := range tests {
		got := r.call(r.ada, tt.method, tt.params...)
		if diff := cmp.Diff(tt.want, masked(got, tt.want)); diff != "" {
			t.Errorf("%s: %s", tt.method, diff)
		}
	}
}

// masked puts WHEN and ID for times and update ids where want has them.
func masked(got, want string) string {
	for _, mask := range []struct{ field, name string }{{`"date":`, "WHEN"}, {`"edit_date":`, "WHEN"}, {`"update_id":`, "ID"}} {
		at := 0

		for {
			i := strings.Index(want[at:], mask.field+mask.name)
			if i < 0 {
				break
			}

			at += i + len(mask.field)
			if at > len(got) {
				break
			}

			digits := len(got[at:]) - len(strings.TrimLeft(got[at:], "0123456789"))
			got = got[:at] + mask.name + got[at+digits:]
		}
	}

	return got
}

func TestParametersComeInAnyForm(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	r.say(r.books, "Hello")

	path := "/bot" + r.ada + "/sendMessage"
	chat := fmt.Sprint(r.books)

	var body bytes.Buffer

	parts := multipart.NewWriter(&body)
	for name, value := range map[string]string{"chat_id": chat, "text": "Hi é", "reply_parameters": `{"message_id":1}`} {
		if err := parts.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}

	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}

	query := url.Values{"chat_id": {chat}, "text": {"Hi é"}, "reply_parameters": {`{"message_id":1}`}}.Encode()

	tests := []struct {
		name, path, contentType, body string
	}{
		{"query", path + "?" + query, "", ""},
		{"form", path, "application/x-www-form-urlencoded; charset=utf-8", query},
		{"JSON", path, "application/json", `{"chat_id":` + chat + `,"text":"Hi é","reply_parameters":{"message_id":1},"parse_mode":null}`},
		{"JSON in strings", path, "application/json; charset=utf-8", `{"chat_id":"` + chat + `","text":"Hi é","reply_parameters":"{\"message_id\":1}"}`},
		{"multipart", path, parts.FormDataContentType(), body.String()},
		{"query and form", path + "?text=Hi+%C3%A9", "application/x-www-form-urlencoded", "text=other&" + strings.Replace(query, "text", "other", 1)},
		{"any case", "/bot" + r.ada + "/SENDmessage", "application/x-www-form-urlencoded", query},
	}

	for _, tt := range tests {
		req := httptest.NewRequest(http.MethodPost, tt.path, strings.NewReader(tt.body))
		if tt.contentType != "" {
			req.Header.Set("Content-Type", tt.contentType)
		}

		var reply struct{ Result sentMessage }
		if err := json.Unmarshal(r.do(req).Body.Bytes(), &reply); err != nil {
			t.Fatal(err)
		}

		if got := reply.Result; got.Text != "Hi é" || got.Reply == nil || got.Reply.MessageID != 1 {
			t.Errorf("%s: %+v", tt.name, got)
		}

		if got := r.last(); got.Method != "sendMessage" || got.Effect != "sent" || string(got.Params["text"]) != `"Hi é"` || string(got.Params["reply_parameters"]) != `{"message_id":1}` {
			t.Errorf("%s: the log has %+v", tt.name, got)
		}
	}

	for contentType, body := range map[string]string{"application/json": "[1]", "application/x-www-form-urlencoded": "a=%zz", "multipart/form-data; boundary=x": "--x\r\n"} {
		req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		req.Header.Set("Content-Type", contentType)

		if got := r.do(req); got.Code != http.StatusBadRequest {
			t.Errorf("%s %q: %d %s", contentType, body, got.Code, got.Body)
		}
	}

	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(strings.Repeat("x", 9<<20)))
	if got := r.do(req); got.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("too long: %d", got.Code)
	}
}

func TestReactionsAreIdempotentAndOnePerBot(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	r.say(r.books, "Hello")

	for _, step := range []struct{ emoji, effect, now string }{
		{"👍", "reacted", "👍"}, {"👍", "unchanged", "👍"}, {"🔥", "reacted", "🔥"}, {"", "unreacted", ""}, {"", "unchanged", ""},
	} {
		reaction := "[]"
		if step.emoji != "" {
			reaction = `[{"type":"emoji","emoji":"` + step.emoji + `"}]`
		}

		if got := r.call(r.ada, "setMessageReaction", "chat_id", r.books, "message_id", 1, "reaction", reaction); got != `{"ok":true,"result":true}` {
			t.Fatal(got)
		}

		if got := r.last(); got.Effect != step.effect || got.EffectMessageID != 1 {
			t.Errorf("%q: the log has %s of %d, want %s", step.emoji, got.Effect, got.EffectMessageID, step.effect)
		}

		posts, err := r.world.History(r.books, 0, 1)
		if err != nil {
			t.Fatal(err)
		}

		now := ""
		for _, reaction := range posts[0].Reactions {
			now += reaction.Emoji
		}

		if now != step.now {
			t.Errorf("%q: the message has %q", step.emoji, now)
		}
	}
}

func TestBasicGroupsNumberMessagesPerBot(t *testing.T) {
	t.Parallel()

	r := newRig(t)

	var byAda sentMessage
	r.result(&byAda, r.ada, "sendMessage", "chat_id", r.dice, "text", "mine")

	said := r.say(r.dice, "Tom's")
	ids := r.world.IDs(r.dice, said.Seq)

	if ids[r.adaID] == ids[r.bobID] {
		t.Fatalf("both bots call it %d", ids[r.adaID])
	}

	thumb := `[{"type":"emoji","emoji":"👍"}]`
	if got := r.call(r.bob, "setMessageReaction", "chat_id", r.dice, "message_id", ids[r.adaID], "reaction", thumb); !strings.Contains(got, "message to react not found") {
		t.Errorf("Bob reacts by Ada's id: %s", got)
	}

	// By default bots don't see what other bots write, so Bob has no id for it.
	if got := r.call(r.bob, "sendMessage", "chat_id", r.dice, "text", "x", "reply_to_message_id", byAda.MessageID); !strings.Contains(got, "message to be replied not found") {
		t.Errorf("Bob answers Ada: %s", got)
	}

	var reply sentMessage
	r.result(&reply, r.bob, "sendMessage", "chat_id", r.dice, "text", "x", "reply_to_message_id", ids[r.bobID])

	if reply.Reply == nil || reply.Reply.MessageID != ids[r.bobID] || reply.Reply.Text != "Tom's" {
		t.Errorf("Bob's answer: %+v", reply)
	}
}

func TestQueriesAreAnsweredOnce(t *testing.T) {
	t.Parallel()

	r := newRig(t)

	var asked sentMessage
	r.result(&asked, r.ada, "sendMessage", "chat_id", r.books, "text", "?", "reply_markup", `{"inline_keyboard":[[{"text":"x","callback_data":"y"}]]}`)

	query, err := r.world.Press(r.books, asked.MessageID, "Tom", "y")
	if err != nil {
		t.Fatal(err)
	}

	var updates []struct {
		CallbackQuery struct {
			ID, Data string
			Message  sentMessage
		} `json:"callback_query"`
	}
	r.result(&updates, r.ada, "getUpdates")

	if len(updates) != 1 || updates[0].CallbackQuery.ID != query || updates[0].CallbackQuery.Data != "y" || updates[0].CallbackQuery.Message.Text != "?" {
		t.Fatalf("updates: %+v", updates)
	}

	if got := r.call(r.ada, "answerCallbackQuery", "callback_query_id", query); got != `{"ok":true,"result":true}` {
		t.Error(got)
	}

	if got := r.call(r.ada, "answerCallbackQuery", "callback_query_id", query); !strings.Contains(got, "query is too old") {
		t.Error(got)
	}
}
