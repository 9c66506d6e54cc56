package sender_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/killpoint"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// bubbles plans a turn of several messages.
func (s *fixture) bubbles(chat int64, texts ...string) *chorusv1.Delivery {
	s.t.Helper()
	turn := s.turn(chat)
	s.plan(journal.Planned{Turn: turn})
	writer := lease.New(s.pool, lease.Generator, testenv.Logger(s.t))
	testenv.Background(s.t, writer.Run)
	s.eventually("the writer lives", func() (string, bool) { return "", writer.Held() })
	rows := s.journal.Texts(journal.Claims{Owner: writer.Owner(), Lease: time.Minute})
	claimed, err := rows.Claim(s.t.Context(), []int64{chat})
	if err != nil || len(claimed) != 1 {
		s.t.Fatal(claimed, err)
	}
	var w journal.Written
	for _, text := range texts {
		d := journaltest.Message(turn, text)
		d.Typing = durationpb.New(time.Millisecond)
		w.Deliveries = append(w.Deliveries, d)
	}
	if _, err := rows.Commit(s.t.Context(), []stage.End[*journal.Unwritten, journal.Written]{{Task: claimed[0], Result: w, Last: true}}); err != nil {
		s.t.Fatal(err)
	}
	s.bus.Ring(bus.Messages(), chat)
	return w.Deliveries[0]
}

// logged returns the chat's messages in the log, in order.
func (s *fixture) logged(chat int64) (texts string) {
	s.t.Helper()
	err := s.pool.QueryRow(s.t.Context(), `SELECT coalesce(string_agg(body, ', ' ORDER BY number), '') FROM messages WHERE chat_id = $1 AND bot_id IS NOT NULL`,
		chat).Scan(&texts)
	if err != nil {
		s.t.Fatal(err)
	}
	return texts
}

func TestPartsOfATurnFollowOnlyWhatWasDelivered(t *testing.T) {
	for name, test := range map[string]struct {
		fault, second string
		state, heard  string
		calls         int
	}{
		"all go through":        {"", "two", "delivered", "one, two, three, next", 4},
		"the first is refused":  {"sendMessage:400:count=1", "two", "rejected", "next", 2},
		"the first is unknown":  {"sendMessage:reset_after:count=1", "two", "unknown", "next", 2},
		"the second is refused": {"", strings.Repeat("x", 5000), "rejected", "one, next", 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			chat, _ := s.chat("club", world.Supergroup)
			if test.fault != "" {
				s.fault(test.fault)
			}
			turn := s.bubbles(chat, "one", test.second, "three")
			s.becomes(s.say(chat, "next"), "delivered closed")
			var outcome string
			if err := s.pool.QueryRow(t.Context(), `SELECT outcome FROM turns WHERE chat_id = $1 AND turn_no = $2`, chat, turn.GetId().GetNumber()).Scan(&outcome); err != nil {
				t.Fatal(err)
			}
			if heard := s.logged(chat); outcome != test.state || heard != test.heard || len(s.calls("sendMessage")) != test.calls {
				t.Errorf("the turn is %s, the chat heard %s, calls are %v", outcome, heard, s.calls("sendMessage"))
			}
		})
	}
}

// If a sender dies between two parts, another one sends the rest once.
func TestASenderThatDiesBetweenPartsNeitherDoublesNorLosesThem(t *testing.T) {
	for _, test := range []struct {
		point        string
		nth          int64
		state, heard string
		calls        int
	}{
		{"after " + killpoint.Pause, 2, "delivered", "one, two, three", 3},
		{"before " + killpoint.Begin, 2, "delivered", "one, two, three", 3},
		{"after " + killpoint.Send, 2, "unknown", "one", 2}, // it is unknown whether the second was sent, so it isn't repeated
	} {
		t.Run(fmt.Sprint(test.point, " ", test.nth), func(t *testing.T) {
			s := newFixture(t)
			s.stop()
			cfg := s.cfg
			cfg.Typing, cfg.TypingLate, cfg.Lease = true, time.Hour, 3*time.Second
			chat, _ := s.chat("club", world.Supergroup)
			r, err := s.startReplica(cfg, test.point, test.nth)
			if err != nil {
				t.Fatal(err)
			}
			turn := s.bubbles(chat, "one", "two", "three")
			if at := r.place(); at == "" {
				t.Fatal("the sender did not die")
			}
			s.run(cfg)
			s.eventually("the turn ended", func() (string, bool) {
				got, err := journaltest.State(t.Context(), s.pool, turn.GetId())
				return got, err == nil && strings.HasPrefix(got, test.state)
			})
			if heard := s.logged(chat); heard != test.heard || len(s.calls("sendMessage")) != test.calls {
				t.Errorf("the chat heard %s, calls are %v", heard, s.calls("sendMessage"))
			}
		})
	}
}
