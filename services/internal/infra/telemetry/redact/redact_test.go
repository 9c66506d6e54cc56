package redact_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry/redact"
)

const token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"

func TestRedact(t *testing.T) {
	t.Parallel()
	r := redact.New()
	for text, want := range map[string]string{
		"":    "",
		token: "110201543:***",
		"POST https://api.telegram.org/bot" + token + "/sendMessage: EOF":              "POST https://api.telegram.org/bot110201543:***/sendMessage: EOF",
		"bot" + strings.Replace(token, ":", "%3A", 1) + "/x":                           "bot110201543%3A***/x",
		`{"a":"` + token + `","b":"` + token + `"}`:                                    `{"a":"110201543:***","b":"110201543:***"}`,
		"postgres://chorus:p%40ss@db:5432/chorus":                                      "postgres://chorus:***@db:5432/chorus",
		"redis://:secret@cache:6379":                                                   "redis://:***@cache:6379",
		`{"url":"nats://h:4222","to":"a@b.c"}`:                                         `{"url":"nats://h:4222","to":"a@b.c"}`,
		"12:34:56.789 chat -1001234567890: turn 5 of 2026-11-24T07:14:52Z is 123456:7": "12:34:56.789 chat -1001234567890: turn 5 of 2026-11-24T07:14:52Z is 123456:7",
	} {
		if diff := cmp.Diff(want, r.String(text)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(want, string(r.Bytes([]byte(text)))); diff != "" {
			t.Error(diff)
		}
	}
}

// Wherever a token is in a text, its secret half is masked.
func TestTokenNeverStays(t *testing.T) {
	t.Parallel()
	r := redact.New()
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9_-]{35}`).Draw(t, "secret")
		text := rapid.String().Draw(t, "before") + rapid.StringMatching(`[0-9]{8,10}`).Draw(t, "id") + ":" + secret + rapid.String().Draw(t, "after")
		if got := r.String(text); strings.Contains(got, secret) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestBytesLeavesItsArgumentAlone(t *testing.T) {
	t.Parallel()
	text := []byte(token)
	redact.New().Bytes(text)
	if string(text) != token {
		t.Errorf("it became %s", text)
	}
}
