package journal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// Ending a turn claims the chat's next one. Meanwhile no other process gets a turn of the
// chat.
func TestAChatsTextsAreWrittenInOrderByOneProcessAtATime(t *testing.T) {
	f := newFixture(t)
	first, second, third := f.message(f.chat), f.message(f.chat), f.message(f.chat)
	us, _ := f.process()
	them, _ := f.process()
	ours, theirs := f.Texts(us), f.Texts(them)
	chats := []int64{f.chat}
	u := one(t, must(t, ours.Claim, chats))
	if u.GetId().GetNumber() != first.GetId().GetNumber() {
		t.Fatalf("turn %v comes first", u.GetId())
	}
	if got := must(t, theirs.Claim, chats); len(got) > 0 {
		t.Fatalf("another process has claimed %v", got)
	}
	next := one(t, must(t, ours.Commit, []writing{{Task: u, Result: journal.Written{Deliveries: []*chorusv1.Delivery{journaltest.Message(first, "hello")}}}}))
	if next.GetId().GetNumber() != second.GetId().GetNumber() {
		t.Errorf("turn %v comes next", next.GetId())
	}
	if got := must(t, theirs.Claim, chats); len(got) > 0 {
		t.Errorf("another process has claimed %v", got)
	}
	end := journal.Written{Outcome: chorusv1.Outcome_OUTCOME_EXPIRED, Reason: "too late"}
	if got := must(t, ours.Commit, []writing{{Task: next, Result: end, Last: true}}); len(got) > 0 {
		t.Errorf("%v was claimed after the last one", got)
	}
	if got := one(t, must(t, theirs.Claim, chats)); got.GetId().GetNumber() != third.GetId().GetNumber() {
		t.Errorf("turn %v is claimed by the other process", got.GetId())
	}
	if diff := cmp.Diff([]string{"open waiting", "expired"}, []string{f.state(first), f.state(second)}); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
}

func TestATurnOfSeveralMessagesEndsWithTheLastOrWithOneThatIsNotDelivered(t *testing.T) {
	for name, c := range map[string]struct {
		outcomes []chorusv1.Outcome
		want     string
	}{
		"all are delivered": {[]chorusv1.Outcome{chorusv1.Outcome_OUTCOME_DELIVERED, chorusv1.Outcome_OUTCOME_DELIVERED, chorusv1.Outcome_OUTCOME_DELIVERED}, "delivered"},
		"the first is not":  {[]chorusv1.Outcome{chorusv1.Outcome_OUTCOME_EXPIRED}, "expired"},
		"the second is not": {[]chorusv1.Outcome{chorusv1.Outcome_OUTCOME_DELIVERED, chorusv1.Outcome_OUTCOME_UNKNOWN}, "unknown"},
		"the last is not":   {[]chorusv1.Outcome{chorusv1.Outcome_OUTCOME_DELIVERED, chorusv1.Outcome_OUTCOME_DELIVERED, chorusv1.Outcome_OUTCOME_REJECTED}, "rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			turn := f.message(f.chat)
			us, _ := f.process()
			f.write(us, f.chat, "one", "two", "three")
			after := f.message(f.chat)
			f.write(us, f.chat, "after")
			d := f.Deliveries(journal.LaneMessage, us)
			u := one(t, must(t, d.Claim, []int64{f.chat}))
			for i, outcome := range c.outcomes {
				if u.Part != i+1 {
					t.Fatalf("part %d comes at place %d", u.Part, i+1)
				}
				if got := f.ask(`SELECT outcome IS NULL FROM turns WHERE turn_no = $1`, turn.GetId().GetNumber()); got != "true" {
					t.Errorf("the turn ended before part %d", u.Part)
				}
				sent := journal.Sent{Outcome: outcome, Reason: "why"}
				if outcome == chorusv1.Outcome_OUTCOME_DELIVERED {
					sent = delivered(int64(i + 1))
				}
				u = one(t, must(t, d.Commit, []sending{{Task: u, Result: sent}}))
			}
			if u.GetId().GetNumber() != after.GetId().GetNumber() {
				t.Errorf("turn %v comes next", u.GetId())
			}
			own := []string{"rejected", "rejected", "rejected"} // the outcomes of parts that are not sent
			for i, outcome := range c.outcomes {
				own[i] = subject.OutcomeName(outcome)
			}
			if got := f.ask(`SELECT string_agg(outcome, ' ' ORDER BY part) FROM deliveries WHERE turn_no = $1`, turn.GetId().GetNumber()); got != strings.Join(own, " ") {
				t.Errorf("the deliveries are %s, want %v", got, own)
			}
			if got := f.ask(`SELECT outcome FROM turns WHERE turn_no = $1`, turn.GetId().GetNumber()); got != c.want {
				t.Errorf("the turn is %s, want %s", got, c.want)
			}
		})
	}
}

