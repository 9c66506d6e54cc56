package journal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const emojiMessage = chorusv1.Fallback_FALLBACK_EMOJI_MESSAGE

// scene is a journal with one chat and one bot.
type scene struct {
	*journal.Journal
	t         *testing.T
	pool      *pgxpool.Pool
	chat, bot int64
}

func newScene(t *testing.T) *scene {
	t.Helper()
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	return &scene{Journal: journal.New(pool), t: t, pool: pool, bot: bot, chat: journaltest.Chat(t, pool, "club", bot)}
}

func (s *scene) plan(planned ...journal.Planned) (turns, reactions []journal.Entry) {
	s.t.Helper()
	err := store.InTx(s.t.Context(), s.pool, func(tx pgx.Tx) (err error) {
		turns, reactions, err = s.Plan(s.t.Context(), tx, planned)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return turns, reactions
}

// message writes a turn and its message down.
func (s *scene) message(number int64) *chorusv1.Delivery {
	s.t.Helper()
	turn := journaltest.Turn(s.chat, number, s.bot)
	s.plan(journal.Planned{Turn: turn})
	d := journaltest.Message(turn, "hello")
	if _, made, err := s.Deliver(s.t.Context(), d, ""); err != nil || !made {
		s.t.Fatalf("deliver: made %v, %v", made, err)
	}
	return d
}

func (s *scene) reaction(number int64) *chorusv1.Delivery {
	s.t.Helper()
	turn := journaltest.Turn(s.chat, number, s.bot)
	turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REACTION, 1
	d := journaltest.Reaction(turn, "👍", emojiMessage)
	s.plan(journal.Planned{Turn: turn, Delivery: d})
	return d
}

func (s *scene) claim(d *chorusv1.Delivery, owner string) *journal.Claim {
	s.t.Helper()
	c, refused, err := s.Claim(s.t.Context(), d.GetId(), owner)
	if err != nil || c == nil {
		s.t.Fatalf("claim: refused %+v, %v", refused, err)
	}
	return c
}

func (s *scene) refused(d *chorusv1.Delivery) journal.Refusal {
	s.t.Helper()
	c, refused, err := s.Claim(s.t.Context(), d.GetId(), "other")
	if err != nil || c != nil {
		s.t.Fatalf("claimed: %+v, %v", c, err)
	}
	return *refused
}

func (s *scene) is(d *chorusv1.Delivery, want string) {
	s.t.Helper()
	got, err := journaltest.State(s.t.Context(), s.pool, d.GetId())
	if err != nil {
		s.t.Fatal(err)
	}
	if got != want {
		s.t.Errorf("turn %v is %q, want %q", d.GetId(), got, want)
	}
}

func (s *scene) count(sql string, args ...any) (n int) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), sql, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func receipt(d *chorusv1.Delivery, outcome chorusv1.Outcome) *chorusv1.Receipt {
	return &chorusv1.Receipt{Id: d.GetId(), BotId: d.GetBotId(), Action: d.GetAction(), Outcome: outcome, PlannedAt: d.GetPlannedAt(), ClosedAt: timestamppb.Now()}
}

func TestMessageIsDeliveredOnce(t *testing.T) {
	s := newScene(t)
	d := s.message(1)
	c := s.claim(d, "one")
	if c.Attempts != 1 || c.Step != journal.Action || c.Number == 0 {
		t.Errorf("claim: %+v", c)
	}
	if got := s.refused(d); got.Reason != journal.Orphaned || got.Owner != "one" || got.Fence != c.Fence {
		t.Errorf("a second claim is refused as %+v", got)
	}
	sent := &journal.Sent{TelegramID: 77, Text: "hello", At: time.Now()}
	e, err := s.Finish(t.Context(), c, receipt(d, chorusv1.Outcome_OUTCOME_DELIVERED), sent)
	if err != nil {
		t.Fatal(err)
	}
	if e.Message.Subject == "" || e.Message.ID == "" || len(e.Message.Payload) == 0 {
		t.Errorf("the receipt's entry: %+v", e)
	}
	s.is(d, "delivered closed")
	if got := s.refused(d); got.Reason != journal.Over {
		t.Errorf("a claim of what has ended is refused as %+v", got)
	}
	if _, err := s.Finish(t.Context(), c, receipt(d, chorusv1.Outcome_OUTCOME_REJECTED), nil); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("a second end: %v", err)
	}
	if n := s.count(`SELECT count(*) FROM messages m JOIN message_ids i USING (chat_id, number)
		WHERE m.chat_id = $1 AND turn_no = 1 AND i.telegram_id = 77 AND viewer = 0 AND number = $2 AND topic = 'books'`, s.chat, c.Number); n != 1 {
		t.Errorf("%d messages logged, want 1", n)
	}
	if n := s.count(`SELECT count(*) FROM receipts WHERE outcome = 'delivered'`); n != 1 {
		t.Errorf("%d receipts, want 1", n)
	}
}

