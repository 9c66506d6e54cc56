package botapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

func (r *rig) limit(l flood.Limits) {
	r.t.Helper()

	if err := r.flood.Set(l); err != nil {
		r.t.Fatal(err)
	}
}

func TestFloodRefusesWithRetryAfter(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.limit(flood.Default())

		for range 3 {
			var m sentMessage
			r.result(&m, r.ada, "sendMessage", "chat_id", r.books, "text", "x")
		}

		refused := r.do(form(r.ada, "sendMessage", args("chat_id", r.books, "text", "x")))
		if got := refused.Body.String(); got != `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 1","parameters":{"retry_after":1}}` {
			t.Error(got)
		}

		if refused.Code != http.StatusTooManyRequests || refused.Header().Get("Retry-After") != "1" {
			t.Errorf("%d %v", refused.Code, refused.Header())
		}

		if got := r.last(); got.RetryAfter != 1 || got.Effect != "none" || got.Status != 429 {
			t.Errorf("the log has %+v", got)
		}

		// The limits are per chat and bot. They don't affect other chats, other bots, calls
		// that can't succeed, or reactions.
		for _, got := range []string{
			r.call(r.ada, "sendMessage", "chat_id", r.dice, "text", "x"),
			r.call(r.bob, "sendMessage", "chat_id", r.books, "text", "x"),
			r.call(r.ada, "setMessageReaction", "chat_id", r.books, "message_id", 1, "reaction", `[{"type":"emoji","emoji":"👍"}]`),
		} {
			if !strings.HasPrefix(got, `{"ok":true`) {
				t.Error(got)
			}
		}

		if got := r.call(r.ada, "sendMessage", "chat_id", r.books, "text", ""); !strings.Contains(got, "message text is empty") {
			t.Error(got)
		}

		time.Sleep(time.Second) //nolint:forbidigo // in a bubble

		if got := r.call(r.ada, "sendMessage", "chat_id", r.books, "text", "x"); !strings.HasPrefix(got, `{"ok":true`) {
			t.Errorf("after the wait: %s", got)
		}
	})
}

func TestFloodWaitsInSilence(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		limits := flood.Telegram()
		limits.Chat = flood.Bucket{Tokens: 1, Per: jsontime.Duration(5 * time.Second), Burst: 1}
		r.limit(limits)

		start := time.Now()
		say := func() string { return r.call(r.ada, "sendMessage", "chat_id", r.books, "text", "x") }

		if got := say(); !strings.HasPrefix(got, `{"ok":true`) || time.Since(start) != 0 {
			t.Errorf("first: %s after %v", got, time.Since(start))
		}

		if got := say(); !strings.HasPrefix(got, `{"ok":true`) || time.Since(start) != 5*time.Second {
			t.Errorf("second: %s after %v", got, time.Since(start))
		}

		// A client that leaves during the wait is served all the same: this is how short
		// time-outs cause duplicates.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		r.do(form(r.ada, "sendMessage", args("chat_id", r.books, "text", "late")).WithContext(ctx))

		if got := r.last(); got.Effect != "sent" || time.Since(start) != 10*time.Second {
			t.Errorf("third: %+v after %v", got, time.Since(start))
		}

		answers := make(chan string)
		go func() { answers <- say() }()

		synctest.Wait()

		// Five seconds for the one that waits and five for this one are more
		// than eight.
		if got := say(); !strings.Contains(got, "retry after 10") {
			t.Errorf("fifth: %s", got)
		}

		r.api.Stop()

		if got := <-answers; !strings.Contains(got, "Internal Server Error: restart") {
			t.Errorf("fourth: %s", got)
		}
	})
}

func TestFloodNeverLetsMoreThrough(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(rt *rapid.T) {
		perSecond := rapid.Float64Range(0.2, 20).Draw(rt, "tokens a second")
		burst := rapid.IntRange(1, 10).Draw(rt, "burst")
		silent := rapid.SampledFrom([]time.Duration{0, time.Second, 8 * time.Second}).Draw(rt, "silent wait")
		pauses := rapid.SliceOfN(rapid.Int64Range(0, int64(2*time.Second)), 20, 60).Draw(rt, "pauses")

		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.limit(flood.Limits{
				Chat:       flood.Bucket{Tokens: perSecond, Per: jsontime.Duration(time.Second), Burst: burst},
				SilentWait: jsontime.Duration(silent),
			})

			for _, pause := range pauses {
				time.Sleep(time.Duration(pause)) //nolint:forbidigo // in a bubble
				r.call(r.ada, "sendMessage", "chat_id", r.books, "text", "x")
			}

			posts, err := r.world.History(r.books, 0, len(pauses))
			if err != nil {
				t.Fatal(err)
			}

			if len(posts) == 0 {
				rt.Fatal("nothing came through")
			}

			// In every window, and with a message's worth of rounding.
			for i := range posts {
				for j := i; j < len(posts); j++ {
					window := posts[j].SentAt.Sub(posts[i].SentAt).Seconds()
					if n := float64(j - i + 1); n > window*perSecond+float64(burst)+0.01 {
						rt.Fatalf("%v messages in %.3f s at %.3f a second with burst %d", n, window, perSecond, burst)
					}
				}
			}
		})
	})
}
