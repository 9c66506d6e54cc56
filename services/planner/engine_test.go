package planner_test

import (
	"bytes"
	"cmp"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// busServer returns a bus with its streams, and its server.
func busServer(t testing.TB) (*bus.Bus, *testenv.BusServer) {
	t.Helper()
	server := testenv.NATSServer(t)
	return connect(t, server.URL()), server
}

func connect(t testing.TB, url string) *bus.Bus {
	t.Helper()
	cfg := bus.DefaultConfig()
	cfg.URL = url
	return bustest.Open(t, cfg)
}

func TestADueChatGetsATurn(t *testing.T) {
	s := newStage(t, "anna", "ben")
	b, server := busServer(t)
	rung := ringing(t, server.URL(), subject.Text)
	chat := s.chat("club")
	s.exec(`UPDATE chat_clock SET turn_no = 41, next_turn_at = now() - interval '3 seconds'`)
	s.exec(`UPDATE chats SET mean_gap = '7 days'`)
	s.plan(s.deps(given(t), b))
	rung(chat)

	var number, bot int64
	var kind, topic string
	var payload []byte
	var planned, due, expires, next time.Time
	err := s.pool.QueryRow(t.Context(), `
SELECT t.turn_no, t.bot_id, t.kind, t.topic, t.payload, t.planned_at, t.due_at, t.expires_at, k.next_turn_at
FROM turns t JOIN chat_clock k ON k.chat_id = t.chat_id AND k.turn_no = t.turn_no AND k.waiting_for IS NULL WHERE t.written_at IS NULL`).
		Scan(&number, &bot, &kind, &topic, &payload, &planned, &due, &expires, &next)
	if err != nil {
		t.Fatal(err)
	}
	var turn chorusv1.Turn
	if err := proto.Unmarshal(payload, &turn); err != nil {
		t.Fatal(err)
	}
	if number != 42 || turn.GetId().GetNumber() != 42 || turn.GetId().GetChatId() != chat {
		t.Errorf("the turn is %d by its row and %v by its payload, want 42 of chat %d", number, turn.GetId(), chat)
	}
	if turn.GetBotId() != bot || subject.TurnKindName(turn.GetKind()) != kind || turn.GetTopic() != topic || len(turn.GetReasons()) == 0 {
		t.Errorf("row (bot %d, %s, %s) and message differ: %v", bot, kind, topic, &turn)
	}
	for what, pair := range map[string][2]time.Time{
		"planned": {planned, turn.GetPlannedAt().AsTime()}, "due": {due, turn.GetDueAt().AsTime()}, "expires": {expires, turn.GetExpiresAt().AsTime()},
	} {
		if !pair[0].Equal(pair[1]) {
			t.Errorf("%s: %v by its row, %v by its payload", what, pair[0], pair[1])
		}
	}
	if lag := planned.Sub(due); lag < 3*time.Second || !next.After(planned) {
		t.Errorf("due %v, planned %v, next %v", due, planned, next)
	}
}

func TestSkippedChatsSayWhatTheyWaitFor(t *testing.T) {
	for name, c := range map[string]struct {
		sql, setting, want string
	}{
		"disabled":   {sql: `UPDATE chats SET enabled = false`, want: "chat_disabled"},
		"removed":    {sql: `UPDATE chats SET removed_at = now()`, want: "chat_disabled"},
		"no cast":    {sql: `DELETE FROM cast_members`, want: "no_cast"},
		"suspended":  {sql: `UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked'`, want: "no_cast"},
		"stopped":    {sql: `UPDATE bots SET stopped_at = now(), stopped_why = 'token'`, want: "no_cast"},
		"asleep":     {sql: `UPDATE bots SET active_hours = ARRAY[to_char(now() + interval '6 hours', 'HH24:MI') || '-' || to_char(now() + interval '7 hours', 'HH24:MI')]`, want: "asleep"},
		"off":        {setting: "false", want: "simulation_off"},
		"hour spent": {sql: `UPDATE bots SET hourly_max = 1; UPDATE chat_clock SET next_turn_at = now() + interval '1 hour'`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "anna")
			chat := s.chat("club")
			if name == "hour spent" {
				s.turns(chat, s.bots[0], 1, "message", time.Minute, false)
			}
			if c.setting == "" {
				c.setting = "true"
			}
			for sql := range bytes.SplitSeq([]byte(c.sql), []byte(";")) {
				s.exec(string(sql))
			}
			before := one[int64](s, `SELECT turn_no FROM chat_clock`)
			s.exec(`UPDATE chat_clock SET next_turn_at = now()`)
			s.plan(s.deps(given(t, "simulation_active", c.setting), nil))
			s.idle()
			if got := one[string](s, `SELECT coalesce(waiting_for, '') FROM chat_clock`); got != c.want {
				t.Errorf("the chat waits for %q, want %q", got, c.want)
			}
			if after := one[int64](s, `SELECT turn_no FROM chat_clock`); after != before {
				t.Errorf("the clock went from %d to %d without a turn", before, after)
			}
		})
	}
}

