package sender_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// lost describes what happened to a killed sender's deliveries.
type lost struct {
	// calls is the number of calls under way at the kill, unknown the number of deliveries
	// that ended as unknown.
	calls, unknown int
	// resumed is the time from the kill to the last message without a call under way.
	resumed time.Duration
}

// failover kills one of three replicas while it has calls under way and its bots type.
func (s *fixture) failover() lost {
	s.t.Helper()
	const late = time.Second
	cfg := s.cfg
	cfg.BotPerSecond, cfg.BreakerFailures = 1e6, 1000
	cfg.Typing, cfg.TypingLate = true, late // the next owner doesn't type again
	replicas, stopAll := s.startReplicas(3, cfg)
	defer stopAll()
	chats := make([]int64, 200)
	for i := range chats {
		chats[i], _ = s.chat(fmt.Sprint("chat-", i), world.Supergroup)
	}
	s.deliverAll(s.backlogOf(chats, 1))

	s.fault("sendMessage:hang_after=5s:count=100")
	waiting := &backlog{of: map[[2]int64]int{}}
	for i, chat := range chats {
		turn := s.turn(chat)
		d := journaltest.Message(turn, "hello")
		if i%2 == 0 {
			d.Typing = durationpb.New(10 * time.Second)
		}
		waiting.planned = append(waiting.planned, journal.Planned{Turn: turn, Delivery: d})
	}
	began := s.release(waiting)
	victim := replicas[0].used(s.t).Owner
	s.eventually("the replica calls and types", func() (string, bool) {
		held := s.held(victim)
		return fmt.Sprintf("%d and %d", len(held["sending"]), len(held["claimed"])), len(held["sending"]) > 10 && len(held["claimed"]) > 10
	})
	rest(s.t.Context(), 2*late-time.Since(began))
	held, killed := s.held(victim), time.Now()
	if err := replicas[0].Stop(0); err != nil {
		s.t.Fatal(err)
	}
	s.eventually("every turn has an end", func() (string, bool) {
		n := s.one(`SELECT count(*) FROM turns WHERE outcome IS NULL`)
		return fmt.Sprint(n, " have none"), n == 0
	})
	var last time.Time
	err := s.pool.QueryRow(s.t.Context(), `SELECT max(closed_at) FROM deliveries WHERE turn_no = 2 AND chat_id = ANY($1)`, held["claimed"]).Scan(&last)
	if err != nil {
		s.t.Fatal(err)
	}
	return lost{calls: len(held["sending"]), unknown: s.one(`SELECT count(*) FROM turns WHERE outcome = 'unknown'`), resumed: last.Sub(killed)}
}

// held returns the chats of an owner's deliveries, by state.
func (s *fixture) held(owner int32) map[string][]int64 {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `SELECT state, chat_id FROM deliveries WHERE owner = $1`, owner)
	if err != nil {
		s.t.Fatal(err)
	}
	held := map[string][]int64{}
	var state string
	var chat int64
	if _, err := pgx.ForEachRow(rows, []any{&state, &chat}, func() error {
		held[state] = append(held[state], chat)
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	return held
}

// BenchmarkFailover makes several runs, whatever b.N, and reports the median.
func BenchmarkFailover(b *testing.B) {
	var took []time.Duration
	for range 3 {
		s := newFixture(b)
		s.stop()
		l := s.failover()
		if l.unknown == 0 {
			b.Error("the replica that was killed had no call under way: that shows nothing")
		}
		if l.unknown > l.calls {
			b.Errorf("%d outcomes are unknown of %d calls under way", l.unknown, l.calls)
		}
		took = append(took, l.resumed)
	}
	slices.Sort(took)
	fmt.Printf("figure sender.failover_s %.3f s\n", took[len(took)/2].Seconds())
}
