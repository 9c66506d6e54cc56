package botapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
)

func (r *rig) fail(short string) {
	r.t.Helper()

	rule, err := fault.Parse(short)
	if err != nil {
		r.t.Fatal(err)
	}

	if _, err := r.faults.Replace([]fault.Rule{rule}); err != nil {
		r.t.Fatal(err)
	}
}

// messages returns the number of messages in Books.
func (r *rig) messages() int {
	r.t.Helper()

	posts, err := r.world.History(r.books, 0, 1000)
	if err != nil {
		r.t.Fatal(err)
	}

	return len(posts)
}

func TestFaultsAnswer(t *testing.T) {
	t.Parallel()

	tests := []struct {
		rule string
		code int
		body string
	}{
		{"sendMessage:400:REACTION_INVALID", 400, `{"ok":false,"error_code":400,"description":"Bad Request: REACTION_INVALID"}`},
		{"*:429:retry_after=7", 429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7","parameters":{"retry_after":7}}`},
		{"sendmessage:500:restart", 500, `{"ok":false,"error_code":500,"description":"Internal Server Error: restart"}`},
		{"sendMessage:502:bot=ada_bot", 502, `{"ok":false,"error_code":502,"description":"Bad Gateway"}`},
		{"sendMessage:502:body=html", 502, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"},
		{"sendMessage:504:body=empty", 504, ""},
		{"sendMessage:kicked", 403, `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked from the supergroup chat"}`},
	}

	for _, tt := range tests {
		r := newRig(t)
		r.fail(tt.rule + ":id=rule")

		got := r.do(form(r.ada, "sendMessage", args("chat_id", r.books, "text", "x")))
		if got.Code != tt.code || got.Body.String() != tt.body {
			t.Errorf("%s: %d %s", tt.rule, got.Code, got.Body)
		}

		if tt.code == 429 && got.Header().Get("Retry-After") != "7" {
			t.Errorf("%s: %v", tt.rule, got.Header())
		}

		if r.messages() != 0 {
			t.Errorf("%s: the message was sent", tt.rule)
		}

		if got := r.last(); got.Fault != "rule" || got.Status != tt.code || got.Effect != "none" || got.Chat != r.books {
			t.Errorf("%s: the log has %+v", tt.rule, got)
		}
	}
}

func TestFaultsMeetOnlyTheirCalls(t *testing.T) {
	t.Parallel()

	for _, rule := range []string{"setMessageReaction:400", "*:400:bot=bob_bot", "*:400:chat=-5"} {
		r := newRig(t)
		r.fail(rule)

		var m sentMessage
		r.result(&m, r.ada, "sendMessage", "chat_id", r.books, "text", "x")
	}

	// A rule for everything that is kicked has nothing to say of no chat.
	r := newRig(t)
	r.fail("*:kicked")

	var me struct{ Username string }
	r.result(&me, r.ada, "getMe")
}

func TestFaultsThatTakeTime(t *testing.T) {
	t.Parallel()

	const second = time.Second

	tests := []struct {
		rule    string
		leave   time.Duration // when the client leaves; 0: never
		after   time.Duration // when the handler ends
		effect  string
		answers bool
	}{
		{"*:latency=3s", 0, 3 * second, "sent", true},
		{"*:latency=3s", second, 3 * second, "sent", true}, // carried out for nobody
		{"*:hang=30s", 0, 30 * second, "sent", true},
		{"*:hang=30s", 5 * second, 5 * second, "none", false},
		{"*:hang", 5 * second, 5 * second, "none", false},
		{"*:hang_after=30s", 0, 30 * second, "sent", true},
		{"*:hang_after", 5 * second, 5 * second, "sent", true}, // written to nobody
	}

	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.rule, tt.leave), func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.fail(tt.rule)

				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()

				if tt.leave > 0 {
					time.AfterFunc(tt.leave, cancel)
				}

				start, answered := time.Now(), true

				func() {
					defer func() {
						if recover() != nil {
							answered = false
						}
					}()

					r.do(form(r.ada, "sendMessage", args("chat_id", r.books, "text", "x")).WithContext(ctx))
				}()

				if got := time.Since(start); got != tt.after {
					t.Errorf("it took %v, want %v", got, tt.after)
				}

				if got := r.last().Effect; got != tt.effect || answered != tt.answers {
					t.Errorf("effect %s, answered %v", got, answered)
				}
			})
		})
	}
}

func TestFaultsCutTheConnection(t *testing.T) {
	t.Parallel()

	for rule, want := range map[string]struct {
		messages, status int
		effect           string
	}{
		"sendMessage:reset_before": {0, 0, "none"},
		"sendMessage:reset_after":  {1, 200, "sent"},
	} {
		r := newRig(t)
		r.fail(rule)

		server := httptest.NewServer(r.api)

		resp, err := server.Client().PostForm(server.URL+"/bot"+r.ada+"/sendMessage", args("chat_id", r.books, "text", "x"))
		if err == nil {
			_ = resp.Body.Close()

			t.Errorf("%s: answered %d", rule, resp.StatusCode)
		} else if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", rule, err)
		}

		server.Close()

		if got := r.last(); r.messages() != want.messages || got.Effect != want.effect || got.Status != want.status || !got.Cut {
			t.Errorf("%s: %d messages, the log has %+v", rule, r.messages(), got)
		}
	}
}

func TestLogHasEveryCallInOrder(t *testing.T) {
	t.Parallel()

	r := newRig(t)

	// Side by side, because the order of the effects is to be that of the log.
	done := make(chan struct{})
	for _, token := range []string{r.ada, r.bob} {
		go func() {
			for i := range 50 {
				r.call(token, "sendMessage", "chat_id", r.books, "text", fmt.Sprint(i))
			}

			done <- struct{}{}
		}()
	}

	<-done
	<-done

	r.call(r.ada, "getMe")
	r.call("1:unknown", "sendMessage", "text", "x")
	r.call(r.ada, "setWebhook", "url", "http://127.0.0.1:9/", "secret_token", "hush-hush")

	var next int64

	for i, record := range r.records() {
		if record.Seq != uint64(i)+1 || record.ID == "" || record.Time.IsZero() {
			t.Errorf("record %d: %+v", i, record)
		}

		if record.Effect == "sent" {
			if next++; record.EffectMessageID != next {
				t.Errorf("message %d is logged in place of %d", record.EffectMessageID, next)
			}
		}

		if strings.Contains(fmt.Sprintf("%s", record.Params), "hush") {
			t.Errorf("the log shows a secret: %s", record.Params)
		}
	}

	records := r.records()
	if next != 100 || len(records) != 103 {
		t.Errorf("%d messages and %d calls in the log", next, len(records))
	}

	if got := records[101]; got.Status != http.StatusUnauthorized || got.Bot != "" || got.Method != "sendMessage" {
		t.Errorf("unknown token: %+v", got)
	}
}
