package sender_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// BenchmarkManyChats measures the memory of one sender before which the messages
// of 100,000 chats wait, all of which it could begin with: what it holds is
// bounded, and the rest stays on the bus. It is one run, however often it is asked
// for.
func BenchmarkManyChats(b *testing.B) {
	const chats, part = 100_000, 2000
	s := newStage(b)
	s.stop()
	for from := 0; from < chats; from += part {
		s.exec(`
WITH c AS (
    INSERT INTO chats (name, telegram_id, kind, enabled)
    SELECT 'chat-' || i, -1000000000000 - i, 'supergroup', true FROM generate_series($2::int, $3::int) i RETURNING id)
INSERT INTO cast_members (chat_id, bot_id) SELECT id, $1 FROM c`, s.bot, from+1, from+part)
	}
	var first int64
	if err := s.pool.QueryRow(b.Context(), `SELECT min(id) FROM chats`).Scan(&first); err != nil {
		b.Fatal(err)
	}
	for from := int64(0); from < chats; from += part {
		messages := make([]bus.Message, part)
		for i := range messages {
			d := journaltest.Message(s.turn(first+from+int64(i)), "Something of the length that messages have, more or less.")
			d.Typing = durationpb.New(time.Hour) // so each lane is at work
			d.ExpiresAt.Seconds += 3600
			payload, err := proto.Marshal(d)
			if err != nil {
				b.Fatal(err)
			}
			to, err := subject.Delivery(d.GetAction(), d.GetId().GetChatId())
			if err != nil {
				b.Fatal(err)
			}
			messages[i] = bus.Message{Subject: to, ID: subject.TurnID(d.GetId()), Payload: payload}
		}
		if _, err := s.bus.Publish(b.Context(), messages...); err != nil {
			b.Fatal(err)
		}
	}
	cfg := s.cfg
	cfg.Typing, cfg.TypingLate, cfg.BotPerSecond = true, time.Hour, 0.001
	r, err := s.hire(cfg, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer r.retire(b)
	// The ack wait is short here, so it is a good sign that all are kept alive.
	testenv.Eventually(b, "it holds what it may of every partition", func() (string, bool) {
		held := s.held()
		return fmt.Sprint(held, " messages"), held == subject.Partitions*s.busCfg.MaxPending
	})
	u := r.used(b)
	fmt.Printf("figure sender.memory_100k_chats_mb %.0f MB\nfigure sender.held_100k_chats %d messages\n",
		float64(u.Memory)/(1<<20), s.held())
}

// held is how many messages the senders of messages have in hand.
func (s *stage) held() (sum int) {
	s.t.Helper()
	js := bustest.JetStream(s.t, s.busCfg.URL)
	stream, err := js.Stream(s.t.Context(), subject.Deliveries)
	if err != nil {
		s.t.Fatal(err)
	}
	consumers := stream.ListConsumers(s.t.Context())
	for info := range consumers.Info() {
		sum += info.NumAckPending
	}
	if err := consumers.Err(); err != nil {
		s.t.Fatal(err)
	}
	return sum
}
