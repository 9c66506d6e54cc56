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
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	stages "github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/killpoint"
	"github.com/chorus-cast/chorus/services/listener"
	"github.com/chorus-cast/chorus/services/listener/incoming"
	"github.com/chorus-cast/chorus/services/listener/intake"
)

// kim and lee are the operators of these tests. stranger is none.
const kim, lee, stranger = 41, 42, 43

// told is a Telegram that records the answers to presses.
type told struct {
	silent

	mu  sync.Mutex
	all []string
	// gone makes the checks of messages report that they don't exist.
	gone bool
}

func (t *told) SetReaction(_ context.Context, _ secret.String, r telegram.Reaction) telegram.Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone && r.MessageID > 9000 && r.Emoji == "" {
		return telegram.Outcome{Kind: telegram.PermanentAction, MessageGone: true}
	}
	return telegram.Outcome{Kind: telegram.Done}
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

// desk is a stage with a chat in which held texts are shown to operators.
type desk struct {
	*stage

	listener   *listener.Listener
	told       *told
	journal    *journal.Journal
	intake     *intake.Writer
	chat, room int64 // the chat of the cast, and that of the operators
	at         int64 // the room's id at Telegram
	updates    int64
}

// newDesk uses a private chat of Kim if at is above 0, else a group of operators.
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

// hold makes a text wait and sends its notice. It returns their numbers.
func (d *desk) hold(text string) (turn, notice int64) {
	d.t.Helper()
	turn, notice = d.post(text)
	d.deliver()
	return turn, notice
}

// post makes a text wait and plans its notice, without sending it.
func (d *desk) post(text string) (turn, notice int64) {
	d.t.Helper()
	planned := d.plans(d.journal, d.chat, d.bots[0], 0)
	u := d.writing(d.journal, d.chat)
	d.written(d.journal, u, journal.Written{Held: time.Now().Add(time.Hour), Deliveries: []*chorusv1.Delivery{journaltest.Message(planned, text)}})
	d.approve()
	turn = planned.GetId().GetNumber()
	d.room = value[int64](d.stage, `SELECT shown_chat FROM notices WHERE turn_no = $1`, turn)
	return turn, value[int64](d.stage, `SELECT max(id) FROM notices WHERE turn_no = $1`, turn)
}

