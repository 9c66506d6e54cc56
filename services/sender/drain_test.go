package sender_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/sender"
)

// backlog holds messages to send, by bot and chat.
type backlog struct {
	planned []journal.Planned
	of      map[[2]int64]int
}

// pile adds n messages of each bot in a chat, the bots in turn.
func (s *fixture) pile(b *backlog, chat int64, n int, bots ...int64) {
	s.t.Helper()
	for range n {
		for _, bot := range bots {
			s.turns[chat]++
			turn := journaltest.Turn(chat, s.turns[chat], bot)
			turn.ExpiresAt.Seconds += int64(time.Hour.Seconds())
			b.planned = append(b.planned, journal.Planned{Turn: turn, Delivery: journaltest.Message(turn, fmt.Sprint("message ", turn.GetId().GetNumber()))})
			b.of[[2]int64{bot, chat}]++
		}
	}
}

// release stores the backlog in one transaction and rings for its chats.
func (s *fixture) release(b *backlog) time.Time {
	s.t.Helper()
	chats := map[int64]bool{}
	for _, p := range b.planned {
		chats[p.Turn.GetId().GetChatId()] = true
	}
	s.plan(b.planned...)
	s.bus.Ring(bus.Messages(), slices.Collect(maps.Keys(chats))...)
	return time.Now()
}

// optimum returns the shortest time in which token buckets allow the backlog: the longest
// of (n-burst) tokens over all bots and over all bots in chats.
func (b *backlog) optimum() time.Duration {
	ofBot := map[int64]int{}
	best := 0.0
	for at, n := range b.of {
		ofBot[at[0]] += n
		best = max(best, float64(n-1), float64(n-20)*3)
	}
	for _, n := range ofBot {
		best = max(best, float64(n-30)/30)
	}
	return time.Duration(best * float64(time.Second))
}

// drain releases the backlog and returns the calls for its messages after all are
// delivered.
func (s *fixture) drain(b *backlog) []calllog.Record {
	s.t.Helper()
	s.release(b)
	s.eventually("all is delivered", func() (string, bool) {
		var open int
		if err := s.pool.QueryRow(s.t.Context(), `SELECT count(*) FROM turns WHERE outcome IS DISTINCT FROM 'delivered'`).Scan(&open); err != nil {
			s.t.Fatal(err)
		}
		return fmt.Sprint(open, " are not"), open == 0
	})
	records, err := s.telegram.Calls().Records(s.t.Context(), calllog.Filter{Method: "sendMessage"})
	if err != nil {
		s.t.Fatal(err)
	}
	return records
}

// BenchmarkDrain compares a sender with a backlog with the best that Telegram's limits
// allow. It runs once, whatever b.N.
func BenchmarkDrain(b *testing.B) {
	// All limits bind: the first bot's, and each bot's in groups and in supergroups.
	const chats, messages = 31, 30
	s := newFixture(b, func(cfg *sender.Config) {
		*cfg = sender.DefaultConfig()
		cfg.Typing = false
	})
	s.patience = 5 * time.Minute
	ben := s.newBot("ben")
	if err := s.telegram.Flood().Set(flood.Default()); err != nil {
		b.Fatal(err)
	}
	waiting := &backlog{of: map[[2]int64]int{}}
	for i := range chats {
		bots := []int64{s.bot, ben}[:1+i%2]
		chat, _ := s.chat(fmt.Sprint("chat-", i), world.Supergroup, bots...)
		s.pile(waiting, chat, messages, bots...)
	}
	b.ResetTimer()
	began := time.Now()
	calls := s.drain(waiting)
	took := calls[len(calls)-1].Time.Sub(began)
	b.StopTimer()
	refused := 0
	for _, c := range calls {
		if c.Status == 429 {
			refused++
		}
	}
	if len(calls) != len(waiting.planned) || refused > 0 {
		b.Errorf("%d calls for %d messages, %d of them refused with 429", len(calls), len(waiting.planned), refused)
	}
	fmt.Printf("figure sender.drain_ratio %.4f ratio\nfigure sender.drain_refused %d calls\n",
		took.Seconds()/waiting.optimum().Seconds(), refused)
}

// If the limits are lower than configured, 429s tell the sender: one per lane, which then
// makes no call until the wait is over.
func TestLimitsLowerThanBelieved(t *testing.T) {
	s := newFixture(t, func(cfg *sender.Config) {
		cfg.ShortWait, cfg.LimitMargin = 2*time.Second, 0
		cfg.BotPerSecond = 30
		cfg.Supergroup = sender.ChatLimits{PerSecond: 8, PerMinute: 600}
	})
	per := func(tokens float64) flood.Bucket {
		return flood.Bucket{Tokens: tokens, Per: jsontime.Duration(time.Second), Burst: int(tokens)}
	}
	if err := s.telegram.Flood().Set(flood.Limits{Bot: per(8), Chat: per(2)}); err != nil {
		t.Fatal(err)
	}
	waiting := &backlog{of: map[[2]int64]int{}}
	for i := range 4 {
		chat, _ := s.chat(fmt.Sprint("chat-", i), world.Supergroup)
		s.pile(waiting, chat, 12, s.bot)
	}
	refused := 0
	until := map[int64]time.Time{} // by chat
	for _, c := range s.drain(waiting) {
		// The log has the time of the call's arrival.
		if early := until[c.Chat].Sub(c.Time); early > 0 {
			t.Errorf("a call came %v before the chat's 429 was over", early)
		}
		if c.Status == 429 {
			refused++
			until[c.Chat] = c.Time.Add(time.Duration(c.RetryAfter) * time.Second)
		}
	}
	if refused == 0 {
		t.Error("no call was refused: the test shows nothing")
	}
}
