package telegram_test

import (
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/telegram"
	"github.com/chorus-cast/chorus/services/internal/telegram/telegramtest"
)

// The answers of the Bot API server, word for word, and what each calls for.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const (
		action     = telegram.PermanentAction
		membership = telegram.PermanentMembership
		bot        = telegram.PermanentBot
		disguise   = telegram.DoneInDisguise
		unknown    = telegram.Unknown
		notSent    = telegram.NotSent
		limited    = telegram.RateLimited
	)
	cases := []struct {
		code        int
		description string
		want        telegram.Kind
	}{
		{400, "Bad Request: REACTION_INVALID", action},
		{400, "Bad Request: REACTION_EMPTY", action},
		{400, "Bad Request: REACTIONS_TOO_MANY", action},
		{400, "Bad Request: message to react not found", action},
		{400, "Bad Request: MESSAGE_ID_INVALID", action},
		{400, "Bad Request: MSG_ID_INVALID", action},
		{400, "Bad Request: message to be replied not found", action},
		{400, "Bad Request: replied message not found", action},
		{400, "Bad Request: message thread not found", action},
		{400, "Bad Request: TOPIC_CLOSED", action},
		{400, "Bad Request: message is too long", action},
		{400, "Bad Request: message text is empty", action},
		{400, "Bad Request: can't parse entities: Can't find end of the entity starting at byte offset 3", action},
		{400, "Bad Request: ANONYMOUS_REACTIONS_DISABLED", action}, // a 403 that the server rewrites
		{403, "Forbidden: ANONYMOUS_REACTIONS_DISABLED", action},
		{400, "Bad Request: PREMIUM_ACCOUNT_REQUIRED", action},
		{400, "Bad Request: CUSTOM_REACTIONS_TOO_MANY", action},
		{400, "Bad Request: DOCUMENT_INVALID", action},
		{400, "Bad Request: PEER_ID_INVALID", action},
		{400, "Bad Request: CHANNEL_INVALID", action},

		{400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message", disguise},
		{400, "Bad Request: MESSAGE_NOT_MODIFIED", disguise},
		{400, "Bad Request: message to delete not found", disguise},
		{500, "Internal Server Error: sent message was immediately deleted and can't be returned", disguise},

		{403, "Forbidden: bot was kicked from the group chat", membership},
		{403, "Forbidden: bot was kicked from the supergroup chat", membership},
		{403, "Forbidden: bot was kicked from the channel chat", membership},
		{403, "Forbidden: bot is not a member of the group chat", membership},
		{403, "Forbidden: bot is not a member of the supergroup chat", membership},
		{403, "Forbidden: bot is not a member of the channel chat", membership},
		{403, "Forbidden: the group chat was deleted", membership},
		{400, "Bad Request: chat not found", membership},
		{400, "Bad Request: have no write access to the chat", membership},
		{400, "Bad Request: not enough rights to send text messages to the chat", membership},
		{400, "Bad Request: not enough rights to send messages to the chat", membership},
		{400, "Bad Request: need administrator rights in the channel chat", membership},
		{400, "Bad Request: CHAT_WRITE_FORBIDDEN", membership},
		{403, "Forbidden: CHAT_WRITE_FORBIDDEN", membership},
		{400, "Bad Request: CHAT_RESTRICTED", membership},
		{400, "Bad Request: USER_BANNED_IN_CHANNEL", membership},
		{400, "Bad Request: CHANNEL_PRIVATE", membership},
		{403, "Forbidden: bot was blocked by the user", membership},
		{403, "Forbidden: user is deactivated", membership},
		{403, "Forbidden: bot can't initiate conversation with a user", membership},
		{403, "Forbidden: the bot can't send messages to the bot", membership},
		{403, "Forbidden: bot can't send messages to bots", membership},
		// Without the new id there is nowhere to go.
		{400, "Bad Request: group chat was upgraded to a supergroup chat", membership},

		{401, "Unauthorized", bot},
		{401, "Unauthorized: invalid token specified", bot},
		{404, "Not Found", bot},
		{404, "Not Found: method not found", action},

		{409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running", notSent},
		{409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first", notSent},
		{409, "Conflict: terminated by setWebhook request", notSent},

		{429, "Too Many Requests: retry after 5", limited},
		{400, "Too Many Requests: retry after 5", limited},

		{500, "Internal Server Error: restart", unknown},
		{500, "Internal Server Error", unknown},
		{502, "Bad Gateway", unknown},
		{504, "Gateway Timeout", unknown},

		// What nobody has seen yet.
		{400, "Bad Request: something new", action},
		{403, "Forbidden: something new", action},
		{402, "Payment Required", action},
		{413, "Request Entity Too Large", action},
		{418, "I'm a teapot", action},
		{499, "", action},
		{401, "something new", bot},
		{404, "something new", bot},
		{409, "something new", notSent},
		{429, "something new", limited},
		{503, "something new", unknown},
		{599, "", unknown},
		{302, "something new", unknown},
		// Capitals don't matter.
		{403, "FORBIDDEN: BOT WAS KICKED FROM THE GROUP CHAT", membership},
	}
	s := telegramtest.New(t)
	c := newClient(t, config(s.URL))
	for _, tc := range cases {
		s.Play(telegramtest.Refuse(tc.code, tc.description, ""))
		out := send(t, c)
		if out.Kind != tc.want {
			t.Errorf("%d %q is %v, want %v", tc.code, tc.description, out.Kind, tc.want)
		}
		if out.Status != tc.code || tc.description != "" && out.Description != tc.description {
			t.Errorf("%d %q became %d %q", tc.code, tc.description, out.Status, out.Description)
		}
		if (out.Err() == nil) != (tc.want == disguise) {
			t.Errorf("%d %q: the error is %v", tc.code, tc.description, out.Err())
		}
	}
	if len(s.Calls()) != len(cases) {
		t.Errorf("%d calls for %d answers: it repeats some", len(s.Calls()), len(cases))
	}
	// Every answer was read to its end, so they went over one connection.
	if n := s.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// The code of a refusal stands in its body; a gateway may change the status.
func TestTheBodysCodeCounts(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t, telegramtest.Raw(http.StatusOK, `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked from the group chat"}`))
	want := telegram.Outcome{Kind: telegram.PermanentMembership, Status: 403, Description: "Forbidden: bot was kicked from the group chat"}
	if diff := cmp.Diff(want, send(t, newClient(t, config(s.URL)))); diff != "" {
		t.Error(diff)
	}
}

func TestDetailsOfRefusals(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t)
	c := newClient(t, config(s.URL))
	for _, tc := range []struct {
		step telegramtest.Step
		want telegram.Outcome
	}{
		{
			telegramtest.Refuse(400, "Bad Request: group chat was upgraded to a supergroup chat", `{"migrate_to_chat_id":-1009876543210}`),
			telegram.Outcome{Kind: telegram.Moved, Status: 400, MigrateTo: -1009876543210},
		},
		{
			telegramtest.Refuse(400, "Bad Request: something new", `{"migrate_to_chat_id":-1009876543210}`),
			telegram.Outcome{Kind: telegram.Moved, Status: 400, MigrateTo: -1009876543210},
		},
		{
			telegramtest.Refuse(400, "Bad Request: message to be replied not found", ""),
			telegram.Outcome{Kind: telegram.PermanentAction, Status: 400, ReplyNotFound: true},
		},
		{
			telegramtest.Refuse(400, "Bad Request: replied message not found", ""),
			telegram.Outcome{Kind: telegram.PermanentAction, Status: 400, ReplyNotFound: true},
		},
		{
			telegramtest.Refuse(400, "Bad Request: REACTION_INVALID", ""),
			telegram.Outcome{Kind: telegram.PermanentAction, Status: 400, ReactionInvalid: true},
		},
	} {
		s.Play(tc.step)
		got := send(t, c)
		got.Description = ""
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	const many = "Too Many Requests: retry after N"
	s := telegramtest.New(t)
	c := newClient(t, config(s.URL))
	for _, tc := range []struct {
		name string
		step telegramtest.Step
		want time.Duration
	}{
		{"parameters", telegramtest.Refuse(429, many, `{"retry_after":35}`), 35 * time.Second},
		{"hours are kept", telegramtest.Refuse(429, many, `{"retry_after":86400}`), 24 * time.Hour},
		{"the absurd is kept as far as it can be", telegramtest.Refuse(429, many, `{"retry_after":1e300}`), math.MaxInt64},
		{"parameters before header", telegramtest.Raw(429, `{"ok":false,"error_code":429,"parameters":{"retry_after":3}}`, "Retry-After", "7"), 3 * time.Second},
		{"header", telegramtest.Raw(429, `{"ok":false,"error_code":429}`, "Retry-After", "7"), 7 * time.Second},
		{"header of a page", telegramtest.Raw(429, "<html>slow down</html>", "Retry-After", "120"), 2 * time.Minute},
		{"header of a past date", telegramtest.Raw(429, "", "Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"), time.Second},
		{"a page without one", telegramtest.HTML(429), time.Second},
		{"neither", telegramtest.Refuse(429, many, ""), time.Second},
		{"zero", telegramtest.Refuse(429, many, `{"retry_after":0}`), time.Second},
		{"negative", telegramtest.Refuse(429, many, `{"retry_after":-5}`), time.Second},
		{"no number", telegramtest.Raw(429, "", "Retry-After", "NaN"), time.Second},
		{"half a body", telegramtest.ResetInBody(429), time.Second},
	} {
		s.Play(tc.step)
		out := send(t, c)
		if out.Kind != telegram.RateLimited || out.RetryAfter != tc.want || out.Status != 429 {
			t.Errorf("%s: %+v, want a wait of %v", tc.name, out, tc.want)
		}
	}
}

func TestRetryAfterADate(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	s := telegramtest.New(t, telegramtest.Raw(429, "", "Retry-After", at))
	if out := send(t, newClient(t, config(s.URL))); out.RetryAfter < 59*time.Minute || out.RetryAfter > time.Hour {
		t.Errorf("%v, want an hour", out.RetryAfter)
	}
}

// An answer that is none of the Bot API's says nothing about the call.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t)
	c := newClient(t, config(s.URL))
	for _, status := range []int{200, 204, 302, 307, 400, 401, 403, 404, 409, 500, 502, 503, 504} {
		for name, step := range map[string]telegramtest.Step{
			"page":       telegramtest.HTML(status),
			"empty":      telegramtest.Raw(status, ""),
			"other JSON": telegramtest.Raw(status, `{"message":"no route"}`),
			"half JSON":  telegramtest.Raw(status, `{"ok":tr`),
			"redirect":   telegramtest.Raw(status, "", "Location", s.URL+"/elsewhere"),
			"array":      telegramtest.Raw(status, `[{"ok":true}]`),
		} {
			s.Play(step)
			out := send(t, c)
			if out.Kind != telegram.Unknown || out.Status != status || out.Description == "" {
				t.Errorf("%d, %s: %+v", status, name, out)
			}
		}
	}
	for _, call := range s.Calls() {
		if call.Method != "sendMessage" {
			t.Errorf("a redirect was followed to %s", call.Method)
		}
	}
}

func TestKindNames(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for k := telegram.Unknown; k <= telegram.NotSent; k++ {
		seen[k.String()] = true
	}
	if len(seen) != 9 || seen[fmt.Sprintf("kind_%d", telegram.NotSent)] {
		t.Errorf("names: %v", seen)
	}
	if got := telegram.Kind(99).String(); got != "kind_99" {
		t.Errorf("a kind of no name is %q", got)
	}
	var zero telegram.Outcome
	if zero.Kind != telegram.Unknown || zero.OK() {
		t.Error("an outcome that nobody filled in is not unknown")
	}
}
