package telegram

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever the response, the outcome is one of the kinds and shows no token, and an unknown
// refusal is final.
func FuzzOutcome(f *testing.F) {
	const token = "1234567890:AAExampleKeyOfThirtyFiveCharacters_-"
	for _, body := range []string{
		`{"ok":true,"result":{"message_id":5}}`, `{"ok":true}`, `{"ok":false}`, `{}`, ``, `[]`, `null`, `<html>`,
		`{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`,
		`{"ok":false,"error_code":400,"description":"Bad Request: /bot` + token + `/x"}`,
		`{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":1e400}}`,
		`{"ok":false,"error_code":429,"parameters":{"retry_after":9223372036.854776}}`,
		`{"ok":false,"error_code":400,"parameters":{"migrate_to_chat_id":-1001}}`,
		`{"ok":false,"error_code":-1}`, `{"ok":false,"error_code":500,"description":"sent message was immediately deleted"}`,
	} {
		f.Add(200, body, "", false, false)
		f.Add(400, body, "3", true, false)
		f.Add(429, body, "Wed, 21 Oct 2065 07:28:00 GMT", true, true)
		f.Add(502, body, "1e309", true, false)
		f.Add(0, body, "", true, true)
	}
	f.Fuzz(func(t *testing.T, status int, body, retryAfter string, written, failed bool) {
		x := &exchange{token: token, maxAnswer: maxBody, status: status, body: []byte(body), header: http.Header{"Retry-After": {retryAfter}}}
		x.written.Store(written)
		if failed || status == 0 {
			x.err = errors.New("fails at " + body)
		}
		out, _ := x.outcome()
		if out.Kind < Unknown || out.Kind > NotSent || strings.HasPrefix(out.Kind.String(), "kind_") {
			t.Errorf("kind %d", out.Kind)
		}
		if strings.Contains(out.Description, token) || !utf8.ValidString(out.Description) || len(out.Description) > maxDescription+len("…") {
			t.Errorf("description %q", out.Description)
		}
		if (out.Kind == RateLimited) != (out.RetryAfter > 0) || out.RetryAfter < 0 {
			t.Errorf("%v with a wait of %v", out.Kind, out.RetryAfter)
		}
		if (out.Kind == Moved) != (out.MigrateTo != 0) {
			t.Errorf("%v to %d", out.Kind, out.MigrateTo)
		}
		if out.Kind == Done && (failed || status >= 300 || !strings.Contains(strings.ToLower(body), "true")) {
			t.Errorf("done by %d %q", status, body)
		}
		if status == 0 && written && out.Kind != Unknown || status == 0 && !written && out.Kind != NotSent {
			t.Errorf("%v without an answer, written: %v", out.Kind, written)
		}
	})
}

// For an unknown description, the code decides.
func FuzzUnknownDescription(f *testing.F) {
	f.Add(400, "Bad Request: something new")
	f.Add(404, "x")
	f.Add(409, "")
	f.Add(500, "Internal Server Error: chat is found")
	f.Fuzz(func(t *testing.T, status int, description string) {
		got := classify(answer{status: status, description: description})
		if again := classify(answer{status: status, description: strings.ToUpper(description)}); again.Kind != got.Kind && isASCII(description) {
			t.Errorf("%q is %v, in capitals %v", description, got.Kind, again.Kind)
		}
		// No rule knows 599, so only the description can decide.
		if classify(answer{status: 599, description: description}).Kind != Unknown {
			return
		}
		want := Unknown
		switch {
		case status == 401 || status == 404:
			want = PermanentBot
		case status == 409:
			want = NotSent
		case status == 429:
			want = RateLimited
		case status >= 400 && status < 500:
			want = PermanentAction
		}
		if got.Kind != want {
			t.Errorf("%d %q is %v, want %v", status, description, got.Kind, want)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
