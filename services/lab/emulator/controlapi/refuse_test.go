package controlapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// exchange makes a request without the client.
func exchange(t *testing.T, r *http.Request) (int, []byte) {
	t.Helper()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()

	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}

	return response.StatusCode, content
}

// send makes a request as no client of ours would and returns the status and
// what the answer says is wrong.
func send(t *testing.T, r *http.Request) (int, string) {
	t.Helper()

	status, content := exchange(t, r)

	var refused control.Error
	if status >= http.StatusBadRequest {
		if err := json.Unmarshal(content, &refused); err != nil {
			t.Fatalf("%s is not JSON: %v", content, err)
		}
	}

	return status, refused.Message
}

func read(t *testing.T, url string) string {
	t.Helper()

	status, content := exchange(t, newRequest(t, http.MethodGet, url, ""))
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", url, status, content)
	}

	return string(content)
}

func newRequest(t *testing.T, method, url, body string) *http.Request {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}

	r.Header.Set("Content-Type", "application/json")

	return r
}

func TestWrongRequestsSayWhatIsAllowed(t *testing.T) {
	t.Parallel()

	b := start(t)

	chat, err := b.PutChat(t.Context(), control.NewChat{Chat: world.Chat{ID: -100, Kind: world.Group, Title: "Books"}, Members: []string{"Mia"}})
	if err != nil {
		t.Fatal(err)
	}

	if _, err := b.Say(t.Context(), chat.ID, control.Saying{Name: "Mia", Text: "hello"}); err != nil {
		t.Fatal(err)
	}

	if _, err := b.AddBot(t.Context(), control.NewBot{Username: "eve_bot", Token: secret.New("77:own-secret")}); err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"no body", "POST", "/bots", "", 400, "body: empty, must be an object"},
		{"null", "PUT", "/faults", "null", 400, "body: empty, must be a list"},
		{"no JSON", "POST", "/bots", `{"username":}`, 400, "body: not JSON at byte 13: invalid character '}' looking for beginning of value"},
		{"two values", "POST", "/bots", `{} {}`, 400, "body: not JSON at byte 4"},
		{"too long", "POST", "/bots", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "body: longer than the 1048576 bytes allowed"},
		{"no object", "POST", "/bots", `["ada"]`, 400, `body: ["ada"] is not allowed, must be an object`},
		{"unknown field", "POST", "/bots", `{"username":"ada_bot","admin":true}`, 400, "admin: not a known field, must be one of bot_to_bot, name, privacy, token, username"},
		{"wrong type", "POST", "/bots", `{"username":5}`, 400, "username: 5 is not allowed, must be a string"},
		{"wrong type of a long value", "POST", "/bots", `{"name":["` + strings.Repeat("x", 100) + `"]}`, 400, "..."},
		{"wrong type over several lines", "POST", "/bots", "{\"name\":{\n\"a\":\n[1]}}", 400, `name: {"a":[1]} is not allowed, must be a string`},
		{"token of a wrong type", "POST", "/bots", `{"username":"ada_bot","token":12345}`, 400, "token: (not shown) is not allowed, must be a string"},
		{"token of another bot id", "POST", "/bots", `{"username":"eve_bot","token":"987:new-secret"}`, 400, `token: "987:(not shown)" is not allowed, must be one with the bot id of @eve_bot, 77`},
		{"wrong token", "POST", "/bots", `{"username":"ada_bot","token":"my-secret"}`, 400, `token: "(not shown)" is not allowed, must be <bot id>:<secret>`},
		{"wrong username", "POST", "/bots", `{"username":"a"}`, 400, `username: "a" is not allowed, must be 3 to 32 letters`},

		{"chat of no kind", "POST", "/chats", `{"title":"x","kind":"channel"}`, 400, `kind: "channel" is not allowed, must be one of group, supergroup`},
		{"chat without title", "POST", "/chats", `{}`, 400, `title: "" is not allowed, must be 1 to 255 bytes`},
		{"field in a list", "POST", "/chats", `{"title":"x","members":["a",{"b":1}]}`, 400, `members[1]: {"b":1} is not allowed, must be a string`},
		{"field in a map", "POST", "/chats", `{"title":"x","topics":{"7":{"name":"y","open":1}}}`, 400, "topics.7.open: not a known field, must be one of closed, name"},
		{"no reaction", "POST", "/chats", `{"title":"x","available_reactions":["❤️"]}`, 400, `available_reactions: "❤️" is not allowed, must be one of Telegram's 73 reactions`},
		{"upgrade by hand", "POST", "/chats", `{"title":"x","migrated_to":-5}`, 400, "migrated_to"},
		{"unknown member", "POST", "/chats", `{"title":"x","members":["@nobody"]}`, 400, `members: "@nobody" is not allowed, must be the username of a registered bot or the name of a person`},

		{"no chat", "GET", "/chats/-7", "", 404, `chat: there is no "-7"`},
		{"no number", "GET", "/chats/books", "", 400, `chat: "books" is not allowed, must be a whole number`},
		{"wrong role", "POST", "/chats/-100/members", `{"who":"Mia","role":"owner"}`, 400, `role: "owner" is not allowed, must be one of creator, administrator`},
		{"kick of nobody", "DELETE", "/chats/-100/members/nobody", "", 404, `who: there is no "nobody"`},
		{"nothing said", "POST", "/chats/-100/messages", `{"name":"Mia"}`, 400, `text: "" is not allowed, must be 1 to 4096 UTF-16 code units`},
		{"nobody says", "POST", "/chats/-100/messages", `{"text":"x"}`, 400, `name: "" is not allowed`},
		{"too much said", "POST", "/chats/-100/messages", `{"name":"Mia","text":"` + strings.Repeat("x", 4097) + `"}`, 400, "must be 1 to 4096 UTF-16 code units"},
		{"reply to nothing", "POST", "/chats/-100/messages", `{"name":"Mia","text":"x","reply_to":99}`, 400, `reply_to: "99" is not allowed, must be a message of the chat`},
		{"mention of nobody", "POST", "/chats/-100/messages", `{"name":"Mia","text":"x","mentions":["nobody"]}`, 400, `mentions: "nobody" is not allowed, must be the username of an account`},
		{"no emoji", "POST", "/chats/-100/reactions", `{"name":"Mia","message_id":1,"emoji":"🍕"}`, 400, `emoji: "🍕" is not allowed, must be a reaction that the chat allows`},
		{"reaction to nothing", "POST", "/chats/-100/reactions", `{"name":"Mia","message_id":9,"emoji":"👍"}`, 400, `message_id: "9" is not allowed, must be a message of the chat`},
		{"fraction", "POST", "/chats/-100/reactions", `{"name":"Mia","message_id":1.5,"emoji":"👍"}`, 400, "message_id: 1.5 is not allowed, must be a whole number"},
		{"limit", "GET", "/chats/-100/messages?limit=1001", "", 400, `limit: "1001" is not allowed, must be between 1 and 1000`},
		{"before", "GET", "/chats/-100/messages?before=x", "", 400, `before: "x" is not allowed, must be the message_id of a message`},
		{"edit of nothing", "PUT", "/chats/-100/messages/9", `{"text":"x"}`, 400, `message_id: "9" is not allowed, must be a message that a person wrote in the chat`},
		{"press of nothing", "POST", "/chats/-100/presses", `{"name":"Mia","message_id":1,"data":"x"}`, 400, `must be a bot's message with buttons`},

		{"faults no list", "PUT", "/faults", `{"kind":"kicked"}`, 400, `body: {"kind":"kicked"} is not allowed, must be a list`},
		{"fault of no kind", "PUT", "/faults", `[{"kind":"kicked"},{"kind":"nonsense"}]`, 400, `rule 2: kind: "nonsense" is not allowed, must be one of [latency`},
		{"two wrong values", "POST", "/faults", `[{"kind":"status","status":200,"rate":2}]`, 400, "rule 1: rate: 2 is not allowed, must be above 0 and up to 1, or left out for 1; status: 200 is not allowed, must be between 400 and 599"},
		{"fault's field", "POST", "/faults", `[{"kind":"kicked","rte":1}]`, 400, "[0].rte: not a known field, must be one of body, bot, chat, count, description"},
		{"fault's duration", "POST", "/faults", `[{"kind":"hang","duration":"soon"}]`, 400, `[0].duration: "soon" is not a duration like 1.5s or 2m`},
		{"fault's duration as a number", "POST", "/faults", `[{"kind":"hang","duration":5}]`, 400, `[0].duration: 5 is not allowed, must be a string`},
		{"fault in short", "POST", "/faults", `["sendMessage:boom"]`, 400, `[0]: fault "sendMessage:boom": "boom" is not a fault`},
		{"no fault", "DELETE", "/faults/x", "", 404, `id: there is no "x"`},

		{"limit's value", "PUT", "/limits", `{"chat":{"tokens":-1}}`, 400, "chat.tokens: -1 is not allowed, must be between 0 (no limit) and 1000000"},
		{"limit's duration", "PUT", "/limits", `{"chat":{"per":"x"}}`, 400, `chat.per: "x" is not a duration like 1.5s or 2m`},
		{"limit's field", "PUT", "/limits", `{"chat":{"rate":1}}`, 400, "chat.rate: not a known field, must be one of burst, per, tokens"},
		{"limit's name", "PUT", "/limits", `{"chats":{}}`, 400, "chats: not a known field, must be one of bot, chat, edit, group, reaction, silent_wait, unlimited"},

		{"calls since", "GET", "/calls?since=-1", "", 400, `since: "-1" is not allowed, must be the seq of a call, 0 or more`},
		{"calls of a chat", "GET", "/calls?chat=x", "", 400, `chat: "x" is not allowed, must be the id of a chat`},
		{"calls to follow", "GET", "/calls?follow=yes", "", 400, `follow: "yes" is not allowed, must be 1 or 0`},
		{"calls by another name", "GET", "/calls?metod=x", "", 400, "metod: not a known parameter, must be one of since, method, bot, chat, follow"},
		{"reset", "POST", "/reset", `{"parts":["all"]}`, 400, `parts: "all" is not allowed, must be among [world calls faults limits]`},
		{"unknown path", "GET", "/nothing", "", 404, `path: there is no "/_emulator/nothing"`},
		{"unknown method", "PATCH", "/limits", "{}", 405, "method: PATCH is not allowed for /_emulator/limits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			status, got := send(t, newRequest(t, tt.method, b.url+control.Prefix+tt.path, tt.body))
			if status != tt.status || !strings.Contains(got, tt.want) {
				t.Errorf("got %d %s\nwant %d %s", status, got, tt.status, tt.want)
			}

			if strings.Contains(got, "\n") || strings.Contains(got, "my-secret") || strings.Contains(got, "12345") {
				t.Errorf("more than a line, or a token: %s", got)
			}
		})
	}
}

