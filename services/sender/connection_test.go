package sender_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/sender"
)

// fleet is several senders that share the chats. Each has its own link to Telegram.
type fleet struct {
	*fixture

	senders []*sender.Sender
	links   []*testenv.Link
	metrics []*prometheus.Registry
	chats   []int64
	seen    *observer.ObservedLogs
}

// newFleet starts three senders with many chats.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	s := newFixture(t, func(cfg *sender.Config) {
		cfg.BotPerSecond = 1e6
		cfg.OnUnknown.Message = sender.Resend // nothing passes a cut link
	})
	s.stop()
	core, seen := observer.New(zap.InfoLevel)
	s.log = zap.New(core)
	f := &fleet{fixture: s, seen: seen}
	for range 3 {
		link, registry := testenv.Proxy(t, s.telegram.URL()), prometheus.NewRegistry()
		s.through, s.metrics = link.URL(), sender.NewMetrics(registry)
		s.run(s.cfg)
		f.senders, f.links, f.metrics = append(f.senders, s.sender), append(f.links, link), append(f.metrics, registry)
	}
	for i := range 48 {
		chat, _ := s.chat(fmt.Sprint("chat-", i), world.Supergroup)
		f.chats = append(f.chats, chat)
	}
	return f
}

// talk sends a message in each chat.
func (f *fleet) talk() {
	f.t.Helper()
	for _, chat := range f.chats {
		f.say(chat, "hello")
	}
}

// delivers waits until all is delivered, for at most longest.
func (f *fleet) delivers(longest time.Duration) {
	f.t.Helper()
	began := time.Now()
	f.eventually("every turn has an end", func() (string, bool) {
		n := f.one(`SELECT count(*) FROM turns WHERE outcome IS NULL`)
		return fmt.Sprint(n, " have none"), n == 0
	})
	took := time.Since(began)
	f.t.Logf("delivered after %v", took)
	if took > longest {
		f.t.Errorf("it took %v, want at most %v", took, longest)
	}
	if n := f.one(`SELECT count(*) FROM turns WHERE outcome <> 'delivered'`); n != 0 {
		f.t.Errorf("%d turns were not delivered", n)
	}
}

// sent returns the number of turns that a sender has ended.
func (f *fleet) sent(i int) int {
	f.t.Helper()
	return gathered(f.t, f.metrics[i], "chorus_deliveries_total")
}

// A sender that is cut off from Telegram leaves its chats to connected ones, and takes
// chats again when its link is back.
func TestASenderThatIsCutOffHandsItsChatsBack(t *testing.T) {
	f := newFleet(t)
	f.talk()
	f.delivers(20 * time.Second)

	f.links[2].Cut()
	before := f.sent(2)
	f.talk()
	f.delivers(20 * time.Second)
	if n := f.sent(2); n != before {
		t.Errorf("the one that is cut off ended %d turns", n-before)
	}

	f.links[2].Restore()
	for f.sent(2) == before {
		f.talk()
		f.delivers(20 * time.Second)
	}
}

// If no sender reaches Telegram, all wait, and continue as soon as it is back.
func TestTalkGoesOnSoonAfterTelegramWasGoneForAll(t *testing.T) {
	f := newFleet(t)
	for _, l := range f.links {
		l.Cut()
	}
	f.talk()
	f.eventually("each has found out", func() (string, bool) {
		n := f.seen.FilterMessageSnippet("Telegram is not reached").Len()
		return fmt.Sprint(n, " have"), n == len(f.senders)
	})
	for _, l := range f.links {
		l.Restore()
	}
	f.delivers(20 * time.Second)
}
