package command_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// on calls commands on a database.
type on struct {
	t   *testing.T
	dsn string
}

// call returns the output of a command that must succeed.
func (o on) call(args ...string) string {
	o.t.Helper()
	got := chorus(append(args, "--database.url="+o.dsn)...)
	if got.Code != 0 || got.Err != "" {
		o.t.Fatalf("%v: %d: %s", args, got.Code, got.Err)
	}
	return got.Out
}

// refuses checks the error of a command that must fail as an error of usage.
func (o on) refuses(want string, args ...string) {
	o.t.Helper()
	got := chorus(append(args, "--database.url="+o.dsn)...)
	if diff := cmp.Diff(result{Code: 2, Err: "chorus: " + want + "\n"}, got); diff != "" {
		o.t.Errorf("%v (-want +got): %s", args, diff)
	}
}

func (o on) prints(want string, args ...string) {
	o.t.Helper()
	if diff := cmp.Diff(want, o.call(args...)); diff != "" {
		o.t.Errorf("%v (-want +got): %s", args, diff)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	journaltest.Chat(t, pool, "club", bot)
	o := on{t, pool.Config().ConnString()}

	o.prints("0.65  # default; a number from 0 to 1\n", "settings", "get", "reply_probability")
	o.prints("", "settings", "set", "reply_probability", "0.8")
	o.prints("", "settings", "set", "reply_probability", "0.50", "--chat", "club")
	o.prints("0.8  # global; a number from 0 to 1\n", "settings", "get", "reply_probability")
	o.prints("0.5  # chat:club; a number from 0 to 1\n", "settings", "get", "reply_probability", "--chat", "club")
	if list := o.call("settings", "list"); !regexp.MustCompile(`(?m)^reply_probability +0\.65 +a number from 0 to 1 +(chat:club=0\.5 global=0\.8|global=0\.8 chat:club=0\.5)$`).MatchString(list) {
		t.Errorf("no line about what was set: %s", list)
	}
	o.prints("", "settings", "unset", "reply_probability", "--chat", "club")
	o.prints("reply_probability was not set for chat:club.\n", "settings", "unset", "reply_probability", "--chat", "club")
	o.prints("0.8  # global; a number from 0 to 1\n", "settings", "get", "reply_probability", "--chat", "club")

	// Values are printed in their form for people, not as stored.
	o.call("settings", "set", "turn_ttl", "90s")
	if got := o.call("settings", "get", "turn_ttl"); !strings.HasPrefix(got, "1m30s  # global; ") {
		t.Errorf("got %q", got)
	}

	o.refuses(`--chat: "nosuch" is not in the roster`, "settings", "get", "reply_probability", "--chat", "nosuch")
	o.refuses(`--bot: "nosuch" is not in the roster`, "settings", "set", "reply_probability", "1", "--bot", "nosuch")
	o.refuses(`--chat and --bot: want one of them`, "settings", "get", "reply_probability", "--chat", "club", "--bot", "anna")
	o.refuses(`reply_probability: "1.5", want a number from 0 to 1`, "settings", "set", "reply_probability", "1.5")
	o.refuses(`reply_probability: scope: "bot", want global or chat`, "settings", "set", "reply_probability", "1", "--bot", "anna")
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	o := on{t, testenv.EmptyPostgres(t)}
	bus := "--nats.url=" + testenv.NATS(t)
	if got := o.call("migrate", "status"); !regexp.MustCompile(`^VERSION +APPLIED +FILE\n1 +pending +00001_init.sql\n`).MatchString(got) {
		t.Errorf("before: %s", got)
	}
	for range 2 {
		o.prints("The database and the bus are up to date.\n", "migrate", "up", bus)
	}
	if got := o.call("migrate", "status"); strings.Contains(got, "pending") {
		t.Errorf("after: %s", got)
	}
	o.refuses("there is no terminal to ask on: give --yes to go on without", "migrate", "down")
	if got := o.call("migrate", "status"); strings.Contains(got, "pending") {
		t.Errorf("went down without a yes: %s", got)
	}
	o.prints("", "migrate", "down", "--yes")
	if got := o.call("migrate", "status"); strings.Count(got, "pending") != 1 {
		t.Errorf("after one step down: %s", got)
	}
	got := chorus("settings", "list", "--database.url="+o.dsn)
	if got.Code != 1 || !strings.Contains(got.Err, "run chorus migrate up") || strings.Count(got.Err, "\n") != 1 {
		t.Errorf("with an old schema: %d: %s", got.Code, got.Err)
	}
}

func TestConfigTellsWhereValuesComeFrom(t *testing.T) {
	t.Parallel()
	got := chorus("config", "--nats.url=nats://chorus:hunter2@bus:4222")
	if got.Code != 0 || !strings.Contains(got.Out, "url: nats://chorus:***@bus:4222 # --nats.url\n") || strings.Contains(got.Out, "hunter2") {
		t.Errorf("%d: %s%s", got.Code, got.Err, got.Out)
	}
	table := chorus("config", "--table")
	if !strings.Contains(table.Out, "\n| `database.url` | `CHORUS_DATABASE_URL` | `--database.url` | a text |") {
		t.Errorf("no row about database.url: %s", table.Out)
	}
}

func TestAKeyIsNewEachTimeAndCanBeUsed(t *testing.T) {
	t.Parallel()
	first, second := chorus("key").Out, chorus("key").Out
	if first == second || len(strings.TrimSpace(first)) < 32 {
		t.Errorf("got %q and %q", first, second)
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	journaltest.Bot(t, pool, "anna")
	o := on{t, pool.Config().ConnString()}
	o.prints("There are no memories.\n", "memory", "list")
	o.prints("Memory 1.\n", "memory", "add", "anna", "Tom lent her a map.", "--kind", "event", "--relevance", "0.8")
	o.prints("ID  BOT   KIND   FROM      CHAT  STRENGTH  USES  MEMORY\n1   anna  event  operator  all   0.80      0     Tom lent her a map.\n", "memory", "list", "--bot", "anna")
	o.prints("", "memory", "forget", "1")
	o.refuses("ID: there is no memory 1", "memory", "forget", "1")
	o.refuses(`ID: "x", want a number as chorus memory list shows`, "memory", "forget", "x")
	o.refuses(`--bot: "ben" is not in the roster`, "memory", "add", "ben", "Nothing.")
	o.refuses(`kind: "dream", want fact, event, relationship, preference`, "memory", "add", "anna", "Nothing.", "--kind", "dream")
	o.refuses(`relevance: 2, want 0 to 1`, "memory", "add", "anna", "Nothing.", "--relevance", "2")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "club", bot)
	o := on{t, pool.Config().ConnString()}
	o.prints("No calls were made.\n", "usage")
	_, err := pool.Exec(t.Context(), `INSERT INTO llm_calls (at, purpose, chat_id, turn_no, bot_id, provider, model, prompt_tokens, completion_tokens, cost, latency, outcome) VALUES
(now(), 'text', $1, 1, $2, 'groq', 'llama', 100, 20, 0.5, '1 second', 'written'), (now(), 'text', $1, 2, $2, 'groq', '', 0, 0, 0, '9 seconds', 'transient'),
(now(), 'memory', $1, NULL, NULL, 'groq', 'llama', 50, 10, 0.25, '3 seconds', 'written'), (now() - interval '9 days', 'text', $1, 3, $2, 'old', 'm', 1, 1, 1, '1 second', 'written')`, chat, bot)
	if err != nil {
		t.Fatal(err)
	}
	o.prints(`   BOT  CALLS  FAILED  PROMPT TOKENS  ANSWER TOKENS    COST  LATENCY
     -      1       0             50             10  0.2500       3s
  anna      2       1            100             20  0.5000       1s
   all      3       1            150             30  0.7500       2s
`, "usage", "--by", "bot")
	for _, by := range []string{"day", "chat", "provider", "purpose"} {
		if got := o.call("usage", "--by", by, "--since", "240h"); !strings.Contains(got, "1.7500") {
			t.Errorf("by %s: %s", by, got)
		}
	}
	o.refuses(`--by: "moon", want day, chat, bot, provider, purpose`, "usage", "--by", "moon")
	o.refuses(`--since: 0s, want more than 0s`, "usage", "--since", "0s")

	got := o.call("usage", "--llm.name", "groq", "--llm.kind", "openai", "--llm.url", "http://127.0.0.1:1/v1", "--llm.model", "llama", "--llm.daily-cost", "1", "--llm.prompt-price", "1", "--llm.daily-tokens", "1800")
	if want := "groq: 75 % of today's budget is used up, 0.7500 of 1.0000, 180 of 1800 tokens.\n"; !strings.HasSuffix(got, want) {
		t.Errorf("usage with a budget prints %s, want %s at the end", got, want)
	}
}

// The findings of a provider's texts and budget contain its name.
func TestCheckNamesAProviderWithoutABudget(t *testing.T) {
	t.Parallel()
	got := chorus("check", "--database.url="+testenv.Postgres(t), "--nats.url=nats://127.0.0.1:1", "--nats.connect-timeout=1s", "--redis.url=redis://127.0.0.1:1",
		"--llm.name=stub", "--llm.kind=openai", "--llm.url=http://127.0.0.1:1/v1", "--llm.model=m")
	for _, want := range []string{`llm +stub +can't be reached`, `budget +stub +no budget holds, because no price is known`} {
		if !regexp.MustCompile(want).MatchString(got.Out) {
			t.Errorf("no %q in %s%s", want, got.Out, got.Err)
		}
	}
}

func TestCheckSaysWhatToDoAboutAConfiguration(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"--config=/nowhere.yaml":  "give --config the path of a file",
		"--llm.kind=unbelievable": "chorus config --table",
	} {
		if got := chorus("check", arg); got.Code == 0 || !strings.Contains(got.Out, want) {
			t.Errorf("%s: no %q in %s%s", arg, want, got.Out, got.Err)
		}
	}
}
