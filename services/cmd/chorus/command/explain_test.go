package command_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	anna, ben := journaltest.Bot(t, pool, "anna"), journaltest.Bot(t, pool, "ben")
	chat := journaltest.Chat(t, pool, "club", anna, ben)
	o := on{t, pool.Config().ConnString()}
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2026, 5, 6, 10, 0, 0, 0, time.UTC)
	payload, err := proto.Marshal(&chorusv1.Turn{
		Id: &chorusv1.TurnId{ChatId: chat, Number: 1}, BotId: anna, Kind: chorusv1.TurnKind_TURN_KIND_REPLY, TargetMessage: 9, Topic: "books",
		Length: chorusv1.Length_LENGTH_SHORT, Mention: chorusv1.Mention_MENTION_START,
		PlannedAt: timestamppb.New(at), DueAt: timestamppb.New(at.Add(-20 * time.Millisecond)), ExpiresAt: timestamppb.New(at.Add(time.Minute)),
		Reasons: []*chorusv1.Reason{{Rule: "bot.chosen", Weight: 0.25, Detail: "anna"}, {Rule: "target.question", Weight: 4, Detail: "Tom"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	exec(`INSERT INTO people (telegram_id, name) VALUES (1, 'Tom')`)
	exec(`INSERT INTO messages (chat_id, number, person_id, body, sent_at) VALUES ($1, 9, 1, 'Why?', $2)`, chat, at)
	exec(`UPDATE chat_clock SET turn_no = 1`)
	exec(`INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, payload, planned_at, due_at, expires_at) VALUES ($1, 1, $2, 'reply', 9, $3, $4::timestamptz, $4::timestamptz - interval '20 milliseconds', $4::timestamptz + interval '1 minute')`,
		chat, anna, payload, at)

	open := o.call("explain", "club/1")
	for _, want := range []string{
		`what +anna: reply to message 9 of Tom, on "books", short, mention at the start\n`,
		`planned +2026-05-06 10:00:00 UTC, 20ms after it was due\n`,
		`outcome +open, good until 2026-05-06 10:01:00 UTC\n`,
		`target.question +4 +Tom\n`,
	} {
		if !regexp.MustCompile(want).MatchString(open) {
			t.Errorf("no %s in\n%s", want, open)
		}
	}
	if strings.Contains(open, "kept") {
		t.Errorf("of a text that is to be written yet it says\n%s", open)
	}
	exec(`UPDATE turns SET outcome = 'rejected', reason = 'the chat is gone', written_at = now(), closed_at = $1::timestamptz + interval '3 seconds'`, at)
	id := regexp.MustCompile(`turn +(\S+),`).FindStringSubmatch(open)[1]
	if got := o.call("explain", id); !strings.Contains(got, "rejected after 3s: the chat is gone\n") {
		t.Errorf("no outcome in\n%s", got)
	}
	if got := o.call("explain", id); !strings.Contains(got, "Nothing is kept: the guard objected to no draft, or it was longer than 7 days ago. With keep_drafts all") {
		t.Errorf("no word on what is not kept in\n%s", got)
	}
	exec(`UPDATE turns SET traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'`)
	exec(`INSERT INTO llm_calls (at, purpose, chat_id, turn_no, provider, model, prompt_tokens, completion_tokens, cost, latency, outcome) VALUES
		(now(), 'text', $1, 1, 'cloud', 'm', 900, 30, 0.0021, '1.5 seconds', 'rate_limited')`, chat)
	exec(`INSERT INTO drafts (chat_id, turn_no, prompt, drafts) VALUES ($1, 1, '[{"role": "user", "text": "Tom: Why?"}]',
		'[{"text": "See\nhttps://x.example \u001b[31m", "rule": "link", "reason": "It has a link.", "found": "https://"}, {"text": "Because."}]')`, chat)
	exec(`INSERT INTO decisions (chat_id, turn_no, version, what, by, via, note, draft, at) VALUES
		($1, 1, 1, 'rewritten', 'Kim (Telegram 41)', 'telegram', E'Shorter.\u001b[31m', ARRAY['It was', E'long.\nVery.'], $2), ($1, 1, 2, 'sent', 'mia', 'console', '', NULL, $2)`, chat, at)
	for args, parts := range map[string][]string{
		"":         {"The prompt is kept: --prompt shows it."},
		"--prompt": {"prompt, user:\n  Tom: Why?\n"},
	} {
		got := o.call(strings.Fields("explain " + id + " " + args)...)
		parts = append(parts, "4bf92f3577b34da6a3ce929d0e0e4736\n", "text", "cloud m", "rate limited", "1.5s", "900 + 30", "0.00210",
			"draft 1 of 2: the guard objected: link: It has a link. It found \"https://\".\n  See\n  https://x.example", "draft 2 of 2: the guard had no objection\n  Because.\n",
			"\n2026-05-06 10:00:00 UTC: Given back to be written again by Kim (Telegram 41) in Telegram\nthe note:\n  Shorter.", "it was:\n  It was\n  long.\n  Very.\n", "UTC: Sent by mia in the console\n")
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("no %q in\n%s", part, got)
			}
		}
		if strings.Contains(got, "\x1b") || strings.Contains(got, "Tom: Why?") != (args != "") {
			t.Errorf("with %q it prints\n%q", args, got)
		}
	}
	if got := o.call("explain", "--json", id); !strings.Contains(got, `"target.question"`) {
		t.Errorf("no JSON: %s", got)
	}

	if got := o.call("explain", "club"); !strings.Contains(got, "a turn can be planned") || !regexp.MustCompile(`anna +awake +0 of 60\n`).MatchString(got) {
		t.Errorf("the chat is\n%s", got)
	}
	demo := filepath.Join(t.TempDir(), "up.yaml")
	if err := os.WriteFile(demo, []byte("planner: {pace: 9s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := o.call("explain", "club", "--config", demo); !strings.Contains(got, "a message about every 9s") || !regexp.MustCompile(`anna +awake +0\n`).MatchString(got) {
		t.Errorf("the chat at the pace of chorus up is\n%s", got)
	}
	exec(`UPDATE bots SET active_hours = ARRAY[to_char(now() + interval '6 hours', 'HH24:MI') || '-' || to_char(now() + interval '7 hours', 'HH24:MI')]`)
	if got := o.call("explain", "club"); !regexp.MustCompile(`now +silent: everybody is asleep until \w+ [\d:]+ \(UTC\)\n`).MatchString(got) ||
		!regexp.MustCompile(`ben +asleep until \w+ [\d:]+ \(UTC\) +0 of 60\n`).MatchString(got) {
		t.Errorf("the sleeping chat is\n%s", got)
	}
	exec(`UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked'`)
	if got := o.call("explain", "club"); !strings.Contains(got, "silent: no bot of its cast may act") || strings.Contains(got, "next turn") {
		t.Errorf("the suspended chat is\n%s", got)
	}
	if got := o.call("explain", "club"); !regexp.MustCompile(`anna +suspended, because Telegram does not let it act here since [\d: -]+ UTC: kicked; next try `).MatchString(got) {
		t.Errorf("the suspended bot is\n%s", got)
	}
	if got := o.call("explain", "club"); !regexp.MustCompile(`anna +suspended, see below +0 of 60\n`).MatchString(got) {
		t.Errorf("the column beside the suspended bot is\n%s", got)
	}
	if got := o.call("resume", "bot", "ben"); !strings.Contains(got, "ben in club is tried again: its next call shows whether Telegram allows it. It was suspended") {
		t.Errorf("the bot is resumed with\n%s", got)
	}
	if got := o.call("resume", "chat", "club"); !strings.Contains(got, "anna in club is tried again") || strings.Contains(got, "ben") {
		t.Errorf("the chat is resumed with\n%s", got)
	}
	if got := o.call("resume", "chat", "club"); !strings.Contains(got, "Telegram refused nothing") {
		t.Errorf("the chat is resumed again with\n%s", got)
	}
	o.refuses(`"pub": there is no such chat in the roster`, "resume", "chat", "pub")
	exec(`UPDATE chats SET enabled = false`)
	if got := o.call("explain", "club"); !strings.Contains(got, "silent: the chat is switched off") {
		t.Errorf("the chat that is off is\n%s", got)
	}

	o.refuses("club/7: there is no such turn", "explain", "club/7")
	o.refuses("77-1: there is no such turn", "explain", "77-1")
	o.refuses(`"club/one": want a chat, a turn such as 7-42, or CHAT/NUMBER`, "explain", "club/one")
	o.refuses(`"pub": there is no such chat in the roster; a turn is given as 7-42 or CHAT/NUMBER`, "explain", "pub")
	o.refuses("got 0 arguments, want a turn or a chat (see chorus explain --help)", "explain")
}

// The reasons for missing answers are described, except those of prompts that were answered
// later.
func TestExplainTellsWhoGotNoAnswer(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "club", bot)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO prompt_skips (chat_id, day, reason, prompts, messages) VALUES ($1, (now() AT TIME ZONE 'UTC')::date, 'no_cast', 2, '{7,8}')`, chat)
	for _, s := range decide.Skips() {
		exec(`INSERT INTO prompt_skips (chat_id, day, reason, prompts) VALUES ($1, (now() AT TIME ZONE 'UTC')::date, $2, 1) ON CONFLICT DO NOTHING`, chat, s.String())
	}
	o := on{t, pool.Config().ConnString()}
	says := func(want string) {
		t.Helper()
		got := o.call("explain", "club")
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("want %q in\n%s", want, got)
		}
		if regexp.MustCompile(`\b(no_cast|texts_behind|person_limit|chat_disabled)\b`).MatchString(got) {
			t.Errorf("a reason is told as a code in\n%s", got)
		}
	}
	says(`no bot of its cast could act +2 `)
	answer := func(message int, outcome string) {
		exec(`
INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, payload, planned_at, due_at, expires_at, outcome, closed_at, written_at)
VALUES ($1, $2::bigint, $3, 'reply', $2::bigint, '', now(), now(), now() + interval '1 minute', $4::text, now(), now())`, chat, message, bot, outcome)
	}
	answer(7, "delivered")
	answer(8, "rejected")
	says(`no bot of its cast could act +1 `)
	exec(`UPDATE turns SET outcome = 'delivered'`)
	if got := o.call("explain", "club"); strings.Contains(got, "no bot of its cast could act") {
		t.Errorf("both were answered:\n%s", got)
	}
}

// The pace is the chat's.
func TestExplainTellsThePaceThatHolds(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	journaltest.Chat(t, pool, "club", journaltest.Bot(t, pool, "anna"))
	o := on{t, pool.Config().ConnString()}
	file := filepath.Join(t.TempDir(), "chorus.yaml")
	if err := os.WriteFile(file, []byte("planner: {pace: 9s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for factor, want := range map[string]string{
		"1": `pace +a message about every 9s \(planner.pace\)\n`, "2": `pace +a message about every 4.5s \(planner.pace 9s, by scale_factor 2\)\n`,
	} {
		o.call("settings", "set", "scale_factor", factor)
		if got := o.call("explain", "club", "--config", file); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
}

// A chat without texts reports the provider's failure, its begin, and which budget is used
// up.
func TestExplainTellsThatTextsFail(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	journaltest.Chat(t, pool, "club", journaltest.Bot(t, pool, "anna"))
	o := on{t, pool.Config().ConnString()}
	model := []string{
		"explain", "club", "--llm.name", "stub", "--llm.kind", "openai", "--llm.url", "http://127.0.0.1:1/v1", "--llm.model", "m", "--llm.daily-tokens", "100",
	}
	called := func(at, purpose, outcome string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), `INSERT INTO llm_calls (at, purpose, provider, outcome) VALUES ($1::text::timestamptz, $2, 'stub', $3)`, at, purpose, outcome); err != nil {
			t.Fatal(err)
		}
	}
	says := func(want string) {
		t.Helper()
		if got := o.call(model...); want == "" && strings.Contains(got, "\ntexts ") || !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
	says("")
	called("2026-05-06 10:00:00Z", "text", "transient")
	says(`texts +no texts: the model stub could not be reached or failed once since 2026-05-06 10:00 UTC; chorus check tells the remedy\n`)
	says(`now +a turn can be planned\n`) // one failure may be a hiccup
	called("2026-05-06 10:01:00Z", "text", "written")
	called("2026-05-06 10:02:00Z", "memory", "permanent") // not a text
	says("")
	called("2026-05-06 10:03:00Z", "rewrite", "permanent")
	says(`texts +no texts: the model stub refused to write once since 2026-05-06 10:03 UTC; chorus check tells the remedy\n`)
	called("2026-05-06 10:04:00Z", "text", "throttled")
	says(`stub said that it is asked too often 2 times since 2026-05-06 10:03 UTC;`)
	for range 3 {
		called("2026-05-06 10:04:30Z", "text", "thinking")
	}
	says(`now +silent: no texts: the model stub thought and said nothing 5 times since 2026-05-06 10:03 UTC\n`)
	called("2026-05-06 10:05:00Z", "text", "written")
	says("")

	if _, err := pool.Exec(t.Context(), `INSERT INTO llm_calls (at, purpose, provider, prompt_tokens, outcome) VALUES (now(), 'memory', 'stub', 100, 'written')`); err != nil {
		t.Fatal(err)
	}
	says(`texts +stub is not asked until midnight UTC: 100 % of today's budget is used up, 100 of 100 tokens\n`)
}
