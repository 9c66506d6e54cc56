package listener_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	stages "github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/killpoint"
	"github.com/chorus-cast/chorus/services/listener"
	"github.com/chorus-cast/chorus/services/listener/incoming"
	"github.com/chorus-cast/chorus/services/listener/intake"
)

// The operators of these tests, and who is none.
const kim, lee, stranger = 41, 42, 43

// told is a Telegram that notes the answers to presses.
type told struct {
	silent

	mu  sync.Mutex
	all []string
}

func (t *told) AnswerQuery(_ context.Context, _ secret.String, query, text string) telegram.Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, query+": "+text)
	return telegram.Outcome{Kind: telegram.Done}
}

func (t *told) take() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() { t.all = nil }()
	return strings.Join(t.all, "; ")
}

// desk is a stage on which texts that wait are shown to operators in a chat.
type desk struct {
	*stage

	listener   *listener.Listener
	told       *told
	journal    *journal.Journal
	intake     *intake.Writer
	chat, room int64 // of the cast, and of the operators
	at         int64 // Telegram's id of the latter
	updates    int64
}

// newDesk has a private chat of Kim where at is above 0, else a group of operators.
func newDesk(t *testing.T, at int64) *desk {
	t.Helper()
	t.Parallel()
	d := &desk{stage: newStage(t, 1), told: &told{}, at: at}
	d.chat, _ = d.stage.chat(world.Supergroup, "Club")
	d.journal = journal.New(d.pool)
	if at < 0 {
		d.room, d.at = d.stage.chat(world.Supergroup, "Desk")
		d.exec(`UPDATE chats SET enabled = false WHERE id = $1`, d.room)
	}
	for key, text := range map[*settings.Definition]string{
		settings.ApprovalChat.Definition: fmt.Sprint(d.at), settings.ApprovalPeople.Definition: fmt.Sprintf("%d,%d", kim, lee),
		settings.ApprovalBot.Definition: "bot0",
	} {
		d.set(key, text)
	}
	var err error
	if d.intake, err = intake.New(d.pool, d.journal); err != nil {
		t.Fatal(err)
	}
	d.listener = d.make(t, d.told)
	return d
}

