package journal_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// hold plans a turn and gives it a text of several messages that waits for approval.
func (f *fixture) hold(c journal.Claims, parts ...string) *chorusv1.TurnId {
	f.t.Helper()
	turn := f.message(f.chat)
	f.rewritten(c, turn.GetId(), parts...)
	return turn.GetId()
}

func (f *fixture) rewritten(c journal.Claims, id *chorusv1.TurnId, parts ...string) {
	f.t.Helper()
	texts := f.Texts(c)
	u := one(f.t, must(f.t, texts.Claim, []int64{f.chat}))
	if u.GetId().GetNumber() != id.GetNumber() {
		f.t.Fatalf("turn %v is written", u.GetId())
	}
	w := journal.Written{Held: time.Now().Add(time.Hour)}
	for _, text := range parts {
		w.Deliveries = append(w.Deliveries, journaltest.Message(u.Turn, text))
	}
	must(f.t, texts.Commit, []writing{{Task: u, Result: w, Last: true}})
}

// held identifies a held text, as Kim has looked at it.
func (*fixture) held(id *chorusv1.TurnId, version int64) journal.Held {
	return journal.Held{Chat: id.GetChatId(), Turn: id.GetNumber(), Version: version, By: "Kim", Via: "telegram"}
}

// decisions returns the stored decisions, with the drafts that only they keep.
func (f *fixture) decisions() string {
	f.t.Helper()
	return f.ask(`SELECT string_agg(concat_ws(' ', what, 'by', by, 'via', via || CASE note WHEN '' THEN '' ELSE ':' END, nullif(note, ''), draft), ', ' ORDER BY version) FROM decisions`)
}

func (f *fixture) version(id *chorusv1.TurnId) (fence int64) {
	f.t.Helper()
	if err := f.pool.QueryRow(f.t.Context(), `SELECT fence FROM turns WHERE chat_id = $1 AND turn_no = $2`, id.GetChatId(), id.GetNumber()).Scan(&fence); err != nil {
		f.t.Fatal(err)
	}
	return fence
}

// A held text waits for approval only, and no other text waits for it.
func TestAHeldTextIsNotSent(t *testing.T) {
	f := newFixture(t)
	us, _ := f.process()
	them, die := f.process()
	id := f.hold(them, "one", "two")
	die()
	after := f.message(f.chat)
	f.write(us, f.chat, "after")
	for _, lane := range journal.Lanes() {
		d := f.Deliveries(lane, us)
		if s := sweep(t, d.Sweep); lane != journal.LaneMessage && s.Open != 0 || lane == journal.LaneMessage && s.Open != 1 {
			t.Errorf("%s has %d open", lane, s.Open)
		}
		for _, u := range must(t, d.Claim, []int64{f.chat}) {
			if u.GetId().GetNumber() != after.GetId().GetNumber() {
				t.Errorf("turn %v is sent", u.GetId())
			}
			if next := must(t, d.Commit, []sending{{Task: u, Result: delivered(1)}}); len(next) > 0 {
				t.Errorf("%v comes next", next)
			}
		}
	}
	if got := f.ask(`SELECT expires_at > now() + interval '59 minutes' FROM turns WHERE turn_no = $1`, id.GetNumber()); got != "true" {
		t.Error("its turn ends before a person comes")
	}
	f.exec(`UPDATE turns SET planned_at = now() - interval '2 minutes', due_at = now() - interval '2 minutes', expires_at = now() - interval '1 minute' WHERE turn_no = $1`, id.GetNumber())
	if err := f.Approve(t.Context(), f.held(id, f.version(id)), "", time.Minute); !errors.Is(err, journal.ErrDecided) {
		t.Errorf("it is approved too late: %v", err)
	}
	if ended, err := f.Expire(t.Context(), time.Second, 10); err != nil || len(ended) != 1 {
		t.Errorf("%v ended, %v", ended, err)
	}
	if got := f.ask(`SELECT string_agg(outcome, ' ') FROM deliveries WHERE lane = 'held'`); got != "expired expired" {
		t.Errorf("its deliveries are %s", got)
	}
}

func TestAnApprovedTextIsSentOnceAsItStandsOrWasEdited(t *testing.T) {
	for edited, want := range map[string][]string{"": {"one", "two"}, "another": {"another"}} {
		t.Run(edited, func(t *testing.T) { isSent(t, edited, want) })
	}
}

