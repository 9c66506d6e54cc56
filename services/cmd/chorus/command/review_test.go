package command_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
)

const transcript = `{"lines":[
{"id":1,"who":"anna","bot":true,"text":"Yes.","at":"2026-05-06T08:00:00Z"},
{"id":2,"who":"Mia","text":"What do you read now, Anna?","at":"2026-05-06T08:01:00Z"},
{"id":3,"who":"anna","bot":true,"text":"A letter.","at":"2026-05-06T08:01:30Z","answers":2}]}`

func TestReview(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	file, page := write("talk.json", transcript), filepath.Join(dir, "page.html")
	run := func(args ...string) string {
		got := chorus(append([]string{"review"}, args...)...)
		if got.Code != 0 || got.Err != "" {
			t.Fatalf("%v: %d: %s", args, got.Code, got.Err)
		}
		return got.Out
	}
	rows := func(table string) string { return "\n" + strings.Join(strings.Fields(table), " ") }
	if table := rows(run(file, "--html", page)); !strings.Contains(table, " short_lines 1 at least 0.15 inside lines of at most 5 words ") ||
		!strings.Contains(table, " answer_time 30 seconds until") || !strings.Contains(table, " burstiness - 0.2 to 0.4 gaps") {
		t.Errorf("got %s", table)
	}
	if shown := read(t, page); !strings.Contains(shown, "<svg") || !strings.Contains(shown, "talk.json") {
		t.Errorf("the page is %s", shown)
	}
	before := write("before.json", run(file, "--json"))
	if diff := cmp.Diff(run("compare", file, file), run("compare", before, file)); diff != "" {
		t.Errorf("a review is not what the transcript is: %s", diff)
	}
	if table := rows(run("compare", before, file)); !strings.Contains(table, " short_lines 1 inside 1 inside at least 0.15 ") {
		t.Errorf("got %s", table)
	}
	if both := run("compare", file, file, "--json"); strings.Count(both, `"short_lines"`) != 2 {
		t.Errorf("got %s", both)
	}

	broken := write("broken.json", `{"lines":[{"who":"anna","at":"noon"}]}`)
	for want, args := range map[string][]string{
		broken + `: lines[0].at: "noon", want a time such as 2026-05-06T08:00:00Z`: {broken},
		"open " + dir + "/nosuch: no such file or directory":                       {dir + "/nosuch"},
		"got 0 files, want one, or --chat alone (see chorus review --help)":        {},
		"got 1 arguments, want A and B (see chorus review compare --help)":         {"compare", file},
		`--since: 0s, want more than 0s`:                                           {"--chat", "club", "--since", "0s"},
		"open " + dir + "/nosuch/page.html: no such file or directory":             {file, "--html", dir + "/nosuch/page.html"},
	} {
		got := chorus(append([]string{"review"}, args...)...)
		if diff := cmp.Diff(result{Code: 2, Err: "chorus: " + want + "\n"}, got); diff != "" {
			t.Errorf("%v (-want +got): %s", args, diff)
		}
	}
}

func TestReviewOfAChat(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	chat := journaltest.Chat(t, pool, "club", journaltest.Bot(t, pool, "anna"))
	if _, err := pool.Exec(t.Context(), `INSERT INTO messages (chat_id, bot_id, body, sent_at) SELECT $1, id, 'Yes.', now() FROM bots`, chat); err != nil {
		t.Fatal(err)
	}
	o := on{t, pool.Config().ConnString()}
	if got := o.call("review", "--chat", "club"); !strings.Contains(got, "\nlines                1 ") {
		t.Errorf("got %s", got)
	}
	o.refuses(`--chat: "nosuch" is not in the roster`, "review", "--chat", "nosuch")
}

// The output of simulate can be reviewed.
func TestReviewOfASimulation(t *testing.T) {
	t.Parallel()
	played := chorus("simulate", "-f", "../../../../deploy/examples/role-playing-table.yaml", "--start", "2026-05-06T20:00", "--hours", "2", "-o", "json")
	file := filepath.Join(t.TempDir(), "played.json")
	if err := os.WriteFile(file, []byte(played.Out), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := chorus("review", file); got.Code != 0 || !strings.Contains(got.Out, "\nburstiness ") {
		t.Errorf("got %+v", got)
	}
}

// The configured model interviews a cast. A dishonest answer is an error.
func TestReviewWithAJudge(t *testing.T) {
	t.Parallel()
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		text := "The tea is warm, and so am I."
		switch {
		case bytes.Contains(body, []byte("Does the answer fit?")), bytes.Contains(body, []byte("contradict the first?")):
			text = "YES"
		case bytes.Contains(body, []byte("Which is better?")):
			text = "FIRST"
		}
		api, err := llmapi.New(llmapi.Options{Text: text})
		if err != nil {
			t.Error(err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(model.Close)
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "club", bot)
	for _, sql := range []string{
		`UPDATE personas SET display_name = 'Anna' WHERE bot_id = $1 AND $2 > 0`,
		`INSERT INTO stances (bot_id, topic, stance, confidence) SELECT $1, 'tea', 'the best there is', 0.9 WHERE $2 > 0`,
		`INSERT INTO messages (chat_id, bot_id, body, sent_at) SELECT $2, $1, unnest(ARRAY['Green teapots whistle.', 'Green teapots never whistle.']), now()`,
	} {
		if _, err := pool.Exec(t.Context(), sql, bot, chat); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "talk.json")
	if err := os.WriteFile(file, []byte(transcript), 0o600); err != nil {
		t.Fatal(err)
	}
	o, with := on{t, pool.Config().ConnString()}, []string{"--judge", "--llm.kind", "openai", "--llm.url", model.URL + "/v1", "--llm.model", llmapi.DefaultModel}
	got := o.call(append([]string{"review", "--chat", "club"}, with...)...)
	for _, want := range []string{"\nAnna ", " 10 of 10  10 of 10\n", "1 of 1 pairs", "and later \"Green teapots never whistle.\""} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if got := o.call(append([]string{"review", file}, with...)...); strings.Contains(got, "INTERVIEW") || !strings.Contains(got, "0 of 0 pairs") || !strings.Contains(got, "TO 100 LINES") {
		t.Errorf("got %s", got)
	}
	if got := o.call(append([]string{"review", "compare", file, file}, with...)...); !strings.Contains(got, "1 undecided") {
		t.Errorf("got %s", got)
	}
	var calls int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM llm_calls WHERE purpose = 'judge'`).Scan(&calls); err != nil || calls != 10+1+2 {
		t.Errorf("%d calls of the judge are on the account: %v", calls, err)
	}
	o.refuses("--judge: no model is configured (llm.kind), and templates judge nothing", "review", "--chat", "club", "--judge", "--llm.kind", "offline")
}
