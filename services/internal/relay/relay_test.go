package relay_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/relay"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	published   = `SELECT count(*) FROM turns WHERE published_at IS NOT NULL`
	graceIsOver = `UPDATE turns SET relay_at = now() WHERE relay_at IS NOT NULL`
)

func TestWhatNobodyPushedIsPublishedAfterTheGrace(t *testing.T) {
	s := newStage(t)
	entries := s.plan(3)
	var graceEnds time.Time
	if err := s.pool.QueryRow(t.Context(), `SELECT min(relay_at) FROM turns`).Scan(&graceEnds); err != nil {
		t.Fatal(err)
	}
	s.run(relay.New(s.Turns(), s.bus, s.log))
	s.eventually("all are published", func() bool { return s.count(published) == 3 })
	if n := s.count(`SELECT count(*) FROM turns WHERE published_at < $1`, graceEnds); n > 0 {
		t.Errorf("%d rows were taken from whoever made them within the grace", n)
	}
	if diff := cmp.Diff(ids(entries), s.stored(subject.Turns)); diff != "" {
		t.Errorf("on the bus (-want +got): %s", diff)
	}
}

func TestAPushIsPublishedAtOnce(t *testing.T) {
	s := newStage(t)
	entries := s.plan(3)
	relay.New(s.Turns(), s.bus, s.log).Push(t.Context(), entries...)
	if diff := cmp.Diff(ids(entries), s.stored(subject.Turns)); diff != "" {
		t.Errorf("on the bus (-want +got): %s", diff)
	}
	if n := s.count(`SELECT count(*) FROM turns WHERE bus_sequence > 0 AND relay_at > now() + interval '10 seconds'`); n != 3 {
		t.Errorf("%d rows know where the bus has them and are looked at again later, want 3", n)
	}
}

func TestWhatTheBusLostIsPublishedAgain(t *testing.T) {
	s := newStage(t)
	entries := s.plan(4)
	r := relay.New(s.Turns(), s.bus, s.log)
	r.Push(t.Context(), entries...)
	// The first was handled and acknowledged: the bus has forgotten it rightly.
	if _, made, err := s.Deliver(t.Context(), journaltest.Message(journaltest.Turn(s.chat, 1, s.bot), "hello"), ""); err != nil || !made {
		t.Fatal(made, err)
	}
	s.server.Stop()
	s.server.Wipe()
	s.server.Start()
	s.eventually("the bus is back", func() bool { return s.bus.Ready(t.Context()) == nil })
	s.eventually("the streams are there", func() bool { return s.bus.Declare(t.Context()) == nil })
	s.run(r)
	r.Hurry()
	want := renewed(entries[1:])
	s.eventually("the open ones are back", func() bool { return cmp.Equal(want, s.stored(subject.Turns)) })
	// Those that are there are left alone.
	r.Hurry()
	s.eventually("all were looked at", func() bool {
		return s.count(`SELECT count(*) FROM turns WHERE relay_at > now() + interval '10 seconds'`) == 3
	})
	if diff := cmp.Diff(want, s.stored(subject.Turns)); diff != "" {
		t.Errorf("on the bus (-want +got): %s", diff)
	}
}

// A stream that was purged remembers the ids of what it lost, and drops what has
// one of them.
func TestWhatAPurgeTookIsPublishedAgain(t *testing.T) {
	s := newStage(t)
	entries := s.plan(3)
	r := relay.New(s.Turns(), s.bus, s.log)
	r.Push(t.Context(), entries...)
	stream, err := s.js.Stream(t.Context(), subject.Turns)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.run(r)
	r.Hurry()
	s.eventually("the open ones are back", func() bool { return cmp.Equal(renewed(entries), s.stored(subject.Turns)) })
}

// Looked for one after the other, so many messages would take longer than a
// relay may ask.
func TestADistantBusIsRepaired(t *testing.T) {
	s := newStage(t)
	link := testenv.Proxy(t, s.server.URL())
	cfg := bus.DefaultConfig()
	cfg.URL = link.URL()
	r := relay.New(s.Turns(), bustest.Open(t, cfg), s.log)
	entries := s.plan(600)
	r.Push(t.Context(), entries...)
	link.SetLatency(6 * time.Millisecond)
	stream, err := s.js.Stream(t.Context(), subject.Turns)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.run(r)
	r.Hurry()
	s.eventually("the open ones are back", func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.Msgs == 600
	})
}

// counting counts what goes to the bus through it.
type counting struct {
	relay.Publisher
	mu        sync.Mutex
	published map[string]int
}