func (d *desk) set(key *settings.Definition, text string) {
	d.t.Helper()
	value, err := key.ParseText(text)
	if err == nil {
		err = settingspg.Set(d.t.Context(), d.pool, key.Key, settings.Global, 0, value)
	}
	if err == nil {
		d.settings, err = settingspg.Open(d.t.Context(), d.pool, nil)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// hold has a text wait, and shows it. It gives the turn and the notice.
func (d *desk) hold(text string) (turn, notice int64) {
	d.t.Helper()
	planned := d.plans(d.journal, d.chat, d.bots[0], 0)
	u := d.writing(d.journal, d.chat)
	d.written(d.journal, u, journal.Written{Held: time.Now().Add(time.Hour), Deliveries: []*chorusv1.Delivery{journaltest.Message(planned, text)}})
	d.approve()
	turn = planned.GetId().GetNumber()
	d.room = value[int64](d.stage, `SELECT shown_chat FROM notices WHERE turn_no = $1`, turn)
	d.deliver()
	return turn, value[int64](d.stage, `SELECT max(id) FROM notices WHERE turn_no = $1`, turn)
}

func (d *desk) approve() {
	d.t.Helper()
	if err := d.listener.Approve(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// deliver sends what is to be sent to the operators.
func (d *desk) deliver() (all []*chorusv1.Delivery) {
	d.t.Helper()
	lane := d.journal.Deliveries(journal.LaneCommand, claims())
	next, err := lane.Claim(d.t.Context(), []int64{d.room})
	for err == nil && len(next) > 0 {
		u := next[0]
		all = append(all, u.Delivery)
		sent := journal.Sent{Outcome: chorusv1.Outcome_OUTCOME_DELIVERED}
		if u.GetAction() == chorusv1.Action_ACTION_SEND_MESSAGE {
			sent.Message = &journal.Message{TelegramID: 9000 + u.GetId().GetNumber(), Text: u.GetText(), At: time.Now()}
			if d.at > 0 {
				sent.Message.Viewer = d.bots[0]
			}
		}
		next, err = lane.Commit(d.t.Context(), []stages.End[*journal.Unsent, journal.Sent]{{Task: u, Result: sent}})
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return all
}

// hearf takes in an update's part after its id, as Telegram's JSON.
func (d *desk) hearf(format string, args ...any) {
	d.t.Helper()
	d.updates++
	u, err := incoming.Parse(json.RawMessage(fmt.Sprintf(`{"update_id":%d,%s}`, d.updates, fmt.Sprintf(format, args...))))
	if err != nil {
		d.t.Fatal(err)
	}
	bot := intake.Bot{ID: d.bots[0], Account: d.accounts[0], Username: username(0)}
	for range 2 { // it may come twice
		if _, err := d.intake.Write(d.t.Context(), bot, intake.Cast{bot}, []incoming.Update{u}); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *desk) where() string {
	if d.at > 0 {
		return fmt.Sprintf(`{"id":%d,"type":"private","first_name":"Kim"}`, d.at)
	}
	return fmt.Sprintf(`{"id":%d,"type":"supergroup","title":"Desk"}`, d.at)
}

func (d *desk) press(who int64, data string) {
	d.t.Helper()
	d.hearf(`"callback_query":{"id":"q%d","from":{"id":%d,"first_name":"P%d"},"message":{"message_id":1,"date":0,"chat":%s},"data":%q}`,
		d.updates+1, who, who, d.where(), data)
}

// answer answers the message of a notice.
func (d *desk) answer(who, notice int64, text string) {
	d.t.Helper()
	shown := value[int64](d.stage, `SELECT 9000 + shown_turn FROM notices WHERE id = $1`, notice)
	command, _, _ := strings.Cut(text, " ")
	d.hearf(`"message":{"message_id":%d,"date":%d,"from":{"id":%d,"first_name":"P%d"},"chat":%s,"text":%q,
"entities":[{"type":"bot_command","offset":0,"length":%d}],"reply_to_message":{"message_id":%d,"date":1,"from":{"id":%d,"is_bot":true}}}`,
		100+d.updates, time.Now().Unix(), who, who, d.where(), text, len(command), shown, d.accounts[0])
}

// state is what became of a turn.
func (d *desk) state(turn int64) string {
	d.t.Helper()
	return value[string](d.stage, `SELECT concat_ws(' ', coalesce(outcome, 'open'), (SELECT string_agg(concat_ws(' ', lane, body), ', ') FROM deliveries v
WHERE v.chat_id = t.chat_id AND v.turn_no = t.turn_no)) FROM turns t WHERE chat_id = $1 AND turn_no = $2`, d.chat, turn)
}

func TestOperatorsDecideByTelegram(t *testing.T) {
	for name, c := range map[string]struct {
		act    func(d *desk, notice int64)
		answer string // to what was pressed
		state  string
		edited string // what the notice becomes; empty while the text waits
		said   string // to who wrote
	}{
		"send":    {func(d *desk, n int64) { d.press(kim, fmt.Sprintf("send %d", n)) }, "q1: Done.", "open message Hello", "bot0 in Club: sent by P41 (Telegram 41).", ""},
		"discard": {func(d *desk, n int64) { d.press(lee, fmt.Sprintf("discard %d", n)) }, "q1: Done.", "rejected held Hello", "bot0 in Club: discarded by P42 (Telegram 42).", ""},
		"again":   {func(d *desk, n int64) { d.press(kim, fmt.Sprintf("again %d", n)) }, "q1: Done.", "open", "bot0 in Club: to be written again, as asked by P41 (Telegram 41).", ""},
		"twice": {func(d *desk, n int64) {
			d.press(kim, fmt.Sprintf("send %d", n))
			d.approve()
			d.press(lee, fmt.Sprintf("discard %d", n))
		}, "q1: Done.; q2: It is decided already: sent by P41 (Telegram 41).", "open message Hello", "bot0 in Club: sent by P41 (Telegram 41).", ""},
		"stranger": {func(d *desk, n int64) { d.press(stranger, fmt.Sprintf("send %d", n)) }, "q1: You may not decide here.", "open held Hello", "", ""},
		"forged":   {func(d *desk, n int64) { d.press(kim, fmt.Sprintf("burn %d", n)) }, "q1: This text is not known any more.", "open held Hello", "", ""},
		"old":      {func(d *desk, n int64) { d.press(kim, fmt.Sprintf("send %d", n+9)) }, "q1: This text is not known any more.", "open held Hello", "", ""},
		"no data":  {func(d *desk, _ int64) { d.press(kim, "") }, "q1: This text is not known any more.", "open held Hello", "", ""},
		"shown elsewhere": {func(d *desk, n int64) {
			d.hearf(`"callback_query":{"id":"q","from":{"id":41,"first_name":"Kim"},"message":{"message_id":1,"chat":{"id":-77,"type":"group"}},"data":"send %d"}`, n)
		}, "q: This text is not known any more.", "open held Hello", "", ""},
		"edit":          {func(d *desk, n int64) { d.answer(kim, n, "/edit Good\nevening") }, "", "open message Good\nevening", "bot0 in Club: changed and sent by P41 (Telegram 41).", ""},
		"note":          {func(d *desk, n int64) { d.answer(kim, n, "/again shorter") }, "", "open", "bot0 in Club: to be written again, as asked by P41 (Telegram 41).", ""},
		"empty edit":    {func(d *desk, n int64) { d.answer(kim, n, "/edit") }, "", "open held Hello", "", `P41: It can't be done: text: "", want a text.`},
		"a human":       {func(d *desk, n int64) { d.answer(kim, n, "/edit I am human") }, "", "open held Hello", "", "nothing that makes of a bot a human"},
		"stranger edit": {func(d *desk, n int64) { d.answer(stranger, n, "/edit Ha") }, "", "open held Hello", "", ""},
		"no command":    {func(d *desk, n int64) { d.answer(kim, n, "what do you think?") }, "", "open held Hello", "", ""},
		"in the console": {func(d *desk, n int64) {
			if err := d.journal.Discard(d.t.Context(), journal.Held{Chat: d.chat, Turn: 1, Version: value[int64](d.stage, `SELECT version FROM notices`), By: "Mia"}); err != nil {
				d.t.Fatal(err)
			}
			d.press(kim, fmt.Sprintf("send %d", n))
		}, "q1: It is decided already: discarded by Mia.", "rejected held Hello", "bot0 in Club: discarded by Mia.", ""},
		"nobody": {func(d *desk, n int64) {
			d.exec(`UPDATE turns SET planned_at = now() - interval '2 hours', due_at = now() - interval '2 hours', expires_at = now() - interval '1 minute' WHERE chat_id = $1`, d.chat)
			d.press(kim, fmt.Sprintf("send %d", n))
		}, "q1: It waits no more: its time was over, or it was taken back.", "open held Hello", "bot0 in Club: nobody decided in time, so it is not sent.", ""},
		"paused": {func(d *desk, _ int64) {
			if err := pgx.BeginFunc(d.t.Context(), d.pool, func(tx pgx.Tx) error { return d.journal.Drop(d.t.Context(), tx, d.chat, 0, "paused by Mia") }); err != nil {
				d.t.Fatal(err)
			}
		}, "", "expired held Hello", "bot0 in Club: paused by Mia, so it is not sent.", ""},
		"erased": {func(d *desk, _ int64) {
			if err := d.journal.Redact(d.t.Context(), []journal.Said{{Chat: d.chat, Turn: 1}}, "forgotten"); err != nil {
				d.t.Fatal(err)
			}
		}, "", "rejected held", "bot0 in Club: it waits no more.", ""},
	} {
		for where, at := range map[string]int64{"group": -1, "private": kim} {
			t.Run(name+" "+where, func(t *testing.T) {
				d := newDesk(t, at)
				turn, notice := d.hold("Hello")
				c.act(d, notice)
				d.approve()
				d.approve()
				if got := d.told.take(); got != c.answer {
					t.Errorf("the answer is %q, want %q", got, c.answer)
				}
				if got := d.state(turn); got != c.state {
					t.Errorf("it is %q, want %q", got, c.state)
				}
				var edited, said string
				for _, s := range d.deliver() {
					if s.GetAction() == chorusv1.Action_ACTION_EDIT_MESSAGE {
						edited += s.GetText()
					} else {
						said += s.GetText()
					}
				}
				if edited != c.edited || !strings.Contains(said, c.said) || c.said == "" && said != "" {
					t.Errorf("the notice becomes %q, want %q; said is %q, want %q", edited, c.edited, said, c.said)
				}
				if left := value[int](d.stage, `SELECT count(*) FROM presses`); left != 0 {
					t.Errorf("%d presses are left", left)
				}
				kept := value[int](d.stage, `SELECT count(*) FROM deliveries WHERE chat_id = $1 AND convert_from(payload, 'LATIN1') LIKE '%Hello%'`, d.room) +
					value[int](d.stage, `SELECT count(*) FROM messages WHERE chat_id = $1 AND body LIKE '%Hello%'`, d.room)
				if c.edited != "" && kept > 0 {
					t.Error("the text that was shown is kept beside the one that it is of")
				}
			})
		}
	}
}

func TestATextIsShownOnceWithButtonsThatFit(t *testing.T) {
	d := newDesk(t, -1)
	long := strings.Repeat("🎈", 2048)
	planned := d.plans(d.journal, d.chat, d.bots[0], 0)
	d.written(d.journal, d.writing(d.journal, d.chat), journal.Written{Held: time.Now().Add(time.Hour), Deliveries: []*chorusv1.Delivery{journaltest.Message(planned, long)}})
	other := d.make(t, d.told)
	var both sync.WaitGroup
	for _, l := range []*listener.Listener{d.listener, other} {
		both.Go(func() {
			if err := l.Approve(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	d.approve()
	shown := d.deliver()
	if len(shown) != 1 {
		t.Fatalf("it is shown %d times", len(shown))
	}
	if n := telegram.TextLength(shown[0].GetText()); n > telegram.MaxText || !strings.Contains(shown[0].GetText(), "🎈… (the whole is in the console)\n") {
		t.Errorf("%d characters are shown: %s", n, shown[0].GetText())
	}
	for _, b := range shown[0].GetButtons() {
		if len(b.GetData()) > 64 || b.GetText() == "" {
			t.Errorf("the button %v", b)
		}
	}
}

func TestTextsAreShownWhereTheCastDoesNotPlay(t *testing.T) {
	d := newDesk(t, -1)
	d.exec(`UPDATE chats SET enabled = true`)
	planned := d.plans(d.journal, d.chat, d.bots[0], 0)
	d.written(d.journal, d.writing(d.journal, d.chat), journal.Written{Held: time.Now().Add(time.Hour), Deliveries: []*chorusv1.Delivery{journaltest.Message(planned, "Hello")}})
	d.approve()
	if n := value[int](d.stage, `SELECT count(*) FROM notices`); n != 0 {
		t.Error("it is shown to all")
	}
}

func TestDecisionsByTelegramAreAudited(t *testing.T) {
	d := newDesk(t, -1)
	_, notice := d.hold("Hello")
	d.press(stranger, fmt.Sprintf("send %d", notice))
	d.press(kim, fmt.Sprintf("discard %d", notice))
	d.approve()
	if got := value[string](d.stage, `SELECT string_agg(concat_ws(' | ', actor, via, operation, object, before, after, result), ';') FROM audit_log`); got !=
		`P41 (Telegram 41) | telegram | discard-text | turn 1 of chat 1 | {"state": "waits"} | {"state": "discarded"} | done` {
		t.Error(got)
	}
}

// TestPressesOfTheDeadAreDoneOnce kills listeners before and after each statement of a
// decision. Others do what was asked for, once, and answer.
func TestPressesOfTheDeadAreDoneOnce(t *testing.T) {
	d := newDesk(t, -1)
	for _, point := range killpoint.Approval() {
		turn, notice := d.hold("Hello")
		d.press(kim, fmt.Sprintf("send %d", notice))
		doomed := d.in(t)
		var reached func()
		doomed.metrics = nil
		doomed.pool, reached = killpoint.Pool(t, d.pool.Config().ConnString(), point)
		// Its error, if any, says that the database is gone.
		_ = doomed.make(t, d.told).Approve(t.Context())
		reached()
		d.exec(`UPDATE presses SET next_at = now()`) // the claim of the dead has ended
		d.approve()
		d.approve()
		if got := d.state(turn); got != "open message Hello" {
			t.Fatalf("after a death %s it is %q", point, got)
		}
		if got := d.told.take(); !strings.Contains(got, ": Done.") {
			t.Errorf("after a death %s the answer is %q", point, got)
		}
		edits := 0
		for _, s := range d.deliver() {
			if s.GetAction() == chorusv1.Action_ACTION_EDIT_MESSAGE && strings.HasSuffix(s.GetText(), "sent by P41 (Telegram 41).") {
				edits++
			}
		}
		if edits != 1 {
			t.Errorf("after a death %s there are %d edits", point, edits)
		}
		d.exec(`UPDATE deliveries SET state = 'closed', outcome = 'delivered', closed_at = now() WHERE chat_id = $1 AND closed_at IS NULL`, d.chat)
		d.exec(`UPDATE turns SET outcome = 'delivered', closed_at = now() WHERE chat_id = $1 AND closed_at IS NULL`, d.chat)
	}
}

// TestAnswersToTheWrongAreSaidOnce kills listeners before and after each statement with
// which they tell somebody that what they wrote can't be sent.
func TestAnswersToTheWrongAreSaidOnce(t *testing.T) {
	d := newDesk(t, -1)
	_, notice := d.hold("Hello")
	for _, point := range killpoint.Each("claim presses", "end a press", "take a turn", "write turns") {
		d.answer(kim, notice, "/edit")
		doomed := d.in(t)
		var reached func()
		doomed.metrics = nil
		doomed.pool, reached = killpoint.Pool(t, d.pool.Config().ConnString(), point)
		// Its error, if any, says that the database is gone.
		_ = doomed.make(t, d.told).Approve(t.Context())
		reached()
		d.exec(`UPDATE presses SET next_at = now()`) // the claim of the dead has ended
		d.approve()
		said := 0
		for _, s := range d.deliver() {
			if strings.Contains(s.GetText(), "It can't be done") {
				said++
			}
		}
		if said != 1 {
			t.Errorf("after a death %s it is said %d times", point, said)
		}
	}
}