// A message may be deleted while its answer is on the way. The answer stays.
func TestAnAnswerOutlivesWhatItAnswers(t *testing.T) {
	s := newScene(t)
	answer := func(number, to int64) (replyTo int64) {
		t.Helper()
		d := s.message(number)
		c := s.claim(d, "one")
		sent := &journal.Sent{TelegramID: 70 + number, Text: "hello", ReplyTo: to, At: time.Now()}
		if _, err := s.Finish(t.Context(), c, receipt(d, chorusv1.Outcome_OUTCOME_DELIVERED), sent); err != nil {
			t.Fatal(err)
		}
		err := s.pool.QueryRow(t.Context(), `SELECT coalesce(reply_to, 0) FROM messages WHERE chat_id = $1 AND number = $2`, s.chat, c.Number).Scan(&replyTo)
		if err != nil {
			t.Fatal(err)
		}
		return replyTo
	}
	if got := answer(1, 0); got != 0 {
		t.Errorf("what answers nothing answers %d", got)
	}
	said := int64(s.count(`SELECT max(number) FROM messages`))
	if got := answer(2, said); got != said {
		t.Errorf("it answers %d, want %d", got, said)
	}
	if got := answer(3, said+1000); got != 0 {
		t.Errorf("it answers %d, which there is not", got)
	}
}

func TestDeliverIsIdempotent(t *testing.T) {
	s := newScene(t)
	d := s.message(1)
	if _, made, err := s.Deliver(t.Context(), d, ""); made || err != nil {
		t.Errorf("a second delivery: made %v, %v", made, err)
	}
	ended := journaltest.Turn(s.chat, 2, s.bot)
	s.plan(journal.Planned{Turn: ended})
	if _, err := s.CloseTurn(t.Context(), journal.ExpiredReceipt(ended, "late")); err != nil {
		t.Fatal(err)
	}
	if _, made, err := s.Deliver(t.Context(), journaltest.Message(ended, "too late"), ""); made || err != nil {
		t.Errorf("a delivery of an ended turn: made %v, %v", made, err)
	}
	s.is(journaltest.Message(ended, ""), "expired")
	if _, err := s.CloseTurn(t.Context(), journal.ExpiredReceipt(ended, "late")); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("closing twice: %v", err)
	}
	if _, err := s.CloseTurn(t.Context(), receipt(d, chorusv1.Outcome_OUTCOME_EXPIRED)); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("closing a turn with a delivery: %v", err)
	}
}