func TestOtherHostsAndOriginsAreRefused(t *testing.T) {
	t.Parallel()

	b := start(t)

	tests := []struct {
		name, method, host string
		headers            map[string]string
		status             int
		want               string
	}{
		{"no browser", "POST", "", nil, 201, ""},
		{"localhost", "POST", "localhost:8081", nil, 201, ""},
		{"IPv6", "POST", "[::1]:8081", nil, 201, ""},
		{"IPv6 without port", "POST", "[::1]", nil, 201, ""},
		{"another loopback address", "POST", "127.3.4.5", nil, 201, ""},
		{"configured", "POST", "Chorus.example:80", nil, 201, ""},
		{"same origin", "POST", "localhost:8081", map[string]string{"Origin": "http://localhost:8081", "Sec-Fetch-Site": "same-origin"}, 201, ""},
		{"read by the address bar", "GET", "localhost", map[string]string{"Sec-Fetch-Site": "none"}, 200, ""},
		{"rebound name", "GET", "evil.example", nil, 403, `host: "evil.example" is not allowed, must be localhost or chorus.example`},
		{"rebound name of the same origin", "POST", "evil.example", map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, 403, "host: "},
		{"name that begins like ours", "GET", "localhost.evil.example", nil, 403, "host: "},
		{"address of the network", "GET", "10.0.0.1", nil, 403, "host: "},
		{"page of another site", "POST", "localhost", map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403, `origin: "https://evil.example" is not allowed, must be the emulator's own`},
		{"page of another port", "POST", "localhost:8081", map[string]string{"Sec-Fetch-Site": "same-site"}, 403, "origin: "},
		{"old browser", "POST", "localhost:8081", map[string]string{"Origin": "http://localhost:9999"}, 403, "origin: "},
		{"sandboxed page", "POST", "localhost:8081", map[string]string{"Origin": "null"}, 403, "origin: "},
		{"form", "POST", "localhost", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415, `Content-Type: "application/x-www-form-urlencoded" is not allowed, must be application/json`},
		{"plain text", "POST", "localhost", map[string]string{"Content-Type": "text/plain"}, 415, "Content-Type: "},
		{"no type", "POST", "localhost", map[string]string{"Content-Type": ""}, 415, "Content-Type: "},
		{"type with charset", "POST", "localhost", map[string]string{"Content-Type": "application/json; charset=utf-8"}, 201, ""},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			username := "bot_" + string(rune('a'+i))
			r := newRequest(t, tt.method, b.url+control.Prefix+"/bots", `{"username":"`+username+`"}`)

			if tt.host != "" {
				r.Host = tt.host
			}

			for name, value := range tt.headers {
				r.Header.Set(name, value)
			}

			status, got := send(t, r)
			if status != tt.status || !strings.Contains(got, tt.want) {
				t.Errorf("got %d %s\nwant %d %s", status, got, tt.status, tt.want)
			}

			if _, made := b.world.Find(username); made != (tt.status == 201) {
				t.Errorf("the bot was made: %v", made)
			}
		})
	}
}