func TestReactionModes(t *testing.T) {
	const (
		react = chorusv1.Action_ACTION_SET_REACTION
		send  = chorusv1.Action_ACTION_SEND_MESSAGE
		emoji = chorusv1.Fallback_FALLBACK_EMOJI_MESSAGE
		none  = chorusv1.Fallback_FALLBACK_UNSPECIFIED
	)
	for mode, want := range map[string]struct {
		action     chorusv1.Action
		fallback   chorusv1.Fallback
		lane, ring string
	}{
		"native": {react, none, "reaction", subject.Reaction}, "native_then_message": {react, emoji, "reaction", subject.Reaction},
		"message": {send, none, "message", subject.Message}, "off": {},
	} {
		t.Run(mode, func(t *testing.T) {
			s := newStage(t, "anna")
			chat := s.chat("club")
			target := s.says(chat, 0, "What a lovely evening", time.Minute)
			b, server := busServer(t)
			rung := ringing(t, server.URL(), cmp.Or(want.ring, subject.Text))
			s.plan(s.deps(given(t, "reaction_mode", `"`+mode+`"`, "short_reaction_probability", "1", "max_unwritten_turns", "1"), b))
			rung(chat)
			s.idle()
			if mode == "off" {
				if n := one[int](s, `SELECT count(*) FROM deliveries`); n != 0 {
					t.Errorf("%d deliveries, want none", n)
				}
				return
			}
			var payload []byte
			var action, lane string
			err := s.pool.QueryRow(t.Context(), `
SELECT d.payload, d.action, d.lane FROM deliveries d JOIN turns t USING (chat_id, turn_no)
WHERE t.kind = 'reaction' AND t.target_message = $1 AND t.written_at IS NOT NULL AND d.state = 'waiting'`, target).Scan(&payload, &action, &lane)
			if err != nil {
				t.Fatal(err)
			}
			var d chorusv1.Delivery
			if err := proto.Unmarshal(payload, &d); err != nil {
				t.Fatal(err)
			}
			if d.GetAction() != want.action || subject.ActionName(want.action) != action || d.GetFallback() != want.fallback || d.GetTargetMessage() != target {
				t.Errorf("got %v", &d)
			}
			if lane != want.lane {
				t.Errorf("it is in the lane %s, want %s", lane, want.lane)
			}
			if (want.action == react) != (d.GetEmoji() != "") || (want.action == send) != (d.GetText() != "") {
				t.Errorf("emoji %q and text %q of a %s", d.GetEmoji(), d.GetText(), action)
			}
		})
	}
}

// About every second reaction is a sticker, with an emoji message as the fallback.
func TestAPersonasStickersAreSent(t *testing.T) {
	s := newStage(t, "anna")
	s.exec(`INSERT INTO personas (bot_id, display_name, summary, stickers) VALUES ($1, 'Anna', 'Reads.', '[{"file_id":"it","mood":"love"}]')
ON CONFLICT (bot_id) DO UPDATE SET stickers = EXCLUDED.stickers`, s.bots[0])
	for i := range 16 { // the draws depend on the chats' ids alone
		s.says(s.chat(fmt.Sprintf("club-%d", i)), 0, "What a lovely evening", time.Minute)
	}
	b, _ := busServer(t)
	s.plan(s.deps(given(t, "short_reaction_probability", "1"), b))
	s.eventually("all have a turn", `SELECT count(*) >= 16 FROM deliveries`)
	rows, err := s.pool.Query(t.Context(), `SELECT payload FROM deliveries WHERE action = 'send_sticker' AND lane = 'message' AND body IS NULL`)
	if err != nil {
		t.Fatal(err)
	}
	payloads, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil || len(payloads) < 3 || len(payloads) > 13 {
		t.Fatalf("%d stickers of 16 reactions, %v", len(payloads), err)
	}
	for _, payload := range payloads {
		var d chorusv1.Delivery
		if err := proto.Unmarshal(payload, &d); err != nil {
			t.Fatal(err)
		}
		if d.GetSticker() != "it" || d.GetEmoji() == "" || d.GetFallback() != chorusv1.Fallback_FALLBACK_EMOJI_MESSAGE || d.GetTargetMessage() == 0 {
			t.Errorf("got %v", &d)
		}
	}
}

func TestOverdueTurnsEndOnce(t *testing.T) {
	s := newStage(t, "anna")
	chat := s.chat("club")
	s.exec(`UPDATE chats SET enabled = false`)
	const n = 700 // more than one statement's limit
	payload := func(number int64) []byte {
		out, err := proto.Marshal(&chorusv1.Turn{Id: &chorusv1.TurnId{ChatId: chat, Number: number}, BotId: s.bots[0], Kind: chorusv1.TurnKind_TURN_KIND_MESSAGE})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	payloads := make([][]byte, n)
	for i := range payloads {
		payloads[i] = payload(int64(i + 1))
	}
	s.exec(`
INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at)
SELECT $1, i, $2, 'message', payload, now() - interval '2 minutes', now() - interval '2 minutes', now() - interval '1 minute'
FROM unnest($3::bytea[]) WITH ORDINALITY AS u(payload, i)`, chat, s.bots[0], payloads)
	for range 2 {
		s.plan(s.deps(given(t), nil), quickly)
	}
	s.eventually("all turns have ended", `SELECT NOT EXISTS (SELECT FROM turns WHERE closed_at IS NULL)`)
	if n := one[int](s, `SELECT count(*) FROM turns WHERE outcome <> 'expired' OR reason = '' OR written_at IS NULL OR fence <> 1`); n != 0 {
		t.Errorf("%d turns have ended otherwise, or twice", n)
	}
}
