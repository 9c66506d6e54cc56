package sender_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// failover kills one of three replicas in the midst of calls, and tells how much
// longer than the ack wait it takes until a message of every chat that comes
// after it is delivered, and what the dead one had in hand has an end.
func (s *stage) failover() time.Duration {
	s.t.Helper()
	cfg := s.cfg
	cfg.BotPerSecond, cfg.BreakerFailures = 1e6, 1000
	staff, dismiss := s.employ(3, cfg)
	defer dismiss()
	chats := make([]int64, 200)
	for i := range chats {
		chats[i], _ = s.chat(fmt.Sprint("chat-", i), world.Supergroup)
	}
	s.deliverAll(s.stock(s.backlogOf(chats, 1)))

	s.fault("sendMessage:hang_after=2s:count=200")
	s.publishTogether(s.backlogOf(chats, 2).entries)
	// Not at once: a partition may be on its way from one replica to another.
	testenv.Eventually(s.t, "all replicas have many calls under way", func() (string, bool) {
		n := s.one(`SELECT count(*) FROM (SELECT FROM deliveries WHERE state = 'sending' GROUP BY owner HAVING count(*) > 20) AS busy`)
		return fmt.Sprint(n, " have"), n == len(staff)
	})
	killed := time.Now()
	if err := staff[0].Stop(0); err != nil {
		s.t.Fatal(err)
	}
	var last time.Time
	testenv.Eventually(s.t, "every turn has an end", func() (string, bool) {
		var open int
		if err := s.pool.QueryRow(s.t.Context(), `SELECT count(*) FILTER (WHERE outcome IS NULL), coalesce(max(closed_at), now()) FROM turns`).Scan(&open, &last); err != nil {
			s.t.Fatal(err)
		}
		return fmt.Sprint(open, " have none"), open == 0
	})
	return last.Sub(killed) - s.busCfg.AckWait
}

// BenchmarkFailover is with the default configuration of the bus, and one run,
// however often it is asked for.
func BenchmarkFailover(b *testing.B) {
	s := newStage(b)
	s.stop()
	cfg := bus.DefaultConfig()
	cfg.URL = testenv.NATS(b)
	s.bus, s.busCfg = bustest.Open(b, cfg), cfg
	s.journal = journal.New(s.pool)
	over := s.failover()
	if n := s.one(`SELECT count(*) FROM turns WHERE outcome = 'unknown'`); n == 0 {
		b.Error("the replica that was killed had no call under way: that shows nothing")
	}
	fmt.Printf("figure sender.failover_over_ackwait_s %.3f s\n", over.Seconds())
}
