package sender_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/sender"
)

// patience limits every wait of a test. Only a broken sender takes so long.
const patience = 30 * time.Second

const emojiMessage = chorusv1.Fallback_FALLBACK_EMOJI_MESSAGE

// fixture runs a sender with a real database, a real bus and an emulated Telegram.
type fixture struct {
	t        testing.TB
	pool     *pgxpool.Pool
	journal  *journal.Journal
	bus      *bus.Bus
	busCfg   bus.Config
	cfg      sender.Config // the first sender's
	telegram *emulator.Emulator
	tokens   map[string]string
	bot      int64
	turns    map[int64]int64  // last turn, by chat
	limits   limit.Limiter    // nil for the sender's own
	log      *zap.Logger      // nil for the test's
	metrics  *sender.Metrics  // nil for none
	stages   *stage.Metrics   // nil for none
	lease    *lease.Lease     // of the current or last sender
	patience time.Duration    // longest wait for anything
	now      func() time.Time // nil for the process'
	through  string           // the address for calls to Telegram; empty for the emulator's
	sender   *sender.Sender   // the current or last one
	stop     func()
}

// newFixture starts a fixture with short waits.
func newFixture(t testing.TB, change ...func(*sender.Config)) *fixture {
	t.Helper()
	if test, ok := t.(*testing.T); ok {
		test.Parallel()
	}
	s := &fixture{t: t, pool: journaltest.Open(t), tokens: map[string]string{}, turns: map[int64]int64{}, patience: patience}
	s.journal = journal.New(s.pool)
	s.busCfg = bus.DefaultConfig()
	s.busCfg.URL = testenv.NATS(t)
	s.bus = bustest.Open(t, s.busCfg)
	s.emulate()
	s.bot = s.newBot("anna")
	cfg := sender.DefaultConfig()
	cfg.Typing, cfg.ShortWait, cfg.Grace = false, 100*time.Millisecond, 100*time.Millisecond
	cfg.Group = sender.ChatLimits{PerSecond: 1000, PerMinute: 60000}
	cfg.Supergroup = cfg.Group
	for _, c := range change {
		c(&cfg)
	}
	s.cfg = cfg
	s.run(cfg)
	return s
}