// Reactions and answers to commands don't wait for a chat's messages.
func TestLanesDontWaitForEachOther(t *testing.T) {
	f := newFixture(t)
	f.message(f.chat)
	us, _ := f.process()
	f.write(us, f.chat, "hello")
	f.reaction(f.chat)
	command := f.turn(f.chat, chorusv1.TurnKind_TURN_KIND_COMMAND)
	f.plan(journal.Planned{Turn: command, Delivery: journaltest.Message(command, "I am a bot")})
	for _, lane := range []journal.Lane{journal.LaneMessage, journal.LaneReaction, journal.LaneCommand} {
		d := f.Deliveries(lane, us)
		u := one(t, must(t, d.Claim, []int64{f.chat}))
		if !u.Calling || u.TakenOver {
			t.Errorf("%s: calling %v, taken over %v", lane, u.Calling, u.TakenOver)
		}
		must(t, d.Commit, []sending{{Task: u, Result: delivered(u.GetId().GetNumber())}})
	}
	if got := f.ask(`SELECT string_agg(talk::text, ',' ORDER BY turn_no) FROM messages`); got != "true,true,false" {
		t.Errorf("they are talk: %s", got)
	}
}

func TestADeferredRowComesBackWhenItsTimeHasCome(t *testing.T) {
	f := newFixture(t)
	f.message(f.chat)
	f.message(f.chat)
	us, _ := f.process()
	texts := f.Texts(us)
	u := one(t, must(t, texts.Claim, []int64{f.chat}))
	if err := texts.Defer(t.Context(), u, time.Now().Add(time.Hour), 1); err != nil {
		t.Fatal(err)
	}
	if got := must(t, texts.Claim, []int64{f.chat}); len(got) > 0 {
		t.Errorf("%v was claimed before its time, or out of order", got)
	}
	if s := sweep(t, texts.Sweep); len(s.Due) > 0 || s.Open != 2 {
		t.Errorf("a sweep found %+v", s)
	}
	f.exec(`UPDATE turns SET not_before = now() - interval '1 second' WHERE not_before IS NOT NULL`)
	if s := sweep(t, texts.Sweep); len(s.Due) != 1 || s.Due[0] != f.chat {
		t.Errorf("a sweep found %+v", s)
	}
	if got := one(t, must(t, texts.Claim, []int64{f.chat})); got.GetId().GetNumber() != u.GetId().GetNumber() || got.Attempts() != 1 {
		t.Errorf("turn %v with %d attempts", got.GetId(), got.Attempts())
	}
}

// A process that has lost its claim can't change anything.
func TestALostClaimChangesNothing(t *testing.T) {
	f := newFixture(t)
	turn := f.message(f.chat)
	us, die := f.process()
	them, _ := f.process()
	f.write(us, f.chat, "hello")
	ours, theirs := f.Deliveries(journal.LaneMessage, us), f.Deliveries(journal.LaneMessage, them)
	u := one(t, must(t, ours.Claim, []int64{f.chat}))
	if s := sweep(t, theirs.Sweep); len(s.Taken) > 0 {
		t.Fatalf("a claim of a living process was taken over: %v", s.Taken)
	}
	die()
	taken := takenOver(t, theirs)
	if !taken.TakenOver || !taken.Calling {
		t.Errorf("taken over %v, calling %v", taken.TakenOver, taken.Calling)
	}
	must(t, ours.Commit, []sending{{Task: u, Result: delivered(1)}})
	if err := ours.Defer(t.Context(), u, time.Time{}, 1); err != nil {
		t.Error(err)
	}
	if err := ours.DeadLetter(t.Context(), u, "no"); err != nil {
		t.Error(err)
	}
	if err := ours.Begin(t.Context(), u, journal.Fallback); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("begin: %v", err)
	}
	if err := ours.Pause(t.Context(), u); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("pause: %v", err)
	}
	if got := f.state(turn); got != "open sending" {
		t.Errorf("it is %s", got)
	}
	if got := f.ask(`SELECT count(*) FROM messages`) + f.ask(`SELECT count(*) FROM dead_letters`); got != "00" {
		t.Errorf("messages and dead letters: %s", got)
	}
	must(t, theirs.Commit, []sending{{Task: taken, Result: journal.Sent{Outcome: chorusv1.Outcome_OUTCOME_UNKNOWN, Reason: "it died"}}})
	if got := f.state(turn); got != "unknown closed" {
		t.Errorf("it is %s", got)
	}
}

