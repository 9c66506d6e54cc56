package telegram_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram/telegramtest"
)

// No output contains the token, whatever a server or the network does.
func TestTheTokenIsNeverShown(t *testing.T) {
	t.Parallel()
	echo := func(status int, what string) telegramtest.Step { return telegramtest.Refuse(status, what, "") }
	padding := strings.Repeat("x", 490) // moves the token to where descriptions are cut
	s := telegramtest.New(t)
	script := []telegramtest.Step{
		echo(404, "Not Found: /bot"+token+"/sendMessage"),
		echo(400, "Bad Request: "+token),
		echo(400, "Bad Request: "+key),
		echo(400, padding+token),
		echo(400, padding+key),
		echo(400, "Bad Request: "+number+"%3A"+key),
		echo(429, token),
		telegramtest.Raw(502, "<html>/bot"+token+"/sendMessage</html>"),
		telegramtest.Raw(200, `{"ok":true,"result":{"message_id":"`+token+`"}}`),
		telegramtest.Raw(200, `{"ok":"`+token+`"}`),
		telegramtest.Raw(200, "", "Content-Type", token),
		telegramtest.Raw(307, "", "Location", "/bot"+token+"/elsewhere"),
		telegramtest.Raw(307, "", "Location", "::"+token),
		telegramtest.ResetUnread(), telegramtest.Reset(), telegramtest.HangUp(), telegramtest.Hang(),
		telegramtest.HangInBody(200), telegramtest.ResetInBody(200), telegramtest.HTML(503),
	}
	show := func(url string) string {
		cfg := config(url)
		cfg.ConnectTimeout, cfg.Timeout = 500*time.Millisecond, 500*time.Millisecond
		out := send(t, newClient(t, cfg))
		return fmt.Sprintf("%+v %#v %v", out, out, out.Err())
	}
	var shown []string
	for _, step := range script {
		s.Play(step)
		shown = append(shown, show(s.URL))
	}
	for _, address := range []string{
		"http://" + telegramtest.Refusing(t), "http://chorus.invalid", "https://" + telegramtest.Deaf(t), "https://" + telegramtest.Garbled(t),
		telegramtest.NewTLS(t).URL,
	} {
		shown = append(shown, show(address))
	}
	c := newClient(t, config(s.URL))
	shown = append(shown, fmt.Sprintf("%+v", c.SetReaction(t.Context(), secret.New(token), telegram.Reaction{Emoji: token})))
	for _, text := range shown {
		// Parts of the key are secret, too.
		if strings.Contains(text, key[:12]) || strings.Contains(text, key[len(key)-12:]) {
			t.Errorf("the token is shown: %s", text)
		}
	}
	if len(s.Calls()) < len(script)-1 {
		t.Errorf("%d calls of a script of %d", len(s.Calls()), len(script))
	}
}

// Foreign texts must not break logs or rows.
func TestDescriptionsAreTame(t *testing.T) {
	t.Parallel()
	s := telegramtest.New(t,
		telegramtest.Refuse(400, "Bad\r\nRequest:\x00 \x1b[31mred", ""),
		telegramtest.Refuse(400, strings.Repeat("ü", 2000), ""))
	c := newClient(t, config(s.URL))
	if got, want := send(t, c).Description, "Bad  Request:   [31mred"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := send(t, c).Description, strings.Repeat("ü", 250)+"…"; got != want {
		t.Errorf("%q", got)
	}
}
