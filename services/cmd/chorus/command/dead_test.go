package command_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// Dead letters are listed, shown and replayed by their turn. A replay rings the stage.
func TestDead(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	anna := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "club", anna)
	o := on{t, pool.Config().ConnString()}
	o.prints("There are no dead letters.\n", "dead", "list")

	// One turn whose text can't be written, and one that can't be sent.
	j, claims := journal.New(pool), journal.Claims{Owner: 1, Lease: 60e9}
	unwritten, unsent := journaltest.Turn(chat, 1, anna), journaltest.Turn(chat, 2, anna)
	if err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		return j.Plan(t.Context(), tx, []journal.Planned{{Turn: unwritten}, {Turn: unsent, Delivery: journaltest.Message(unsent, "Hello.")}})
	}); err != nil {
		t.Fatal(err)
	}
	texts, err := j.Texts(claims).Claim(t.Context(), []int64{chat})
	if err != nil || len(texts) != 1 {
		t.Fatal(texts, err)
	}
	messages, err := j.Deliveries(journal.LaneMessage, claims).Claim(t.Context(), []int64{chat})
	if err != nil || len(messages) != 1 {
		t.Fatal(messages, err)
	}
	if err := j.Texts(claims).DeadLetter(t.Context(), texts[0], "no words"); err != nil {
		t.Fatal(err)
	}
	if err := j.Deliveries(journal.LaneMessage, claims).DeadLetter(t.Context(), messages[0], "no way"); err != nil {
		t.Fatal(err)
	}

	first, second := subject.TurnID(unwritten.GetId()), subject.TurnID(unsent.GetId())
	line := func(turn, service, replays, reason string) string {
		return `(?m)^` + turn + ` +club +\S+Z +` + service + ` +1 +` + replays + ` +` + reason + `$`
	}
	o.matches(line(first, "generator", "0", "no words"), "dead", "list")
	o.matches(line(second, "sender", "0", "no way"), "dead", "list", "--service", "sender", "--chat", "club", "--since", "1h")
	o.prints("There are no dead letters.\n", "dead", "list", "--service", "listener")

	var shown struct {
		Turn, Reason string
		Planned      struct{ Topic string }
		Delivery     struct{ Text string }
	}
	if err := json.Unmarshal([]byte(o.call("dead", "show", second)), &shown); err != nil {
		t.Fatal(err)
	}
	if shown.Turn != second || shown.Reason != "no way" || shown.Delivery.Text != "Hello." {
		t.Errorf("it shows %+v", shown)
	}

	cfg := bus.DefaultConfig()
	cfg.URL = testenv.NATS(t)
	b := bustest.Open(t, cfg)
	o.prints("Replayed 2 of 2.\n", "dead", "replay", "--all", "--not-replayed", "--nats.url", cfg.URL)
	for _, queue := range []bus.Queue{bus.Texts(), bus.Messages()} {
		var rung []int64
		if err := b.Rings(queue).Receive(t.Context(), 1, func(chats []int64, ack func()) {
			rung = append(rung, chats...)
			ack()
		}); err != nil || len(rung) != 1 || rung[0] != chat {
			t.Errorf("%s is rung for %v (%v), want %d", queue.Name, rung, err, chat)
		}
	}
	o.prints("Replayed 0 of 0.\n", "dead", "replay", "--all", "--not-replayed")
	o.matches(line(first, "generator", "1", "no words"), "dead", "list")
	o.prints("Purged 1.\n", "dead", "purge", first, "--yes")
	o.refuses(first+": there is no such dead letter", "dead", "show", first)
	o.refuses(`turn id "letter": want CHAT-NUMBER, two whole numbers from 1, such as 3-17`, "dead", "show", "letter")
	o.refuses("want a TURN, or --all with flags that choose", "dead", "replay")
}

// matches calls a command and compares its output with a regular expression.
func (o on) matches(want string, args ...string) {
	o.t.Helper()
	if got := o.call(args...); !regexp.MustCompile(want).MatchString(got) {
		o.t.Errorf("%v: no %s in\n%s", args, want, got)
	}
}