// A process that dies before its call leaves no unknown outcome.
func TestAPausedDeliveryOfADeadProcessIsSentByAnother(t *testing.T) {
	f := newFixture(t)
	f.message(f.chat)
	us, die := f.process()
	them, _ := f.process()
	f.write(us, f.chat, "hello")
	ours, theirs := f.Deliveries(journal.LaneMessage, us), f.Deliveries(journal.LaneMessage, them)
	u := one(t, must(t, ours.Claim, []int64{f.chat}))
	if err := ours.Pause(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	die()
	taken := takenOver(t, theirs)
	if taken.TakenOver || taken.Calling {
		t.Errorf("taken over %v, calling %v", taken.TakenOver, taken.Calling)
	}
	if err := theirs.Begin(t.Context(), taken, journal.Action); err != nil {
		t.Error(err)
	}
	if got := f.ask(`SELECT state FROM deliveries`); got != "sending" {
		t.Errorf("it is %s", got)
	}
}

// A process whose lock can't be seen, because its session was lost, goes on with its calls.
// Claims made after it listed the chats in work aren't taken for a dead owner's.
func TestNobodyTakesOverFromItself(t *testing.T) {
	f := newFixture(t)
	us, lose := f.process()
	other := journaltest.Chat(t, f.pool, "other", f.bot)
	f.message(f.chat)
	f.message(other)
	f.write(us, f.chat, "hello")
	one(t, must(t, f.Deliveries(journal.LaneMessage, us).Claim, []int64{f.chat}))
	one(t, must(t, f.Texts(us).Claim, []int64{other}))
	lose()
	testenv.Eventually(t, "the server has run for a while", func() (string, bool) {
		return "", f.ask(`SELECT `+lease.Settled) == "true"
	})
	if s := sweep(t, f.Deliveries(journal.LaneMessage, us).Sweep); len(s.Taken) > 0 {
		t.Error("a delivery is taken over from itself, and would be sent twice")
	}
	if s := sweep(t, f.Texts(us).Sweep); len(s.Taken) > 0 {
		t.Error("a turn is taken over from itself")
	}
	them, _ := f.process()
	takenOver(t, f.Deliveries(journal.LaneMessage, them))
}

// A process that stalls loses its claims when they expire.
func TestAClaimEndsWithItsTime(t *testing.T) {
	f := newFixture(t)
	f.message(f.chat)
	us, _ := f.process()
	them, _ := f.process()
	u := one(t, must(t, f.Texts(us).Claim, []int64{f.chat}))
	f.exec(`UPDATE turns SET claimed_until = now() - interval '1 second'`)
	if s := sweep(t, f.Texts(us).Sweep, f.chat); len(s.Taken) > 0 {
		t.Errorf("it took its own claim over, on which it works: %v", s.Taken)
	}
	if got := one(t, sweep(t, f.Texts(them).Sweep).Taken); got.GetId().GetNumber() != u.GetId().GetNumber() {
		t.Errorf("turn %v was taken over", got.GetId())
	}
}

func TestOverdueTurnsEndUnlessSomebodyHasThem(t *testing.T) {
	f := newFixture(t)
	us, _ := f.process()
	chat := func(name string) int64 { return journaltest.Chat(t, f.pool, name, f.bot) }
	unwritten, writing, waiting, sending, abandoned := chat("unwritten"), chat("writing"), chat("waiting"), chat("sending"), chat("abandoned")
	want := map[int64]string{
		unwritten: "expired", writing: "open", waiting: "expired closed", sending: "open sending", abandoned: "unknown closed",
	}
	turns := map[int64]*chorusv1.Turn{}
	for id := range want {
		turns[id] = f.message(id)
	}
	for _, id := range []int64{waiting, sending, abandoned} {
		f.write(us, id, "hello")
	}
	must(t, f.Texts(us).Claim, []int64{writing})
	must(t, f.Deliveries(journal.LaneMessage, us).Claim, []int64{sending, abandoned})
	f.exec(`UPDATE turns SET planned_at = now() - interval '1 hour', due_at = now() - interval '1 hour', expires_at = now() - interval '1 minute'`)
	f.exec(`UPDATE deliveries SET claimed_until = now() - interval '10 minutes' WHERE chat_id = $1`, abandoned)
	ended, err := f.Expire(t.Context(), time.Second, 100)
	if err != nil || len(ended) != 3 {
		t.Errorf("%v ended, %v", ended, err)
	}
	for id, state := range want {
		if got := f.state(turns[id]); got != state {
			t.Errorf("chat %d: %s, want %s", id, got, state)
		}
	}
}

func TestADeadLetterIsReplayedInTheOrderOfItsChat(t *testing.T) {
	for name, sent := range map[string]bool{"a text that can't be written": false, "a delivery that can't be made": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			dead, after := f.message(f.chat), f.message(f.chat)
			us, _ := f.process()
			claim := func() *chorusv1.TurnId { return one(t, must(t, f.Texts(us).Claim, []int64{f.chat})).GetId() }
			deadLetter := func(ctx context.Context) error {
				u := one(t, must(t, f.Texts(us).Claim, []int64{f.chat}))
				return f.Texts(us).DeadLetter(ctx, u, "it can't\x00 be done")
			}
			if sent {
				f.write(us, f.chat, "hello")
				f.write(us, f.chat, "again")
				claim = func() *chorusv1.TurnId {
					return one(t, must(t, f.Deliveries(journal.LaneMessage, us).Claim, []int64{f.chat})).GetId()
				}
				deadLetter = func(ctx context.Context) error {
					u := one(t, must(t, f.Deliveries(journal.LaneMessage, us).Claim, []int64{f.chat}))
					return f.Deliveries(journal.LaneMessage, us).DeadLetter(ctx, u, "it can't\x00 be done")
				}
			}
			if err := deadLetter(t.Context()); err != nil {
				t.Fatal(err)
			}
			letters, err := f.FindDeadLetters(t.Context(), journal.DeadLetterFilter{Turn: dead.GetId()}, 10)
			if err != nil || len(letters) != 1 || letters[0].Reason != "it can't  be done" || letters[0].Chat != "club" || letters[0].Attempts != 1 {
				t.Fatalf("letters: %+v, %v", letters, err)
			}
			lane, err := f.Replay(t.Context(), dead.GetId(), time.Hour)
			if err != nil || sent != (lane == journal.LaneMessage) {
				t.Fatalf("replayed in %q, %v", lane, err)
			}
			if _, err := f.Replay(t.Context(), dead.GetId(), time.Hour); !errors.Is(err, journal.ErrNoDeadLetter) {
				t.Errorf("a second time: %v", err)
			}
			if got := claim(); got.GetNumber() != dead.GetId().GetNumber() {
				t.Errorf("turn %d comes before %d", got.GetNumber(), after.GetId().GetNumber())
			}
		})
	}
}