func TestProgress(t *testing.T) {
	s := newScene(t)
	open, ended := journaltest.Turn(s.chat, 1, s.bot), journaltest.Turn(s.chat, 2, s.bot)
	s.plan(journal.Planned{Turn: open}, journal.Planned{Turn: ended})
	if _, err := s.CloseTurn(t.Context(), journal.ExpiredReceipt(ended, "late")); err != nil {
		t.Fatal(err)
	}
	delivered := s.message(3)
	got := map[int64]journal.Progress{}
	for n := int64(1); n <= 4; n++ {
		p, err := s.Progress(t.Context(), &chorusv1.TurnId{ChatId: s.chat, Number: n})
		if err != nil {
			t.Fatal(err)
		}
		got[n] = p
	}
	want := map[int64]journal.Progress{1: journal.Open, 2: journal.Ended, delivered.GetId().GetNumber(): journal.Delivered, 4: journal.Unwritten}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMessagesOfAChatKeepTheirOrder(t *testing.T) {
	s := newScene(t)
	first, second, reaction := s.message(1), s.message(2), s.reaction(3)
	if got := s.refused(second); got.Reason != journal.Behind || !got.Until.IsZero() {
		t.Errorf("the second is refused as %+v", got)
	}
	s.claim(reaction, "one") // another lane
	until := time.Now().Add(time.Hour).Round(time.Millisecond)
	if err := s.Park(t.Context(), s.claim(first, "one"), until); err != nil {
		t.Fatal(err)
	}
	s.is(first, "open pending parked")
	if got := s.refused(second); got.Reason != journal.Behind || !got.Until.Equal(until) {
		t.Errorf("behind a parked one it is refused as %+v", got)
	}
	if got := s.refused(first); got.Reason != journal.Parked || !got.Until.Equal(until) {
		t.Errorf("the parked one is refused as %+v", got)
	}
	if _, err := s.Abandon(t.Context(), receipt(first, chorusv1.Outcome_OUTCOME_EXPIRED)); err != nil {
		t.Fatal(err)
	}
	s.is(first, "expired closed")
	s.claim(second, "one")
}

// The bus gives a turn out again, when the text of the next one is written.
func TestMessagesWaitForTheTextsOfEarlierTurns(t *testing.T) {
	s := newScene(t)
	turn := func(number int64, kind chorusv1.TurnKind, topic string, until time.Time) *chorusv1.Turn {
		turn := journaltest.Turn(s.chat, number, s.bot)
		turn.Kind, turn.Topic, turn.ExpiresAt = kind, topic, timestamppb.New(until)
		if kind != chorusv1.TurnKind_TURN_KIND_MESSAGE {
			turn.TargetMessage = 1
		}
		return turn
	}
	now := time.Now()
	over, late := turn(1, chorusv1.TurnKind_TURN_KIND_MESSAGE, "books", now.Add(time.Second)), turn(2, chorusv1.TurnKind_TURN_KIND_REPLY, "books", now.Add(time.Hour))
	over.PlannedAt, over.DueAt, over.ExpiresAt = timestamppb.New(now.Add(-time.Hour)), timestamppb.New(now.Add(-time.Hour)), timestamppb.New(now.Add(-time.Minute))
	about := turn(5, chorusv1.TurnKind_TURN_KIND_REPLY, "/about", now.Add(time.Hour))
	s.plan(journal.Planned{Turn: over}, journal.Planned{Turn: late})
	reaction, answer, second := s.reaction(3), journaltest.Message(about, "We are bots."), s.message(4)
	s.plan(journal.Planned{Turn: about, Delivery: answer})

	if got := s.refused(second); got.Reason != journal.Behind || !got.Until.IsZero() {
		t.Errorf("before the text of the turn ahead is written, it is refused as %+v", got)
	}
	s.claim(reaction, "one") // another lane
	s.claim(answer, "one")   // to a command
	first := journaltest.Message(late, "hello")
	if _, made, err := s.Deliver(t.Context(), first, ""); err != nil || !made {
		t.Fatalf("deliver: made %v, %v", made, err)
	}
	if got := s.refused(second); got.Reason != journal.Behind {
		t.Errorf("behind the text of the turn ahead it is refused as %+v", got)
	}
	if _, err := s.Abandon(t.Context(), receipt(first, chorusv1.Outcome_OUTCOME_EXPIRED)); err != nil {
		t.Fatal(err)
	}
	s.claim(second, "one") // though the first turn is open: its time is over
}

func TestFallback(t *testing.T) {
	s := newScene(t)
	d := s.reaction(1)
	c := s.claim(d, "one")
	if err := s.FallBack(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(t.Context(), c); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("an old claim can still write: %v", err)
	}
	c = s.claim(d, "one")
	if c.Step != journal.Fallback || c.Attempts != 2 {
		t.Errorf("the next claim: %+v", c)
	}
	if _, err := s.Finish(t.Context(), c, receipt(d, chorusv1.Outcome_OUTCOME_FELL_BACK), &journal.Sent{TelegramID: 5, Text: "👍", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	s.is(d, "fell_back closed")
}

func TestOrphans(t *testing.T) {
	s := newScene(t)
	d := s.message(1)
	dead := s.claim(d, "dead")
	taken, err := s.TakeOver(t.Context(), d.GetId(), dead.Fence, "heir")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.TakeOver(t.Context(), d.GetId(), dead.Fence, "late heir"); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("two heirs: %v", err)
	}
	if _, err := s.Finish(t.Context(), dead, receipt(d, chorusv1.Outcome_OUTCOME_DELIVERED), nil); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("the dead writes: %v", err)
	}
	if _, err := s.Disown(t.Context(), receipt(d, chorusv1.Outcome_OUTCOME_UNKNOWN), taken.Fence); err != nil {
		t.Fatal(err)
	}
	s.is(d, "unknown closed")
}

func TestBuryEndsTheTurnOnce(t *testing.T) {
	s := newScene(t)
	d := s.message(1)
	letter := &chorusv1.DeadLetter{Id: "DELIVERIES-1-1", Stream: "DELIVERIES", Turn: d.GetId(), Reason: "broken"}
	for range 2 {
		if err := s.Bury(t.Context(), letter); err != nil {
			t.Fatal(err)
		}
	}
	s.is(d, "dead closed")
	if err := s.Bury(t.Context(), &chorusv1.DeadLetter{Id: "TURNS-1-1", Stream: "TURNS", Reason: "undecodable"}); err != nil {
		t.Fatal(err)
	}
	entries, err := s.Letters().Claim(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("%d letters to publish, want 2", len(entries))
	}
}

func TestExpireClosesWhatNobodySends(t *testing.T) {
	s := newScene(t)
	past := func(number int64) *chorusv1.Turn {
		turn := journaltest.Turn(s.chat, number, s.bot)
		turn.PlannedAt = timestamppb.New(time.Now().Add(-time.Hour))
		turn.DueAt, turn.ExpiresAt = turn.GetPlannedAt(), timestamppb.New(time.Now().Add(-time.Minute))
		s.plan(journal.Planned{Turn: turn})
		return turn
	}
	bare, pending, sending := past(1), past(2), past(3)
	for _, turn := range []*chorusv1.Turn{pending, sending} {
		if _, made, err := s.Deliver(t.Context(), journaltest.Message(turn, "x"), ""); !made || err != nil {
			t.Fatal(made, err)
		}
	}
	fresh := s.message(4)
	if _, err := s.Abandon(t.Context(), receipt(journaltest.Message(pending, ""), chorusv1.Outcome_OUTCOME_EXPIRED)); err != nil {
		t.Fatal(err)
	}
	s.claim(journaltest.Message(sending, ""), "one")
	entries, err := s.Expire(t.Context(), 10*time.Second, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Turn.GetNumber() != bare.GetId().GetNumber() {
		t.Errorf("expired %v, want turn 1 alone", entries)
	}
	s.is(journaltest.Message(sending, ""), "open sending")
	s.is(fresh, "open pending")
}

func TestOutboxes(t *testing.T) {
	s := newScene(t)
	turns, reactions := s.plan(
		journal.Planned{Turn: journaltest.Turn(s.chat, 1, s.bot)},
		journal.Planned{Turn: journaltest.Turn(s.chat, 2, s.bot), TraceParent: "00-1-2-01"})
	if len(turns) != 2 || len(reactions) != 0 {
		t.Fatalf("entries: %v, %v", turns, reactions)
	}
	if turns[1].Message.TraceParent != "00-1-2-01" {
		t.Errorf("the trace context is lost: %+v", turns[1])
	}
	box := s.Turns()
	claim := func() []journal.Entry {
		t.Helper()
		got, err := box.Claim(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := claim(); len(got) != 0 {
		t.Errorf("the relay takes what its maker is about to publish: %v", got)
	}
	s.later("turns")
	claimed := claim()
	if diff := cmp.Diff(turns[0].Message, claimed[0].Message); diff != "" || len(claimed) != 2 {
		t.Errorf("%d claimed; what is published again differs: %s", len(claimed), diff)
	}
	if got := claim(); len(got) != 0 {
		t.Errorf("two relays have the same rows: %v", got)
	}
	for i := range claimed {
		claimed[i].Sequence = uint64(10 + i)
	}
	if err := box.Published(t.Context(), claimed); err != nil {
		t.Fatal(err)
	}
	if err := box.Hurry(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := claim(); len(got) != 2 || got[0].Sequence != 10 {
		t.Errorf("after the bus was lost: %v", got)
	}
	if _, _, err := s.Deliver(t.Context(), journaltest.Message(journaltest.Turn(s.chat, 1, s.bot), "hi"), ""); err != nil {
		t.Fatal(err)
	}
	s.later("turns")
	if got := claim(); len(got) != 1 {
		t.Errorf("a turn with a delivery is published again: %v", got)
	}
	if n := s.count(`SELECT count(*) FROM turns WHERE turn_no = 1 AND relay_at IS NULL`); n != 1 {
		t.Error("a turn with a delivery is looked at for ever")
	}
}

// later lets the time pass after which the relay looks at the rows.
func (s *scene) later(table string) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), `UPDATE `+table+` SET relay_at = now() WHERE relay_at IS NOT NULL`); err != nil {
		s.t.Fatal(err)
	}
}

func TestParkedDeliveriesComeBackAsNewPublications(t *testing.T) {
	s := newScene(t)
	d := s.message(1)
	ids := map[string]bool{}
	for range 3 {
		if r, err := s.ParkBehind(t.Context(), d.GetId(), time.Now().Add(-time.Second), "me"); err != nil || r != nil {
			t.Fatal(r, err)
		}
		entries, err := s.Parked().Claim(t.Context(), 10)
		if err != nil || len(entries) != 1 {
			t.Fatal(entries, err)
		}
		ids[entries[0].Message.ID] = true
	}
	if len(ids) != 3 {
		t.Errorf("message ids %v, want three different ones", ids)
	}
	// Who took it out may die before it is published.
	if n := s.count(`SELECT count(*) FROM deliveries WHERE relay_at < now() + interval '3 seconds'`); n != 1 {
		t.Error("its chat waits for longer than that until it is published by another")
	}
	s.is(d, "open pending")
}

func TestReactionsGoStraightToTheSender(t *testing.T) {
	s := newScene(t)
	turn := journaltest.Turn(s.chat, 1, s.bot)
	turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REACTION, 1
	turns, reactions := s.plan(journal.Planned{Turn: turn, Delivery: journaltest.Reaction(turn, "👍", emojiMessage)})
	if len(turns) != 0 || len(reactions) != 1 {
		t.Fatalf("%d turns and %d reactions to publish", len(turns), len(reactions))
	}
	s.later("deliveries")
	got, err := s.Deliveries(chorusv1.Action_ACTION_SET_REACTION).Claim(context.WithoutCancel(t.Context()), 10)
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if diff := cmp.Diff(reactions[0].Message, got[0].Message); diff != "" {
		t.Error(diff)
	}
	s.later("turns")
	if got, err := s.Turns().Claim(t.Context(), 10); err != nil || len(got) != 0 {
		t.Errorf("the turn of a reaction is published: %v, %v", got, err)
	}
}

func TestExpireGivesUpOrphansThatNobodyCameTo(t *testing.T) {
	s := newScene(t)
	d := s.message(1)
	s.claim(d, "the dead")
	s.overdue(d, time.Minute)
	s.expire()
	s.is(d, "open sending")
	s.overdue(d, 10*time.Minute)
	s.expire()
	s.is(d, "unknown closed")
	s.claim(s.message(2), "another") // the chat goes on
}

func (s *scene) overdue(d *chorusv1.Delivery, by time.Duration) {
	s.t.Helper()
	_, err := s.pool.Exec(s.t.Context(), `UPDATE turns SET planned_at = now() - interval '1 day', due_at = now() - interval '1 day', expires_at = now() - $3::interval WHERE (chat_id, turn_no) = ($1, $2)`,
		d.GetId().GetChatId(), d.GetId().GetNumber(), by)
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) expire() {
	s.t.Helper()
	if _, err := s.Expire(s.t.Context(), time.Second, 10); err != nil {
		s.t.Fatal(err)
	}
}

// A turn is closed or gets a delivery, never both, however they meet.
func TestCloseTurnAndDeliverAtOnce(t *testing.T) {
	s := newScene(t)
	turn := journaltest.Turn(s.chat, 1, s.bot)
	s.plan(journal.Planned{Turn: turn})
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// What Deliver does, held up before its commit.
	if _, err := tx.Exec(t.Context(), `UPDATE turns SET relay_at = NULL`); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `INSERT INTO deliveries (chat_id, turn_no, bot_id, action, payload, expires_at) VALUES ($1, 1, $2, 'send_message', '', now() + interval '1 minute')`, s.chat, s.bot); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() {
		_, err := s.CloseTurn(context.WithoutCancel(t.Context()), journal.ExpiredReceipt(turn, "late"))
		closed <- err
	}()
	testenv.Eventually(t, "the end of the turn waits", func() (string, bool) {
		n := s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		return "running", n == 1
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-closed; !errors.Is(err, journal.ErrFenced) {
		t.Errorf("a turn with a delivery was closed: %v", err)
	}
	s.is(journaltest.Message(turn, ""), "open pending")
}

func TestBuryingAgainSparesAReplayedTurn(t *testing.T) {
	s := newScene(t)
	d := s.message(1)
	s.bury("delivery", d.GetId(), "DELIVERIES")
	if err := s.Replay(t.Context(), "delivery", time.Minute); err != nil {
		t.Fatal(err)
	}
	s.bury("delivery", d.GetId(), "DELIVERIES")
	s.is(d, "open pending")
}