func (s *fixture) emulate() {
	s.t.Helper()
	cfg := emulator.DefaultConfig()
	cfg.Listen, cfg.Unlimited = "127.0.0.1:0", true
	e, err := emulator.New(cfg, testenv.Logger(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := e.Listen(); err != nil {
		s.t.Fatal(err)
	}
	testenv.Background(s.t, e.Run)
	s.telegram = e
}

func (s *fixture) run(cfg sender.Config) {
	s.t.Helper()
	calls := telegram.DefaultConfig()
	if calls.URL = s.through; calls.URL == "" {
		calls.URL = s.telegram.URL()
	}
	log := s.log
	if log == nil {
		log = testenv.Logger(s.t)
	}
	client, err := telegram.New(calls)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	s.lease = lease.New(s.pool, lease.Sender, log)
	snd, err := sender.New(cfg, sender.Deps{
		Pool: s.pool, Bus: s.bus, Lease: s.lease, Telegram: client, Limits: s.limits, Now: s.now, Stages: s.stages, Metrics: s.metrics, Log: log,
		Open: func(bot string, _ []byte) (secret.String, error) { return secret.New(s.tokens[bot]), nil },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	release := testenv.Background(s.t, s.lease.Run)
	stop := testenv.Background(s.t, snd.Run)
	s.sender, s.stop = snd, func() {
		stop()
		release()
	}
}

func (s *fixture) newBot(name string) int64 {
	s.t.Helper()
	_, token, err := s.telegram.World().RegisterBot(world.NewBot{Username: name + "_bot", Name: name})
	if err != nil {
		s.t.Fatal(err)
	}
	s.tokens[name] = token
	return journaltest.Bot(s.t, s.pool, name)
}

// chat creates a chat in the database and the emulator. A person has written message 1 in
// it, which has our number said.
func (s *fixture) chat(name string, kind string, bots ...int64) (id, said int64) {
	s.t.Helper()
	members := []string{"Tom"}
	for bot := range s.tokens {
		members = append(members, bot+"_bot")
	}
	made, err := s.telegram.World().PutChat(world.NewChat{Chat: world.Chat{Title: name, Kind: kind}, Members: members})
	if err != nil {
		s.t.Fatal(err)
	}
	telegramID := made.ID
	post, err := s.telegram.World().Say(telegramID, "Tom", "Good evening", 0)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(bots) == 0 {
		bots = []int64{s.bot}
	}
	id = journaltest.Chat(s.t, s.pool, name, bots...)
	s.exec(`UPDATE chats SET telegram_id = $2, kind = $3 WHERE id = $1`, id, telegramID, kind)
	s.exec(`INSERT INTO people (telegram_id, name) VALUES (1, 'Tom') ON CONFLICT DO NOTHING`)
	if err := s.pool.QueryRow(s.t.Context(), `INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES ($1, 1, 'Good evening', now()) RETURNING number`, id).Scan(&said); err != nil {
		s.t.Fatal(err)
	}
	viewers := s.telegram.World().IDs(telegramID, post.Seq)
	if kind == world.Supergroup {
		for _, known := range viewers {
			s.exec(`UPDATE messages SET telegram_id = $2 WHERE chat_id = $1 AND number = $3`, id, known, said)
			break
		}
	}
	return id, said
}

func (s *fixture) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// one returns a query's number.
func (s *fixture) one(sql string) int {
	s.t.Helper()
	var n int
	if err := s.pool.QueryRow(s.t.Context(), sql).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *fixture) turn(chat int64) *chorusv1.Turn {
	s.turns[chat]++
	return journaltest.Turn(chat, s.turns[chat], s.bot)
}

// reply plans a message, in reply to target unless that is 0, and rings for it.
func (s *fixture) reply(chat, target int64, text string, change ...func(*chorusv1.Turn)) *chorusv1.Delivery {
	s.t.Helper()
	turn := s.turn(chat)
	if target != 0 {
		turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REPLY, target
	}
	for _, c := range change {
		c(turn)
	}
	return s.post(turn, journaltest.Message(turn, text))
}

func (s *fixture) say(chat int64, text string, change ...func(*chorusv1.Turn)) *chorusv1.Delivery {
	s.t.Helper()
	return s.reply(chat, 0, text, change...)
}

func (s *fixture) react(chat, target int64, emoji string, fallback chorusv1.Fallback, change ...func(*chorusv1.Turn)) *chorusv1.Delivery {
	s.t.Helper()
	turn := s.turn(chat)
	turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REACTION, target
	for _, c := range change {
		c(turn)
	}
	return s.post(turn, journaltest.Reaction(turn, emoji, fallback))
}

// post stores a turn with its delivery, and rings for it.
func (s *fixture) post(turn *chorusv1.Turn, d *chorusv1.Delivery) *chorusv1.Delivery {
	s.t.Helper()
	s.plan(journal.Planned{Turn: turn, Delivery: d})
	s.bus.Ring(bus.OfLane(journal.LaneOf(turn.GetKind(), d)), turn.GetId().GetChatId())
	return d
}

func (s *fixture) plan(planned ...journal.Planned) {
	s.t.Helper()
	err := store.InTx(s.t.Context(), s.pool, func(tx pgx.Tx) error { return s.journal.Plan(s.t.Context(), tx, planned) })
	if err != nil {
		s.t.Fatal(err)
	}
}

// claim claims a chat's next delivery for another process.
func (s *fixture) claim(owner int32, lane journal.Lane, chat int64) (*journal.Deliveries, *journal.Unsent) {
	s.t.Helper()
	rows := s.journal.Deliveries(lane, journal.Claims{Owner: owner, Lease: time.Minute})
	claimed, err := rows.Claim(s.t.Context(), []int64{chat})
	if err != nil || len(claimed) != 1 {
		s.t.Fatal(claimed, err)
	}
	return rows, claimed[0]
}

// eventually is testenv.Eventually with the fixture's patience.
func (s *fixture) eventually(what string, is func() (saw string, ok bool)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), s.patience)
	defer cancel()
	for {
		saw, ok := is()
		if ok {
			return
		}
		if rest(ctx, 10*time.Millisecond); ctx.Err() != nil {
			s.t.Fatalf("never: %s; it is %q", what, saw)
		}
	}
}

// becomes waits until the turn is in a state.
func (s *fixture) becomes(d *chorusv1.Delivery, want string) {
	s.t.Helper()
	testenv.Eventually(s.t, fmt.Sprintf("turn %v is %q", d.GetId(), want), func() (string, bool) {
		got, err := journaltest.State(s.t.Context(), s.pool, d.GetId())
		if err != nil {
			s.t.Fatal(err)
		}
		return got, got == want
	})
}

// calls returns the calls of a method, each as "effect status".
func (s *fixture) calls(method string) []string {
	s.t.Helper()
	records, err := s.telegram.Calls().Records(s.t.Context(), calllog.Filter{Method: method})
	if err != nil {
		s.t.Fatal(err)
	}
	calls := []string{}
	for _, r := range records {
		calls = append(calls, fmt.Sprintf("%s %d", r.Effect, r.Status))
	}
	return calls
}

func (s *fixture) called(method string, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), s.calls(method)); diff != "" {
		s.t.Errorf("calls of %s: %s", method, diff)
	}
}

