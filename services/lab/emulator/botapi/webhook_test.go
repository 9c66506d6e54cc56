package botapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// deliver runs the deliverer until the end of the test.
func (r *rig) deliver(t *testing.T) {
	t.Helper()

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)

	go func() { ended <- r.api.Deliver(ctx) }()

	t.Cleanup(func() {
		cancel()

		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// receiver is a webhook: it passes on what it gets and answers as told.
func receiver(t *testing.T, answer func(n int, update polled) (int, string)) (string, <-chan polled) {
	t.Helper()

	var (
		mu  sync.Mutex
		n   int
		got = make(chan polled, 100)
	)

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}

		var u polled
		if err := json.Unmarshal(body, &u); err != nil {
			t.Errorf("%s: %v", body, err)
		}

		if secret := req.Header.Get("X-Telegram-Bot-Api-Secret-Token"); secret != "hush" {
			t.Errorf("secret %q", secret)
		}

		mu.Lock()
		n++
		code, reply := answer(n, u)
		mu.Unlock()

		w.WriteHeader(code)
		_, _ = io.WriteString(w, reply)

		if code == http.StatusOK {
			got <- u
		}
	}))
	t.Cleanup(server.Close)

	return server.URL, got
}

// await takes the next update, and fails rather than wait for ever.
func await(t *testing.T, from <-chan polled) polled {
	t.Helper()

	select {
	case u := <-from:
		return u
	case <-time.After(10 * time.Second):
		t.Fatal("no update came")

		return polled{}
	}
}

func TestWebhookGetsUpdatesInOrderUntilItTakesThem(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	r.say(r.books, "0") // waits for whoever asks

	address, got := receiver(t, func(n int, _ polled) (int, string) {
		if n%3 == 1 {
			return http.StatusBadGateway, "no"
		}

		return http.StatusOK, ""
	})

	r.deliver(t)

	if reply := r.call(r.ada, "setWebhook", "url", address, "secret_token", "hush"); !strings.Contains(reply, "was set") {
		t.Fatal(reply)
	}

	for i := 1; i < 10; i++ {
		r.say(r.books, fmt.Sprint(i))
	}

	var updates []polled
	for range 10 {
		updates = append(updates, await(t, got))
	}

	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, texts(updates)); diff != "" {
		t.Error(diff)
	}

	var info struct {
		LastErrorMessage string `json:"last_error_message"`
		LastErrorDate    int64  `json:"last_error_date"`
	}
	r.result(&info, r.ada, "getWebhookInfo")

	if info.LastErrorMessage != "Wrong response from the webhook: 502 Bad Gateway" || info.LastErrorDate == 0 {
		t.Errorf("%+v", info)
	}
}

func TestWebhookOfOneChatDoesNotHoldUpAnother(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	address, got := receiver(t, func(_ int, u polled) (int, string) {
		if u.Message.Text == "stuck" {
			return http.StatusInternalServerError, ""
		}

		return http.StatusOK, ""
	})

	r.deliver(t)
	r.call(r.ada, "setWebhook", "url", address, "secret_token", "hush", "max_connections", 2)
	r.say(r.books, "stuck")
	r.say(r.books, "behind it")
	r.say(r.dice, "elsewhere")

	if u := await(t, got); u.Message.Text != "elsewhere" {
		t.Errorf("got %q", u.Message.Text)
	}

	// Without the webhook they wait for polls again.
	r.call(r.ada, "deleteWebhook")

	var updates []polled
	r.result(&updates, r.ada, "getUpdates")

	if all := texts(updates); len(all) < 2 || all[0] != "stuck" || all[1] != "behind it" {
		t.Errorf("left: %v", all)
	}
}

func TestWebhookKeepsWhatTheEndInterrupts(t *testing.T) {
	t.Parallel()

	for range 20 {
		r := newRig(t)
		r.say(r.books, "half way")

		asked, release := make(chan struct{}), make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			asked <- struct{}{}
			<-release
		}))

		r.call(r.ada, "setWebhook", "url", server.URL)

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)

		go func() { ended <- r.api.Deliver(ctx) }()

		<-asked
		cancel()

		if err := <-ended; err != nil {
			t.Error(err)
		}

		close(release)
		server.Close()

		if left := r.world.Pending(r.adaID); left != 1 {
			t.Fatalf("%d updates are left of the one that was not taken", left)
		}
	}
}

func TestWebhookMayAnswerWithACall(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	address, got := receiver(t, func(int, polled) (int, string) {
		return http.StatusOK, fmt.Sprintf(`{"method":"sendMessage","chat_id":%d,"text":"at once","reply_parameters":{"message_id":1}}`, r.books)
	})

	changes := r.world.Watch(t.Context())

	r.deliver(t)
	r.call(r.ada, "setWebhook", "url", address, "secret_token", "hush")
	r.say(r.books, "Hello")
	await(t, got)

	for change := range changes {
		if change.Kind == "message" && change.Post.From.ID == r.adaID {
			if change.Post.Text != "at once" || change.Post.ReplyTo == nil {
				t.Errorf("%+v", change.Post)
			}

			return
		}
	}
}