func (d *desk) approve() {
	d.t.Helper()
	if err := d.listener.Approve(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// approveTogether runs the rounds of two listeners at the same time.
func (d *desk) approveTogether() {
	d.t.Helper()
	var both sync.WaitGroup
	for _, l := range []*listener.Listener{d.listener, d.make(d.t, d.told)} {
		both.Go(func() {
			if err := l.Approve(d.t.Context()); err != nil {
				d.t.Error(err)
			}
		})
	}
	both.Wait()
}

// deliver sends the deliveries for the operators.
func (d *desk) deliver() (all []*chorusv1.Delivery) {
	d.t.Helper()
	return d.deliverAs(chorusv1.Outcome_OUTCOME_DELIVERED)
}

func (d *desk) deliverAs(outcome chorusv1.Outcome) (all []*chorusv1.Delivery) {
	d.t.Helper()
	lane := d.journal.Deliveries(journal.LaneCommand, claims())
	next, err := lane.Claim(d.t.Context(), []int64{d.room})
	for err == nil && len(next) > 0 {
		u := next[0]
		all = append(all, u.Delivery)
		sent := journal.Sent{Outcome: outcome}
		if u.GetAction() == chorusv1.Action_ACTION_SEND_MESSAGE && outcome == chorusv1.Outcome_OUTCOME_DELIVERED {
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

// hearf writes an update. The format is the JSON after its id.
func (d *desk) hearf(format string, args ...any) {
	d.t.Helper()
	d.updates++
	u, err := incoming.Parse(json.RawMessage(fmt.Sprintf(`{"update_id":%d,%s}`, d.updates, fmt.Sprintf(format, args...))))
	if err != nil {
		d.t.Fatal(err)
	}
	bot := intake.Bot{ID: d.bots[0], Account: d.accounts[0], Username: username(0)}
	for range 2 { // Telegram may repeat it
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

// answer replies to the message of a notice.
func (d *desk) answer(who, notice int64, text string) {
	d.t.Helper()
	shown := value[int64](d.stage, `SELECT 9000 + shown_turn FROM notices WHERE id = $1`, notice)
	command, _, _ := strings.Cut(text, " ")
	d.hearf(`"message":{"message_id":%d,"date":%d,"from":{"id":%d,"first_name":"P%d"},"chat":%s,"text":%q,
"entities":[{"type":"bot_command","offset":0,"length":%d}],"reply_to_message":{"message_id":%d,"date":1,"from":{"id":%d,"is_bot":true}}}`,
		100+d.updates, time.Now().Unix(), who, who, d.where(), text, len(command), shown, d.accounts[0])
}

// state returns the state of a turn.
func (d *desk) state(turn int64) string {
	d.t.Helper()
	return value[string](d.stage, `SELECT concat_ws(' ', coalesce(outcome, 'open'), (SELECT string_agg(concat_ws(' ', lane, body), ', ') FROM deliveries v
WHERE v.chat_id = t.chat_id AND v.turn_no = t.turn_no)) FROM turns t WHERE chat_id = $1 AND turn_no = $2`, d.chat, turn)
}

func TestOperatorsDecideByTelegram(t *testing.T) {
	for name, c := range map[string]struct {
		act    func(d *desk, notice int64)
		answer string // the answer to the press
		state  string
		edited string // the edited notice; empty while the text waits
		said   string // the answer to the reply
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
	d.approveTogether()
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

// A text whose notice was refused or deleted is shown again once a bot may write there.
// Several listeners show it once. A later decision is answered in the new place.
func TestWhatWasNotSeenIsShownAgainOnce(t *testing.T) {
	const refused, delivered = chorusv1.Outcome_OUTCOME_REJECTED, chorusv1.Outcome_OUTCOME_DELIVERED
	suspend := func(d *desk) {
		if _, err := rosterpg.Suspend(d.t.Context(), d.pool, d.room, d.bots[0], "Forbidden: bot was blocked by the user"); err != nil {
			d.t.Fatal(err)
		}
	}
	remove := func(d *desk) { d.told.gone = true }
	start := func(d *desk) {
		d.hearf(`"message":{"message_id":1,"date":1,"from":{"id":41,"first_name":"Kim"},"chat":%s,"text":"/start"}`, d.where())
	}
	unblock := func(d *desk) {
		d.hearf(`"my_chat_member":{"date":1,"chat":%s,"new_chat_member":{"status":"member","user":{"id":%d,"is_bot":true}}}`, d.where(), d.accounts[0])
	}
	for name, c := range map[string]struct {
		ends   chorusv1.Outcome // the outcome of the first notice
		closes func(*desk)      // what happens in the meantime
		opens  func(*desk)
		again  int
	}{
		"blocked, and started again": {refused, suspend, start, 1},
		"blocked, and let back":      {refused, suspend, unblock, 1},
		"blocked, and on trial": {refused, suspend, func(d *desk) {
			d.exec(`UPDATE cast_members SET suspended_at = NULL, suspended_why = NULL, next_try_at = NULL, resumed_at = now()`)
		}, 1},
		"blocked, and still so": {refused, suspend, func(d *desk) {
			d.exec(`UPDATE turns SET closed_at = closed_at - interval '1 hour' WHERE chat_id = $1`, d.room)
		}, 0},
		"refused, and tried after a time": {refused, nil, func(d *desk) {
			d.exec(`UPDATE turns SET closed_at = closed_at - interval '6 minutes' WHERE chat_id = $1`, d.room)
		}, 1},
		"refused, and tried at once": {refused, nil, func(*desk) {}, 0},
		"deleted, and looked at":     {delivered, remove, func(d *desk) { d.exec(`UPDATE notices SET look_at = now()`) }, 1},
		"deleted, and started again": {delivered, remove, start, 1},
		"deleted, and not looked at": {delivered, remove, func(*desk) {}, 0},
		"there, and looked at":       {delivered, nil, start, 0},
		"nobody knows":               {chorusv1.Outcome_OUTCOME_UNKNOWN, nil, start, 0},
		"on its way":                 {chorusv1.Outcome_OUTCOME_UNSPECIFIED, nil, unblock, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, kim)
			turn, notice := d.post("Hello")
			first := 1
			if c.ends != chorusv1.Outcome_OUTCOME_UNSPECIFIED {
				d.deliverAs(c.ends)
				first = 0
			}
			if c.closes != nil {
				c.closes(d)
			}
			d.approve()
			if n := len(d.deliver()); n != first {
				t.Fatalf("it is shown %d times while the way is closed", n)
			}
			c.opens(d)
			d.approveTogether()
			d.told.gone = false
			d.approve()
			again := d.deliver()
			if len(again) != c.again || c.again > 0 && !strings.Contains(again[0].GetText(), "Hello") {
				t.Fatalf("it is shown again %d times, want %d: %v", len(again), c.again, again)
			}
			if n := value[int](d.stage, `SELECT count(*) FROM deliveries WHERE chat_id = $1 AND body LIKE '%Hello%'`, d.room); c.again > 0 && n != 1 {
				t.Errorf("the text is kept %d times where it is shown", n)
			}
			d.press(kim, fmt.Sprintf("send %d", notice))
			d.approve()
			d.approve()
			if got := d.state(turn); got != "open message Hello" {
				t.Errorf("it is %s", got)
			}
			seen := c.again > 0 || c.ends == delivered || first > 0
			if edits := d.deliver(); seen != (len(edits) == 1) || seen && edits[0].GetAction() != chorusv1.Action_ACTION_EDIT_MESSAGE {
				t.Errorf("it is told by %v", edits)
			}
		})
	}
}

// Another bot takes over a notice when the first bot may not write any more.
func TestAnotherBotShowsWhatTheFirstMayNot(t *testing.T) {
	d := newDesk(t, -1)
	d.set(settings.ApprovalBot.Definition, "")
	d.listener = d.make(t, d.told)
	_, _ = d.post("Hello")
	d.deliverAs(chorusv1.Outcome_OUTCOME_REJECTED)
	if _, err := rosterpg.Suspend(t.Context(), d.pool, d.room, d.bots[0], "Forbidden: bot was kicked from the supergroup chat"); err != nil {
		t.Fatal(err)
	}
	d.approve()
	if n := len(d.deliver()); n != 0 {
		t.Fatalf("it is shown %d times by nobody", n)
	}
	d.addBot("spare")
	d.exec(`INSERT INTO cast_members (chat_id, bot_id) VALUES ($1, $2)`, d.room, d.bots[1])
	d.approve()
	d.approve()
	if again := d.deliver(); len(again) != 1 || again[0].GetBotId() != d.bots[1] {
		t.Errorf("it is shown again by %v", again)
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

// TestWhatTheDeadBeganIsDoneOnce kills listeners before and after each statement of a
// decision, of the answer to a text that can't be sent, and of showing a deleted notice
// again. Another listener completes each exactly once.
func TestWhatTheDeadBeganIsDoneOnce(t *testing.T) {
	for name, c := range map[string]struct {
		points []string
		begin  func(d *desk)
		// done counts the completions, from what was sent to the operators.
		done func(d *desk, sent *chorusv1.Delivery) bool
		rest func(d *desk) error
	}{
		"decisions": {
			killpoint.Approval(),
			func(d *desk) {
				_, notice := d.hold("Hello")
				d.press(kim, fmt.Sprintf("send %d", notice))
			},
			func(_ *desk, sent *chorusv1.Delivery) bool {
				return sent.GetAction() == chorusv1.Action_ACTION_EDIT_MESSAGE && strings.HasSuffix(sent.GetText(), "sent by P41 (Telegram 41).")
			},
			func(d *desk) error {
				turn := value[int64](d.stage, `SELECT max(turn_no) FROM turns WHERE chat_id = $1`, d.chat)
				if got, said := d.state(turn), d.told.take(); got != "open message Hello" || !strings.Contains(said, ": Done.") {
					return fmt.Errorf("it is %q, and the answer is %q", got, said)
				}
				d.exec(`UPDATE deliveries SET state = 'closed', outcome = 'delivered', closed_at = now() WHERE chat_id = $1 AND closed_at IS NULL`, d.chat)
				d.exec(`UPDATE turns SET outcome = 'delivered', closed_at = now() WHERE chat_id = $1 AND closed_at IS NULL`, d.chat)
				return nil
			},
		},
		"answers": {
			killpoint.Each("claim presses", "end a press", "take a turn", "write turns"),
			func(d *desk) {
				if value[int](d.stage, `SELECT count(*) FROM notices`) == 0 {
					d.hold("Hello")
				}
				d.answer(kim, value[int64](d.stage, `SELECT id FROM notices`), "/edit")
			},
			func(_ *desk, sent *chorusv1.Delivery) bool {
				return strings.Contains(sent.GetText(), "It can't be done")
			},
			nil,
		},
		"looks": {
			killpoint.Each("claim looks at notices", "note that a notice is gone", "find texts to show", "take a turn", "note where a text is shown again", "blank a notice"),
			func(d *desk) {
				if value[int](d.stage, `SELECT count(*) FROM notices`) == 0 {
					d.hold("Hello")
				}
				d.told.gone = true
				d.exec(`UPDATE notices SET look_at = now()`)
			},
			func(d *desk, sent *chorusv1.Delivery) bool {
				d.told.gone = false
				return strings.Contains(sent.GetText(), "Hello")
			},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, -1)
			for _, point := range c.points {
				c.begin(d)
				doomed := d.in(t)
				var reached func()
				doomed.metrics = nil
				doomed.pool, reached = killpoint.Pool(t, d.pool.Config().ConnString(), point)
				// An error says that the database is gone.
				_ = doomed.make(t, d.told).Approve(t.Context())
				reached()
				// The dead listener's claims have ended. Notices that are being sent are
				// not checked.
				d.exec(`UPDATE presses SET next_at = now()`)
				d.exec(`UPDATE notices SET look_at = now() WHERE NOT gone AND NOT EXISTS (
    SELECT FROM turns WHERE chat_id = shown_chat AND turn_no = shown_turn AND closed_at IS NULL)`)
				d.approve()
				d.approve()
				times := 0
				for _, sent := range d.deliver() {
					if c.done(d, sent) {
						times++
					}
				}
				if times != 1 {
					t.Errorf("after a death %s it is done %d times", point, times)
				}
				if c.rest == nil {
					continue
				}
				if err := c.rest(d); err != nil {
					t.Fatalf("after a death %s %v", point, err)
				}
			}
		})
	}
}