func (s *fixture) fault(rules ...string) {
	s.t.Helper()
	parsed := make([]fault.Rule, 0, len(rules))
	for _, short := range rules {
		r, err := fault.Parse(short)
		if err != nil {
			s.t.Fatal(err)
		}
		parsed = append(parsed, r)
	}
	if _, err := s.telegram.Faults().Replace(parsed); err != nil {
		s.t.Fatal(err)
	}
}

func TestMessageReplyAndReaction(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	first := s.say(chat, "Hello all")
	answer := s.reply(chat, said, "Hello Tom")
	reaction := s.react(chat, said, "👍", emojiMessage)
	for _, d := range []*chorusv1.Delivery{first, answer, reaction} {
		s.becomes(d, "delivered closed")
	}
	s.called("sendMessage", "sent 200", "sent 200")
	s.called("setMessageReaction", "reacted 200")
	var replies int
	if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM messages WHERE chat_id = $1 AND reply_to = $2`, chat, said).Scan(&replies); err != nil || replies != 1 {
		t.Errorf("%d replies in the log of messages, want 1 (%v)", replies, err)
	}
}

func TestARefusedReactionFallsBackOnceAndIsNeverRetried(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	s.fault("setMessageReaction:400:REACTION_INVALID")
	with := s.react(chat, said, "👍", emojiMessage)
	without := s.react(chat, said, "👍", chorusv1.Fallback_FALLBACK_UNSPECIFIED)
	s.becomes(with, "fell_back closed")
	s.becomes(without, "rejected closed")
	s.called("setMessageReaction", "none 400", "none 400")
	s.called("sendMessage", "sent 200")
}

func TestTheNearestAllowedReactionIsChosen(t *testing.T) {
	for name, test := range map[string]struct {
		allowed     []string
		state, said string
	}{
		"an allowed one":              {[]string{"👍", "🔥"}, "delivered closed", "👍"},
		"a near one":                  {[]string{"👏", "💩"}, "delivered closed", "👏"},
		"none is near":                {[]string{"💩"}, "fell_back closed", ""},
		"the chat has no reactions":   {[]string{}, "fell_back closed", ""},
		"the chat allows all of them": {nil, "delivered closed", "👍"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			chat, said := s.chat("club", world.Supergroup)
			var telegramID int64
			if err := s.pool.QueryRow(t.Context(), `SELECT telegram_id FROM chats WHERE id = $1`, chat).Scan(&telegramID); err != nil {
				t.Fatal(err)
			}
			if test.allowed != nil {
				if _, err := s.telegram.World().PutChat(world.NewChat{Chat: world.Chat{ID: telegramID, Kind: world.Supergroup, Title: "club", Reactions: &test.allowed}}); err != nil {
					t.Fatal(err)
				}
			}
			s.becomes(s.react(chat, said, "👍", emojiMessage), test.state)
			var remembered []string
			if err := s.pool.QueryRow(t.Context(), `SELECT allowed_reactions FROM chats WHERE id = $1`, chat).Scan(&remembered); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.allowed, remembered); diff != "" {
				t.Errorf("the roster's reactions: %s", diff)
			}
			if test.said == "" {
				s.called("setMessageReaction")
				return
			}
			s.called("setMessageReaction", "reacted 200")
		})
	}
}

func TestARefusedReactionMakesTheSenderAskAnew(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	s.fault("setMessageReaction:400:REACTION_INVALID:count=1")
	s.becomes(s.react(chat, said, "👍", emojiMessage), "fell_back closed")
	s.becomes(s.react(chat, said, "👍", emojiMessage), "delivered closed")
	s.becomes(s.react(chat, said, "🔥", emojiMessage), "delivered closed")
	s.called("getChat", "none 200", "none 200")
}

func TestAHangingReactionHoldsUpNoMessage(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	s.fault("setMessageReaction:hang")
	hanging := s.react(chat, said, "👍", emojiMessage)
	s.becomes(hanging, "open sending")
	for range 5 {
		s.becomes(s.say(chat, "still talking"), "delivered closed")
	}
	s.becomes(hanging, "open sending")
	s.stop()
}

func TestReactionsThatFailOpenNoBreakerOfMessages(t *testing.T) {
	s := newFixture(t, func(c *sender.Config) { c.BreakerFailures = 2 })
	chat, said := s.chat("club", world.Supergroup)
	s.fault("setMessageReaction:502")
	failing := s.react(chat, said, "👍", emojiMessage)
	// The breaker stays open for longer than the reaction is valid.
	s.becomes(failing, "expired closed")
	s.called("setMessageReaction", "none 502", "none 502")
	s.becomes(s.say(chat, "still talking"), "delivered closed")
	s.stop()
}

func TestInABasicGroupABotReactsOnlyToWhatItKnows(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Group)
	s.becomes(s.react(chat, said, "👍", emojiMessage), "fell_back closed")
	s.called("setMessageReaction")
	own := s.say(chat, "my own words")
	s.becomes(own, "delivered closed")
	var number int64
	if err := s.pool.QueryRow(t.Context(), `SELECT number FROM messages WHERE chat_id = $1 AND turn_no = $2`, chat, own.GetId().GetNumber()).Scan(&number); err != nil {
		t.Fatal(err)
	}
	s.becomes(s.react(chat, number, "👍", emojiMessage), "delivered closed")
}

func TestA429HoldsBackItsChatAlone(t *testing.T) {
	s := newFixture(t)
	slow, _ := s.chat("slow", world.Supergroup)
	quick, _ := s.chat("quick", world.Supergroup)
	var telegramID int64
	if err := s.pool.QueryRow(t.Context(), `SELECT telegram_id FROM chats WHERE id = $1`, slow).Scan(&telegramID); err != nil {
		t.Fatal(err)
	}
	s.fault(fmt.Sprintf("sendMessage:429:retry_after=2:count=1:chat=%d", telegramID))
	first := s.say(slow, "one")
	s.becomes(first, "open waiting parked")
	second := s.say(slow, "two")
	s.becomes(s.say(quick, "here"), "delivered closed")
	s.becomes(second, "delivered closed")
	s.becomes(first, "delivered closed")
	said, err := s.telegram.World().History(telegramID, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{}
	for _, p := range said {
		texts = append(texts, p.Text)
	}
	if got := strings.Join(texts, ","); !strings.HasSuffix(got, "one,two") {
		t.Errorf("the chat reads %s, want one before two", got)
	}
}

func TestPermanentTroubleIsRemembered(t *testing.T) {
	for name, test := range map[string]struct{ fault, sql string }{
		"a kicked bot is suspended in the chat":  {"sendMessage:kicked", `SELECT suspended_why FROM cast_members WHERE chat_id = $1 AND suspended_at IS NOT NULL`},
		"a bot without a valid token is stopped": {"*:401:Unauthorized", `SELECT stopped_why FROM bots JOIN cast_members ON bot_id = id WHERE chat_id = $1 AND stopped_at IS NOT NULL`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			chat, _ := s.chat("club", world.Supergroup)
			s.fault(test.fault)
			s.becomes(s.say(chat, "hello"), "rejected closed")
			var why string
			if err := s.pool.QueryRow(t.Context(), test.sql, chat).Scan(&why); err != nil || why == "" {
				t.Errorf("why: %q, %v", why, err)
			}
			s.becomes(s.say(chat, "hello again"), "rejected closed")
			if n := len(s.calls("sendMessage")); n != 1 {
				t.Errorf("%d calls, want 1: the second message needs none to be rejected", n)
			}
		})
	}
}

func TestAnUpgradedGroupIsFollowed(t *testing.T) {
	s := newFixture(t)
	chat, _ := s.chat("club", world.Group)
	var before, after int64
	if err := s.pool.QueryRow(t.Context(), `SELECT telegram_id FROM chats WHERE id = $1`, chat).Scan(&before); err != nil {
		t.Fatal(err)
	}
	upgraded, err := s.telegram.World().Upgrade(before)
	if err != nil {
		t.Fatal(err)
	}
	s.becomes(s.say(chat, "still here"), "delivered closed")
	if err := s.pool.QueryRow(t.Context(), `SELECT telegram_id FROM chats WHERE id = $1 AND kind = 'supergroup'`, chat).Scan(&after); err != nil || after != upgraded.ID {
		t.Errorf("the chat is now %d, want %d (%v)", after, upgraded.ID, err)
	}
}

func TestWhatIsLateIsNotSent(t *testing.T) {
	s := newFixture(t)
	chat, _ := s.chat("club", world.Supergroup)
	d := s.say(chat, "too late", func(turn *chorusv1.Turn) {
		past := time.Now().Add(-time.Hour)
		turn.DueAt, turn.PlannedAt, turn.ExpiresAt = timestamppb.New(past), timestamppb.New(past), timestamppb.New(past.Add(time.Minute))
	})
	s.becomes(d, "expired closed")
	s.called("sendMessage")
}

func TestAMessageOfUnknownOutcomeIsNotSaidTwice(t *testing.T) {
	s := newFixture(t)
	chat, _ := s.chat("club", world.Supergroup)
	s.fault("sendMessage:reset_after:count=1")
	s.becomes(s.say(chat, "perhaps"), "unknown closed")
	s.becomes(s.say(chat, "surely"), "delivered closed")
	s.called("sendMessage", "sent 200", "sent 200")
}

func TestAReactionOfUnknownOutcomeIsSetAgain(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	s.fault("setMessageReaction:reset_after:count=1")
	s.becomes(s.react(chat, said, "👍", emojiMessage), "delivered closed")
	s.called("setMessageReaction", "reacted 200", "unchanged 200")
}

func TestAnAnswerToAMessageThatIsGoneIsSentBare(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	s.exec(`UPDATE messages SET telegram_id = 4711 WHERE chat_id = $1 AND number = $2`, chat, said)
	s.becomes(s.reply(chat, said, "to nobody"), "delivered closed")
	s.called("sendMessage", "none 400", "sent 200")
}

func TestOrphansOfADeadSender(t *testing.T) {
	s := newFixture(t)
	s.stop()
	chat, said := s.chat("club", world.Supergroup)
	message, reaction := s.say(chat, "was it said?"), s.react(chat, said, "👍", emojiMessage)
	const dead = 4711
	s.claim(dead, journal.LaneMessage, chat)
	s.claim(dead, journal.LaneReaction, chat)
	other, _ := s.chat("other", world.Supergroup)
	waiting := s.say(other, "it was not said")
	rows, u := s.claim(dead, journal.LaneMessage, other)
	if err := rows.Pause(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	cfg := sender.DefaultConfig()
	cfg.Typing = false
	s.run(cfg)
	s.becomes(message, "unknown closed")
	s.becomes(reaction, "delivered closed")
	s.becomes(waiting, "delivered closed")
	s.called("sendMessage", "sent 200")
}

// If the response to a claim is lost, the sweep finds the claim.
func TestAClaimThatNobodyKnowsOf(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	turn := s.turn(chat)
	turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REACTION, said
	d := journaltest.Reaction(turn, "👍", emojiMessage)
	s.plan(journal.Planned{Turn: turn, Delivery: d})
	s.claim(s.lease.Owner(), journal.LaneReaction, chat)
	s.exec(`UPDATE deliveries SET claimed_until = now() - interval '1 minute'`)
	s.becomes(s.react(chat, said, "🔥", emojiMessage), "delivered closed")
	s.becomes(d, "delivered closed")
}

// The answer to a command doesn't wait for messages.
func TestACommandIsAnsweredWhileTheChatWaits(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	s.fault("sendMessage:hang:count=1")
	s.becomes(s.say(chat, "it hangs"), "open sending")
	s.becomes(s.reply(chat, said, "/help", func(turn *chorusv1.Turn) { turn.Kind = chorusv1.TurnKind_TURN_KIND_COMMAND }), "delivered closed")
	s.stop()
}