func isSent(t *testing.T, edited string, want []string) {
	t.Helper()
	f := newFixture(t)
	us, _ := f.process()
	id := f.hold(us, "one", "two")
	if err := f.Approve(t.Context(), f.held(id, f.version(id)), edited, time.Minute); err != nil {
		t.Fatal(err)
	}
	d := f.Deliveries(journal.LaneMessage, us)
	sent := must(t, d.Claim, []int64{f.chat})
	for i, text := range want {
		u := one(t, sent)
		if left := time.Until(u.GetExpiresAt().AsTime()); u.GetText() != text || left > time.Minute || left < 30*time.Second {
			t.Errorf("%q is sent within %v, want %q", u.GetText(), left, text)
		}
		sent = must(t, d.Commit, []sending{{Task: u, Result: delivered(int64(i + 1))}})
	}
	if got := f.ask(`SELECT outcome FROM turns`); len(sent) > 0 || got != "delivered" {
		t.Errorf("%v is sent, too; the turn is %s", sent, got)
	}
	noted := "sent by Kim via telegram"
	if edited != "" {
		noted = "edited by Kim via telegram {one,two}"
	}
	if got := f.decisions(); got != noted {
		t.Errorf("it is noted that it was %s, want %s", got, noted)
	}
	// A person to forget may be named in the draft only.
	said := must(t, f.Words, []int64{f.chat})
	if edited != "" && !slices.ContainsFunc(said, func(s journal.Said) bool { return slices.Contains(s.Notes, "one two") }) {
		t.Errorf("the draft is not among what was said: %+v", said)
	}
	if err := f.Redact(t.Context(), said, "forgotten"); err != nil {
		t.Fatal(err)
	}
	if got := f.ask(`SELECT count(*) FROM decisions WHERE draft IS NOT NULL OR note <> ''`); got != "0" {
		t.Error("the draft is kept of who is forgotten")
	}
}

func TestAHeldTextIsWrittenAgainAsANoteAsks(t *testing.T) {
	f := newFixture(t)
	us, _ := f.process()
	id := f.hold(us, "one", "two")
	first := f.version(id)
	if err := f.Rewrite(t.Context(), f.held(id, first), "Shorter.", time.Minute); err != nil {
		t.Fatal(err)
	}
	turn := &chorusv1.Turn{}
	var payload []byte
	if err := f.pool.QueryRow(t.Context(), `SELECT payload FROM turns`).Scan(&payload); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(payload, turn); err != nil || turn.GetNote() != "Shorter." || time.Until(turn.GetExpiresAt().AsTime()) > time.Minute {
		t.Errorf("%v, %v", turn, err)
	}
	f.rewritten(us, id, "three")
	if err := f.Approve(t.Context(), f.held(id, first), "", time.Minute); !errors.Is(err, journal.ErrDecided) {
		t.Errorf("a text is approved that nobody has looked at: %v", err)
	}
	if err := f.Discard(t.Context(), f.held(id, f.version(id))); err != nil {
		t.Fatal(err)
	}
	if got := f.decisions(); got != "rewritten by Kim via telegram: Shorter. {one,two}, discarded by Kim via telegram" {
		t.Errorf("it is noted that it was %s", got)
	}
	if got := f.ask(`SELECT string_agg(t.outcome || ' ' || t.reason || ', ' || d.body || ' ' || d.outcome, ';') FROM turns t JOIN deliveries d USING (chat_id, turn_no)`); got !=
		"rejected discarded by Kim, three rejected" {
		t.Errorf("it is %s", got)
	}
}

// If many people decide at the same time, exactly one succeeds, and that decision takes
// effect.
func TestOneDecidesOnAHeldText(t *testing.T) {
	f := newFixture(t)
	us, _ := f.process()
	id := f.hold(us, "one")
	version := f.version(id)
	decisions := []func(context.Context) error{
		func(ctx context.Context) error { return f.Approve(ctx, f.held(id, version), "", time.Minute) },
		func(ctx context.Context) error { return f.Approve(ctx, f.held(id, version), "two", time.Minute) },
		func(ctx context.Context) error { return f.Discard(ctx, f.held(id, version)) },
		func(ctx context.Context) error { return f.Rewrite(ctx, f.held(id, version), "Shorter.", time.Minute) },
	}
	states := []string{"open waiting message one", "open waiting message two", "rejected closed held one", "open"}
	errs := make([]error, len(decisions))
	var all sync.WaitGroup
	for i, decide := range decisions {
		all.Go(func() { errs[i] = decide(t.Context()) })
	}
	all.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won < 0:
			won = i
		case !errors.Is(err, journal.ErrDecided):
			t.Errorf("decision %d: %v", i, err)
		}
	}
	got := f.ask(`SELECT concat_ws(' ', coalesce(t.outcome, 'open'), d.state, d.lane, d.body) FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no)`)
	if won < 0 || got != states[won] {
		t.Fatalf("decision %d was made: %s", won, got)
	}
	// The others are told of the decision.
	want := journal.DecidedError{What: []string{"sent", "edited", "discarded", "rewritten"}[won], By: "Kim"}
	for i, err := range errs {
		if told := (*journal.DecidedError)(nil); i != won && (!errors.As(err, &told) || *told != want) {
			t.Errorf("decision %d is told %v, want %v", i, err, &want)
		}
	}
}
