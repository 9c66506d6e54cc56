package botapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestErrorsWordForWord(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	said := r.say(r.books, "Hello")

	allowed := []string{"👍"}
	few := r.chat(world.NewChat{Chat: world.Chat{Title: "Few", Reactions: &allowed}})
	forum := r.chat(world.NewChat{Chat: world.Chat{Title: "Forum", Topics: map[int64]world.Topic{7: {Name: "a"}, 8: {Name: "b", Closed: true}}}})
	readOnly := r.chat(world.NewChat{Chat: world.Chat{Title: "News", ReadOnly: true}})
	kicked := r.chat(world.NewChat{Chat: world.Chat{Title: "Gone"}})
	kickedBasic := r.chat(world.NewChat{Chat: world.Chat{Title: "Gone", Kind: world.Group}})
	left := r.chat(world.NewChat{Chat: world.Chat{Title: "Left"}})
	upgraded := r.chat(world.NewChat{Chat: world.Chat{Title: "Grown", Kind: world.Group}})

	for chat, role := range map[int64]world.Role{kicked: world.Kicked, kickedBasic: world.Kicked, left: world.Left} {
		if err := r.world.SetRole(chat, "ada_bot", role); err != nil {
			t.Fatal(err)
		}
	}

	grown, err := r.world.Upgrade(upgraded)
	if err != nil {
		t.Fatal(err)
	}

	r.say(few, "few")

	const thumb = `[{"type":"emoji","emoji":"👍"}]`

	tests := []struct {
		method string
		params []any
		code   int
		want   string
	}{
		{"sendMessage", []any{"text", "x"}, 400, "Bad Request: chat_id is empty"},
		{"sendMessage", []any{"chat_id", 42, "text", "x"}, 400, "Bad Request: chat not found"},
		{"sendMessage", []any{"chat_id", "@nowhere", "text", "x"}, 400, "Bad Request: chat not found"},
		{"sendMessage", []any{"chat_id", r.books}, 400, "Bad Request: message text is empty"},
		{"sendMessage", []any{"chat_id", r.books, "text", " \n"}, 400, "Bad Request: message text is empty"},
		{"sendMessage", []any{"chat_id", r.books, "text", strings.Repeat("x", 4097)}, 400, "Bad Request: message is too long"},
		{"sendMessage", []any{"chat_id", r.books, "text", strings.Repeat("😀", 2049)}, 400, "Bad Request: message is too long"},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "parse_mode", "BBCode"}, 400, "Bad Request: unsupported parse_mode"},
		{"sendMessage", []any{"chat_id", r.books, "text", "<b>x", "parse_mode", "HTML"}, 400, `Bad Request: can't parse entities: Can't find end tag corresponding to start tag "b"`},
		{"sendMessage", []any{"chat_id", r.books, "text", "x.", "parse_mode", "MarkdownV2"}, 400, `Bad Request: can't parse entities: Character '.' is reserved and must be escaped with the preceding '\'`},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "entities", "{"}, 400, "Bad Request: can't parse entities JSON object"},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "reply_parameters", `{"message_id":99}`}, 400, "Bad Request: message to be replied not found"},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "reply_to_message_id", 99}, 400, "Bad Request: message to be replied not found"},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "reply_parameters", `{"message_id":1,"chat_id":-5}`}, 400, "Bad Request: message to be replied not found"},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "reply_parameters", `7`}, 400, "Bad Request: can't parse reply parameters JSON object"},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "reply_markup", `7`}, 400, "Bad Request: can't parse reply keyboard markup JSON object"},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "message_thread_id", 7}, 400, "Bad Request: message thread not found"},
		{"sendMessage", []any{"chat_id", forum, "text", "x", "message_thread_id", 1}, 400, "Bad Request: message thread not found"},
		{"sendMessage", []any{"chat_id", forum, "text", "x", "message_thread_id", 8}, 400, "Bad Request: TOPIC_CLOSED"},
		{"sendMessage", []any{"chat_id", readOnly, "text", "x"}, 400, "Bad Request: not enough rights to send text messages to the chat"},
		{"sendMessage", []any{"chat_id", kicked, "text", "x"}, 403, "Forbidden: bot was kicked from the supergroup chat"},
		{"sendMessage", []any{"chat_id", kickedBasic, "text", "x"}, 403, "Forbidden: bot was kicked from the group chat"},
		{"sendMessage", []any{"chat_id", left, "text", "x"}, 403, "Forbidden: bot is not a member of the supergroup chat"},
		{"setMessageReaction", []any{"chat_id", r.books, "message_id", 99, "reaction", thumb}, 400, "Bad Request: message to react not found"},
		{"setMessageReaction", []any{"chat_id", upgraded, "message_id", 1, "reaction", thumb}, 400, "Bad Request: message to react not found"},
		{"setMessageReaction", []any{"chat_id", r.books, "message_id", said.ID, "reaction", `[{"type":"emoji","emoji":"❤️"}]`}, 400, "Bad Request: REACTION_INVALID"},
		{"setMessageReaction", []any{"chat_id", few, "message_id", 1, "reaction", `[{"type":"emoji","emoji":"❤"}]`}, 400, "Bad Request: REACTION_INVALID"},
		{"setMessageReaction", []any{"chat_id", few, "message_id", 1, "reaction", `[{"type":"paid"}]`}, 400, "Bad Request: REACTION_INVALID"},
		{"setMessageReaction", []any{"chat_id", r.books, "message_id", 1, "reaction", `[{"type":"emoji","emoji":""}]`}, 400, "Bad Request: REACTION_EMPTY"},
		{"setMessageReaction", []any{"chat_id", r.books, "message_id", 1, "reaction", `[{"type":"emoji","emoji":"👍"},{"type":"emoji","emoji":"👎"}]`}, 400, "Bad Request: REACTIONS_TOO_MANY"},
		{"setMessageReaction", []any{"chat_id", r.books, "message_id", 1, "reaction", `👍`}, 400, "Bad Request: can't parse reaction types JSON object"},
		{"sendChatAction", []any{"chat_id", r.books, "action", "thinking"}, 400, "Bad Request: wrong parameter action in request"},
		{"editMessageText", nil, 400, "Bad Request: message text is empty"},
		{"editMessageText", []any{"text", "x"}, 400, "Bad Request: message identifier is not specified"},
		{"editMessageText", []any{"text", "x", "message_id", 1}, 400, "Bad Request: chat_id is empty"},
		{"editMessageText", []any{"text", "x", "chat_id", r.books}, 400, "Bad Request: message to edit not found"},
		{"editMessageText", []any{"text", "x", "chat_id", r.books, "message_id", said.ID}, 400, "Bad Request: message can't be edited"},
		{"editMessageReplyMarkup", []any{"chat_id", r.books}, 400, "Bad Request: message to edit not found"},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "reply_markup", `{"inline_keyboard":[7]}`}, 400, "Bad Request: can't parse inline keyboard button: InlineKeyboardButton must be an Object"},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "reply_markup", `{"inline_keyboard":[[{"text":"x"}]]}`}, 400, "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "reply_markup", `{"inline_keyboard":[[{"text":"x","callback_data":""}]]}`}, 400, "Bad Request: BUTTON_DATA_INVALID"},
		{"sendMessage", []any{"chat_id", r.books, "text", "x", "reply_markup", `{"inline_keyboard":[[{"text":"x","callback_data":"` + strings.Repeat("y", 65) + `"}]]}`}, 400, "Bad Request: BUTTON_DATA_INVALID"},
		{"deleteMessage", []any{"chat_id", r.books, "message_id", 99}, 400, "Bad Request: message to delete not found"},
		{"deleteMessage", []any{"chat_id", r.books, "message_id", said.ID}, 400, "Bad Request: message can't be deleted"},
		{"getChat", []any{"chat_id", -7}, 400, "Bad Request: chat not found"},
		{"getChat", nil, 400, "Bad Request: chat_id is empty"},
		{"getChatMember", []any{"chat_id", r.books, "user_id", "x"}, 400, "Bad Request: invalid user_id specified"},
		{"getChatMember", []any{"chat_id", r.books, "user_id", 12}, 400, "Bad Request: user not found"},
		{"answerCallbackQuery", []any{"callback_query_id", "1"}, 400, "Bad Request: query is too old and response timeout expired or query ID is invalid"},
		{"setWebhook", []any{"url", "ftp://x"}, 400, "Bad Request: invalid webhook URL specified"},
		{"setWebhook", []any{"url", "http://x/", "secret_token", "a b"}, 400, "Bad Request: secret token contains unallowed characters"},
		{"setWebhook", []any{"url", "http://x/", "secret_token", strings.Repeat("x", 257)}, 400, "Bad Request: secret token is too long"},
		{"setMyCommands", []any{"commands", `[{"command":"Start","description":"x"}]`}, 400, "Bad Request: BOT_COMMAND_INVALID"},
		{"sendPhoto", nil, 404, "Not Found: sendPhoto is not emulated (see /_emulator/methods)"},
	}

	for _, tt := range tests {
		want := fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%q}`, tt.code, tt.want) // Go quotes these like JSON
		got := r.do(form(r.ada, tt.method, args(tt.params...)))

		if got.Body.String() != want || got.Code != tt.code {
			t.Errorf("%s %v:\n got %d %s\nwant %s", tt.method, tt.params, got.Code, got.Body, want)
		}
	}

	got := r.call(r.ada, "sendMessage", "chat_id", upgraded, "text", "x")
	want := fmt.Sprintf(`{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":%d}}`, grown.ID)

	if got != want {
		t.Errorf("upgraded:\n got %s\nwant %s", got, want)
	}
}

