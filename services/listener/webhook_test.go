package listener_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/listener"
)

const secretHeader = "X-Telegram-Bot-Api-Secret-Token"

// freeAddress returns an address at which nobody listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	var cfg net.ListenConfig
	l, err := cfg.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// hooked runs a listener with webhooks and returns its address.
func (s *stage) hooked(change ...func(*listener.Config)) (at string) {
	s.t.Helper()
	at = "http://" + freeAddress(s.t)
	change = append(change, func(c *listener.Config) { c.PublicURL, c.Listen = at, strings.TrimPrefix(at, "http://") })
	s.listen(change...)
	testenv.Eventually(s.t, "every webhook is set", func() (string, bool) {
		set := 0
		for _, a := range s.accounts {
			if hook, _ := s.world().WebhookOf(a); hook != nil {
				set++
			}
		}
		return fmt.Sprint(set), set == len(s.accounts)
	})
	return at
}

// bring sends an update to a bot's webhook, with a secret unless that is empty.
func (s *stage) bring(at string, bot int64, secret, body string) int {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, fmt.Sprintf("%s/telegram/%d", at, bot), strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if secret != "" {
		r.Header.Set(secretHeader, secret)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode
}

// update returns a message as Telegram's JSON.
func update(id, chat, message int64, text string) string {
	return fmt.Sprintf(`{"update_id":%d,"message":{"message_id":%d,"date":%d,"chat":{"id":%d,"type":"supergroup","title":"Here"},
"from":{"id":42,"first_name":"Tom"},"text":%q}}`, id, message, time.Now().Unix(), chat, text)
}

func TestTheWebhookBelievesTelegramOnly(t *testing.T) {
	t.Parallel()
	defer http.DefaultClient.CloseIdleConnections()
	s := newStage(t, 2)
	chat, there := s.chat(world.Supergroup, "Here")
	at := s.hooked(func(c *listener.Config) { c.PerIP = 60 })
	hook, _ := s.world().WebhookOf(s.accounts[0])
	other, _ := s.world().WebhookOf(s.accounts[1])
	token := value[string](s, `SELECT convert_from(token_sealed, 'UTF8') FROM bots WHERE id = $1`, s.bots[0])
	_, key, _ := strings.Cut(token, ":")
	if strings.Contains(hook.URL, key) || hook.Secret == "" || strings.Contains(token, hook.Secret) || hook.Secret == other.Secret {
		t.Errorf("the webhook is %+v", hook)
	}

	body := update(7, there, 70, "hello")
	for name, secret := range map[string]string{"none": "", "a wrong one": "wrong", "another bot's": other.Secret} {
		if status := s.bring(at, s.bots[0], secret, body); status != http.StatusUnauthorized {
			t.Errorf("secret: %s: %d, want 401", name, status)
		}
	}
	if status := s.bring(at, 999, hook.Secret, body); status != http.StatusUnauthorized {
		t.Errorf("a bot that isn't there: %d, want 401", status)
	}
	// Repeated updates change nothing.
	for range 3 {
		if status := s.bring(at, s.bots[0], hook.Secret, body); status != http.StatusOK {
			t.Errorf("the right secret: %d, want 200", status)
		}
		// The response comes after the commit.
		if heard := s.heard(chat); len(heard) != 1 || heard[0].Text != "hello" {
			t.Errorf("heard %v", heard)
		}
	}
	// Updates that can never be parsed are accepted, so that Telegram doesn't send them for
	// ever.
	for name, body := range map[string]string{
		"no JSON": "<html>", "an unknown kind": `{"update_id":9,"brand_new":{}}`, "huge": `{"update_id":10,"x":"` + strings.Repeat("x", 2<<20) + `"}`,
	} {
		if status := s.bring(at, s.bots[0], hook.Secret, body); status != http.StatusOK {
			t.Errorf("%s: %d, want 200", name, status)
		}
	}
	testenv.Eventually(t, "somebody who guesses secrets is sent away", func() (string, bool) {
		status := s.bring(at, s.bots[0], "wrong", body)
		return fmt.Sprint(status), status == http.StatusTooManyRequests
	})
	if n := len(s.heard(chat)); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

// Without the bus, messages are stored and their prompts wait for a planner. Without the
// database, no update is confirmed, and Telegram sends it again.
func TestAWebhookIsAnsweredOnceItsUpdateIsWrittenDown(t *testing.T) {
	t.Parallel()
	defer http.DefaultClient.CloseIdleConnections()
	s := newStage(t, 1)
	chat, there := s.chat(world.Supergroup, "Here")
	at := s.hooked()
	hook, _ := s.world().WebhookOf(s.accounts[0])
	s.nats.Stop()
	if status := s.bring(at, s.bots[0], hook.Secret, update(7, there, 70, "hello?")); status != http.StatusOK {
		t.Errorf("without a bus: %d, want 200", status)
	}
	becomes(s, 1, `SELECT count(*) FROM prompts WHERE chat_id = $1`, chat)
	s.exec(`ALTER TABLE messages RENAME TO away`)
	again := update(8, there, 80, "hello again?")
	if status := s.bring(at, s.bots[0], hook.Secret, again); status != http.StatusServiceUnavailable {
		t.Errorf("without its table: %d, want 503", status)
	}
	s.exec(`ALTER TABLE away RENAME TO messages`)
	if status := s.bring(at, s.bots[0], hook.Secret, again); status != http.StatusOK {
		t.Errorf("with its table: %d, want 200", status)
	}
	if n := len(s.heard(chat)); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
}

func TestUpdatesThatAreBroughtAreHeard(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	chat, there := s.chat(world.Group, "Here")
	s.hooked()
	for i := range 20 {
		s.say(there, "Tom", fmt.Sprint("line ", i/2), 0)
	}
	heard := s.hears(chat, 20)
	s.settled()
	for i, u := range heard {
		if u.Text != fmt.Sprint("line ", i/2) {
			t.Errorf("%d is %q", i, u.Text)
		}
	}
	if n := value[int](s, `SELECT count(*) FROM message_ids WHERE chat_id = $1`, chat); n != 60 {
		t.Errorf("%d ids, want 60", n)
	}
}
