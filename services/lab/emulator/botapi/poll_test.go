package botapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

type polled struct {
	UpdateID int64       `json:"update_id"`
	Message  sentMessage `json:"message"`
}

func texts(updates []polled) []string {
	all := []string{}
	for _, u := range updates {
		all = append(all, u.Message.Text)
	}

	return all
}

func TestPollConfirmsByOffset(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	for i := range 5 {
		r.say(r.books, fmt.Sprint(i))
	}

	var got []polled
	r.result(&got, r.ada, "getUpdates", "limit", 2)

	first := got[0].UpdateID

	for _, step := range []struct {
		offset, limit int64
		want          []string
	}{
		{0, 100, []string{"0", "1", "2", "3", "4"}}, // nothing was confirmed
		{first + 1, 0, []string{"1"}},               // a limit below 1 is 1
		{0, 1000, []string{"1", "2", "3", "4"}},
		{-2, 100, []string{"3", "4"}},
		{0, 100, []string{"3", "4"}},
		{first + 5, 100, []string{}},
		{0, 100, []string{}},
	} {
		r.result(&got, r.ada, "getUpdates", "offset", step.offset, "limit", step.limit)

		if diff := cmp.Diff(step.want, texts(got)); diff != "" {
			t.Errorf("offset %d limit %d: %s", step.offset, step.limit, diff)
		}
	}

	r.result(&got, r.bob, "getUpdates")

	if len(got) != 5 {
		t.Errorf("Bob has updates of his own, but got %v", texts(got))
	}
}

func TestPollWaits(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		start := time.Now()

		time.AfterFunc(7*time.Second, func() { r.say(r.books, "late") })

		var got []polled
		r.result(&got, r.ada, "getUpdates", "timeout", 30)

		if after := time.Since(start); after != 7*time.Second || len(got) != 1 {
			t.Errorf("got %v after %v", texts(got), after)
		}

		start = time.Now()
		r.result(&got, r.ada, "getUpdates", "timeout", 1000, "offset", got[0].UpdateID+1)

		if after := time.Since(start); after != 50*time.Second || len(got) != 0 {
			t.Errorf("got %v after %v, want nothing after 50s, the longest poll", texts(got), after)
		}
	})
}

func TestSecondPollEndsTheFirst(t *testing.T) {
	t.Parallel()

	const conflict = `{"ok":false,"error_code":409,"description":"Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"}`

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		start := time.Now()

		type ending struct {
			body  string
			after time.Duration
		}

		endings := make(chan ending, 4)
		poll := func() {
			body := r.call(r.ada, "getUpdates", "timeout", 50)
			endings <- ending{body, time.Since(start)}
		}

		// Three polls one after the other: the first is told at once, the second
		// three seconds later, because Telegram spaces these errors.
		for range 3 {
			go poll()
			synctest.Wait()
		}

		if got := <-endings; got.body != conflict || got.after != 0 {
			t.Errorf("first: %+v", got)
		}

		if got := <-endings; got.body != conflict || got.after != 3*time.Second {
			t.Errorf("second: %+v", got)
		}

		// Another bot's poll is no conflict, a webhook is.
		go func() { endings <- ending{r.call(r.bob, "getUpdates", "timeout", 1), 0} }()

		if got := <-endings; got.body != `{"ok":true,"result":[]}` {
			t.Errorf("another bot: %+v", got)
		}

		if got := r.call(r.ada, "setWebhook", "url", "http://127.0.0.1:9/"); !strings.Contains(got, "Webhook was set") {
			t.Error(got)
		}

		if got := <-endings; got.body != `{"ok":false,"error_code":409,"description":"Conflict: terminated by setWebhook request"}` {
			t.Errorf("third: %+v", got)
		}
	})
}

func TestPollHasOnlyAllowedUpdates(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	if got := r.call(r.ada, "getUpdates", "allowed_updates", `["edited_message","no_such_kind"]`); got != `{"ok":true,"result":[]}` {
		t.Fatal(got)
	}

	said := r.say(r.books, "before")
	if _, err := r.world.EditAs(r.books, said.Seq, "after"); err != nil {
		t.Fatal(err)
	}

	if got := r.call(r.ada, "getUpdates"); !strings.Contains(got, `"edited_message"`) || strings.Contains(got, "before") {
		t.Error(got)
	}

	r.call(r.ada, "getUpdates", "offset", 1<<40, "allowed_updates", `[]`)
	r.say(r.books, "again")

	if got := r.call(r.ada, "getUpdates"); !strings.Contains(got, "again") {
		t.Error(got)
	}

	if got := r.call(r.ada, "getUpdates", "allowed_updates", "x"); got != `{"ok":false,"error_code":400,"description":"Bad Request: can't parse allowed updates JSON object"}` {
		t.Error(got)
	}
}

func TestPollEndsWithItsClientAndWithTheServer(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan any)

		go func() {
			defer func() { gone <- recover() }()
			r.do(form(r.ada, "getUpdates", args("timeout", 50)).WithContext(ctx))
		}()

		synctest.Wait()
		leave()

		if got := <-gone; got != any(http.ErrAbortHandler) {
			t.Errorf("the handler ended with %v", got)
		}

		if got := r.last(); got.Status != 0 {
			t.Errorf("the log has %+v", got)
		}

		answers := make(chan *httptest.ResponseRecorder)
		go func() { answers <- r.do(form(r.ada, "getUpdates", args("timeout", 50))) }()

		synctest.Wait()
		r.api.Stop()

		if got := <-answers; got.Body.String() != `{"ok":false,"error_code":500,"description":"Internal Server Error: restart"}` {
			t.Error(got.Body)
		}
	})
}