func TestRequestsThatAreNoCalls(t *testing.T) {
	t.Parallel()

	r := newRig(t)

	tests := []struct {
		name, verb, path string
		header           string
		want             string
	}{
		{"unknown token", http.MethodGet, "/bot123:abc/getMe", "", `{"ok":false,"error_code":401,"description":"Unauthorized"}`},
		{"no token", http.MethodGet, "/bot/getMe", "", `{"ok":false,"error_code":404,"description":"Not Found"}`},
		{"malformed token", http.MethodGet, "/bot123/getMe", "", `{"ok":false,"error_code":404,"description":"Not Found"}`},
		{"no method", http.MethodGet, "/bot" + r.ada, "", `{"ok":false,"error_code":404,"description":"Not Found"}`},
		{"deeper path", http.MethodGet, "/bot" + r.ada + "/getMe/x", "", `{"ok":false,"error_code":404,"description":"Not Found"}`},
		{"verb", http.MethodPut, "/bot" + r.ada + "/getMe", "", `{"ok":false,"error_code":405,"description":"Method Not Allowed"}`},
		{"page of another site", http.MethodGet, "/bot" + r.ada + "/getMe", "cross-site", `{"ok":false,"error_code":403,"description":"Forbidden: requests of other web pages are refused"}`},
	}

	for _, tt := range tests {
		req := httptest.NewRequest(tt.verb, tt.path, nil)
		if tt.header != "" {
			req.Header.Set("Sec-Fetch-Site", tt.header)
		}

		if got := r.do(req).Body.String(); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}

	for _, record := range r.records() {
		if strings.Contains(fmt.Sprint(record), r.ada) {
			t.Errorf("the log shows a token: %+v", record)
		}
	}
}