func newCounting(b relay.Publisher) *counting {
	return &counting{Publisher: b, published: map[string]int{}}
}

func (c *counting) Publish(ctx context.Context, messages ...bus.Message) ([]uint64, error) {
	c.mu.Lock()
	for _, m := range messages {
		c.published[m.ID]++
	}
	c.mu.Unlock()
	return c.Publisher.Publish(ctx, messages...)
}

func (c *counting) counts() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.published)
}

func TestRelaysShareTheRows(t *testing.T) {
	s := newStage(t)
	entries := s.plan(3000)
	s.exec(graceIsOver)
	c := newCounting(s.bus)
	for range 3 {
		s.run(relay.New(s.Turns(), c, s.log))
	}
	s.eventually("all are published", func() bool { return s.count(published) == len(entries) })
	if diff := cmp.Diff(ids(entries), c.counts()); diff != "" {
		t.Errorf("published (-want +got): %s", diff)
	}
}

func TestWithoutABusAPushReturnsAtOnceAndLosesNothing(t *testing.T) {
	s := newStage(t)
	s.server.Stop()
	s.eventually("the bus is gone", func() bool { return s.bus.Ready(t.Context()) != nil })
	entries := s.plan(3)
	c := newCounting(s.bus)
	r := relay.New(s.Turns(), c, s.log)
	r.Push(t.Context(), entries...)
	if diff := cmp.Diff(map[string]int{}, c.counts()); diff != "" {
		t.Errorf("the bus was waited for: %s", diff)
	}
	s.run(r)
	r.Offer(s.plan(3)...)
	s.server.Start()
	s.eventually("all are published", func() bool { return s.count(published) == 6 })
	s.eventually("the bus has them", func() bool { return len(s.stored(subject.Turns)) == 6 })
}

func TestWhatIsOfferedBeyondTheQueueIsSwept(t *testing.T) {
	s := newStage(t)
	entries := s.plan(5000)
	r := relay.New(s.Turns(), s.bus, s.log)
	r.Offer(entries...) // returns although nobody takes them
	s.exec(`UPDATE turns SET relay_at = now() + interval '1 second'`)
	s.run(r)
	s.eventually("all are published", func() bool { return s.count(published) == len(entries) })
	if diff := cmp.Diff(ids(entries), s.stored(subject.Turns)); diff != "" {
		t.Errorf("on the bus (-want +got): %s", diff)
	}
}

func TestARelayThatStopsPublishesAllThatWasOffered(t *testing.T) {
	s := newStage(t)
	entries := s.plan(100) // few enough for the second that it has, on a busy machine, too
	r := relay.New(s.Turns(), s.bus, s.log)
	r.Offer(entries...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids(entries), s.stored(subject.Turns)); diff != "" {
		t.Errorf("on the bus (-want +got): %s", diff)
	}
}

func TestAReceiptIsPublishedOnceAndDoneWith(t *testing.T) {
	s := newStage(t)
	s.plan(1)
	turn := journaltest.Turn(s.chat, 1, s.bot)
	receipt, err := s.CloseTurn(t.Context(), journal.ExpiredReceipt(turn, "too late"))
	if err != nil {
		t.Fatal(err)
	}
	s.run(relay.New(s.Receipts(), s.bus, s.log))
	s.eventually("the receipt is published", func() bool { return cmp.Equal(map[string]int{receipt.Message.ID: 1}, s.stored(subject.Receipts)) })
	s.eventually("the receipt is done with", func() bool { return s.count(`SELECT count(*) FROM receipts WHERE relay_at IS NULL`) == 1 })
}

// Every service says once that the database is away; its outboxes only say what is
// wrong with them.
func TestADatabaseThatIsAwayIsNoNewsOfAnOutbox(t *testing.T) {
	s := newStage(t)
	away, err := pgxpool.New(t.Context(), "postgres://127.0.0.1:1/none")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(away.Close)
	core, seen := observer.New(zap.InfoLevel)
	for range 3 {
		relay.New(journal.New(away).Turns(), s.bus, zap.New(core)).Sweep(t.Context())
	}
	if seen.Len() > 0 {
		t.Errorf("the log has %v", seen.All())
	}
	s.exec(`ALTER TABLE turns RENAME TO gone`)
	relay.New(s.Turns(), s.bus, zap.New(core)).Sweep(t.Context())
	if seen.FilterMessageSnippet("can't be published").Len() != 1 {
		t.Errorf("the log has %v, want that the table is missing", seen.All())
	}
}
