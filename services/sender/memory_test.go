package sender_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// BenchmarkManyChats measures the memory of one sender while messages of 100,000 chats are
// due. It holds a limited number; the rest stays in the database. It runs once, whatever
// b.N.
func BenchmarkManyChats(b *testing.B) {
	const chats, part = 100_000, 2000
	s := newFixture(b)
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
		waiting := &backlog{of: map[[2]int64]int{}}
		for i := range int64(part) {
			turn := s.turn(first + from + i)
			turn.ExpiresAt.Seconds += 3600
			d := journaltest.Message(turn, "Something of the length that messages have, more or less.")
			d.Typing = durationpb.New(time.Hour) // so each lane is busy
			waiting.planned = append(waiting.planned, journal.Planned{Turn: turn, Delivery: d})
		}
		s.release(waiting)
	}
	cfg := s.cfg
	cfg.Typing, cfg.TypingLate, cfg.BotPerSecond, cfg.Lease = true, time.Hour, 0.001, time.Hour
	r, err := s.startReplica(cfg, "", 0)
	if err != nil {
		b.Fatal(err)
	}
	defer r.shutDown(b)
	const held = `SELECT count(*) FROM deliveries WHERE state = 'claimed'`
	s.eventually("it holds what it may", func() (string, bool) {
		n := s.one(held)
		return fmt.Sprint(n, " messages"), n >= cfg.MaxInFlight
	})
	rest(b.Context(), 3*time.Second) // it sweeps and claims no more
	u := r.used(b)
	fmt.Printf("figure sender.memory_100k_chats_mb %.0f MB\nfigure sender.held_100k_chats %d messages\n", float64(u.Memory)/(1<<20), s.one(held))
}
