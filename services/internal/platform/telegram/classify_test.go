package telegram_test

import (
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram/telegramtest"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	cases := telegramtest.Refusals()
	s := telegramtest.New(t)
	c := newClient(t, config(s.URL))
	for _, tc := range cases {
		s.Play(telegramtest.Refuse(tc.Code, tc.Description, ""))
		out := send(t, c)
		if out.Kind != tc.Want {
			t.Errorf("%d %q is %v, want %v", tc.Code, tc.Description, out.Kind, tc.Want)
		}
		if out.Status != tc.Code || tc.Description != "" && out.Description != tc.Description {
			t.Errorf("%d %q became %d %q", tc.Code, tc.Description, out.Status, out.Description)
		}
		if (out.Err() == nil) != (tc.Want == telegram.AlreadyDone) {
			t.Errorf("%d %q: the error is %v", tc.Code, tc.Description, out.Err())
		}
	}
	if len(s.Calls()) != len(cases) {
		t.Errorf("%d calls for %d answers: it repeats some", len(s.Calls()), len(cases))
	}
	// All responses were read to the end, so they shared one connection.
	if n := s.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// BenchmarkTaxonomy counts misclassified refusals, and measures a call and its
// classification.
func BenchmarkTaxonomy(b *testing.B) {
	cases := telegramtest.Refusals()
	s := telegramtest.New(b)
	c, err := telegram.New(config(s.URL))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	wrong := 0
	for i := range max(b.N, len(cases)) {
		tc := cases[i%len(cases)]
		s.Play(telegramtest.Refuse(tc.Code, tc.Description, ""))
		out := c.SendMessage(b.Context(), secret.New(token), telegram.Message{ChatID: -1, Text: "hello"})
		if out.Kind != tc.Want {
			b.Errorf("%d %q is %v, want %v", tc.Code, tc.Description, out.Kind, tc.Want)
			wrong++
		}
	}
	fmt.Printf("figure sender.taxonomy_wrong %d answers\nfigure sender.taxonomy_answers %d answers\n", wrong, len(cases))
}

// untimed ignores the times of a response in comparisons.
func untimed() cmp.Option { return cmpopts.IgnoreFields(telegram.Outcome{}, "At", "SentAt") }

// The code in the body counts; a gateway may change the HTTP status.
func TestTheBodysCodeCounts(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t, telegramtest.Raw(http.StatusOK, `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked from the group chat"}`))
	want := telegram.Outcome{Kind: telegram.PermanentMembership, Status: 403, Description: "Forbidden: bot was kicked from the group chat"}
	if diff := cmp.Diff(want, send(t, newClient(t, config(s.URL))), untimed()); diff != "" {
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
			telegramtest.Refuse(400, "Bad Request: message to react not found", ""),
			telegram.Outcome{Kind: telegram.PermanentAction, Status: 400, MessageGone: true},
		},
		{
			telegramtest.Refuse(400, "Bad Request: message to edit not found", ""),
			telegram.Outcome{Kind: telegram.PermanentAction, Status: 400, MessageGone: true},
		},
		{
			telegramtest.Refuse(400, "Bad Request: REACTION_INVALID", ""),
			telegram.Outcome{Kind: telegram.PermanentAction, Status: 400, ReactionInvalid: true},
		},
	} {
		s.Play(tc.step)
		got := send(t, c)
		got.Description = ""
		if diff := cmp.Diff(tc.want, got, untimed()); diff != "" {
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

// The date is by the server's clock, not ours.
func TestRetryAfterADateOfAnotherClock(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t)
	c := newClient(t, config(s.URL))
	for _, ahead := range []time.Duration{3 * time.Minute, -3 * time.Minute} {
		now := time.Now().Add(ahead).UTC()
		s.Play(telegramtest.Raw(429, "", "Date", now.Format(http.TimeFormat), "Retry-After", now.Add(time.Minute).Format(http.TimeFormat)))
		if out := send(t, c); out.RetryAfter != time.Minute {
			t.Errorf("of a clock %v ahead: %v, want a minute", ahead, out.RetryAfter)
		}
	}
}

// A sent message has Telegram's time.
func TestAMessageHasTelegramsTime(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t, telegramtest.Result(`{"message_id":5,"date":1700000009}`), telegramtest.Result(`{"message_id":6}`))
	c := newClient(t, config(s.URL))
	if out := send(t, c); out.MessageID != 5 || !out.SentAt.Equal(time.Unix(1700000009, 0)) {
		t.Errorf("%+v", out)
	}
	if out := send(t, c); out.MessageID != 6 || !out.SentAt.IsZero() {
		t.Errorf("%+v", out)
	}
}

// A response that isn't the Bot API's leaves the outcome unknown.
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
