package usage_test

import (
	"testing"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// A silence depends on the calls for texts since the last text, and is described by the same words
// everywhere.
func TestSilenceIsTold(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	calls := func(n int, purpose, outcome, rests string) {
		exec(`INSERT INTO llm_calls (at, purpose, provider, model, outcome, rests_until)
SELECT clock_timestamp(), $2, 'openai', 'm', $3, now() + nullif($4, '')::interval FROM generate_series(1, $1)`, n, purpose, outcome, rests)
	}
	says := func(want string, lasts bool) {
		t.Helper()
		s, err := usage.FindSilence(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if s != nil {
			s.Since = s.Since.Truncate(1).UTC()
			got = s.String()
			want += " since " + s.Since.Format("15:04") + " UTC"
			if s.Next != nil {
				want += "; next try in 2 min"
			}
		}
		if got != want || s.Lasts() != lasts {
			t.Errorf("got %q, %v, want %q, %v", got, s.Lasts(), want, lasts)
		}
	}
	says("", false)
	calls(3, "text", "written", "")
	calls(3, "memory", "empty", "") // not for a text
	says("", false)
	calls(1, "text", "empty", "")
	says("no texts: the model openai/m gave an empty answer once", false)
	calls(10, "rewrite", "empty", "")
	says("no texts: the model openai/m gave an empty answer 11 times", true)
	calls(1, "text", "empty", "119 seconds")
	says("no texts: the model openai/m gave an empty answer 12 times", true)
	if s, err := usage.FindSilence(t.Context(), pool); err != nil || s.Next == nil || s.Needs() {
		t.Errorf("%+v, %v: it is tried again by itself", s, err)
	}
	calls(1, "text", "written", "")
	says("", false)
	calls(1, "text", "permanent", "119 seconds")
	says("no texts: the model openai/m refused to write once", true)
}