func TestADeadTurnIsReplayedFromThePartThatDied(t *testing.T) {
	f := newFixture(t)
	turn := f.message(f.chat)
	us, _ := f.process()
	f.write(us, f.chat, "one", "two", "three")
	d := f.Deliveries(journal.LaneMessage, us)
	first := one(t, must(t, d.Claim, []int64{f.chat}))
	second := one(t, must(t, d.Commit, []sending{{Task: first, Result: delivered(1)}}))
	if err := d.DeadLetter(t.Context(), second, "it can't be done"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Replay(t.Context(), turn.GetId(), time.Hour); err != nil {
		t.Fatal(err)
	}
	u := one(t, must(t, d.Claim, []int64{f.chat}))
	for _, want := range []string{"two", "three"} {
		if u.GetText() != want {
			t.Errorf("%q is sent, want %q", u.GetText(), want)
		}
		if next := must(t, d.Commit, []sending{{Task: u, Result: delivered(int64(u.Part))}}); len(next) > 0 {
			u = next[0]
		}
	}
	if got := f.ask(`SELECT outcome FROM turns`); got != "delivered" {
		t.Errorf("the turn is %s", got)
	}
}

// takenOver waits until a sweep takes over a dead process' delivery. After a restart of
// PostgreSQL, the sweep first gives clients time to reconnect.
func takenOver(t *testing.T, d *journal.Deliveries) (taken *journal.Unsent) {
	t.Helper()
	testenv.Eventually(t, "it is taken over", func() (string, bool) {
		s := sweep(t, d.Sweep)
		if len(s.Taken) > 0 {
			taken = s.Taken[0]
		}
		return fmt.Sprintf("%+v", s), taken != nil
	})
	return taken
}
