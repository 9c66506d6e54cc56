package bus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func update(chat, number int64) bus.Message {
	payload, err := proto.Marshal(&chorusv1.Update{ChatId: chat, Number: number})
	if err != nil {
		panic(err)
	}
	// The id could be that of a turn.
	return bus.Message{Subject: subject.Update(chat), ID: fmt.Sprintf("%d-%d", chat, number), Payload: payload}
}

func hear(t *testing.T, b *bus.Bus, dead graves, handle bus.Handler[*chorusv1.Update]) (stop func()) {
	t.Helper()
	return testenv.Background(t, bus.NewConsumer(b, bus.Planner(), dead, nil, handle).Run)
}

// heard counts how often each update was handled.
type heard struct {
	mu    sync.Mutex
	times map[int64]int
	all   chan int64
}

func newHeard() *heard { return &heard{times: map[int64]int{}, all: make(chan int64, 1000)} }

func (h *heard) handle(_ context.Context, u *chorusv1.Update) error {
	h.mu.Lock()
	h.times[u.GetNumber()]++
	h.mu.Unlock()
	h.all <- u.GetNumber()
	return nil
}

func TestReadersWithoutPartitionsShareMessages(t *testing.T) {
	b, server := declared(t)
	h := newHeard()
	for range 3 {
		hear(t, connect(t, server.URL()), nil, h.handle)
	}
	const n = 300
	for i := range int64(n) {
		publish(t, b, update(1+i%7, i+1))
	}
	for range n {
		receive(t, h.all)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for number, times := range h.times {
		if times != 1 {
			t.Errorf("update %d was handled %d times", number, times)
		}
	}
}

// A reader that can't do its work keeps what it has, and no more than that.
func TestAReaderWithoutPartitionsHoldsNobodyUp(t *testing.T) {
	b, server := declared(t)
	cfg := config(server.URL())
	cfg.MaxPending = 5
	limited, err := bus.Connect(t.Context(), cfg, testenv.Logger(t), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(limited.Close)
	stuck := make(chan int64, 100)
	stop := hear(t, limited, nil, func(ctx context.Context, u *chorusv1.Update) error {
		stuck <- u.GetNumber()
		<-ctx.Done()
		return ctx.Err()
	})
	for i := range int64(40) {
		publish(t, b, update(i+1, i+1)) // each chat has a lane of its own
	}
	for range cfg.MaxPending {
		receive(t, stuck)
	}
	h := newHeard()
	hear(t, b, nil, h.handle)
	for range 40 - cfg.MaxPending {
		receive(t, h.all)
	}
	if len(stuck) > 0 {
		t.Errorf("the stuck reader has %d messages more than it may", len(stuck))
	}
	// What it had goes to the other one when it stops.
	stop()
	for range cfg.MaxPending {
		receive(t, h.all)
	}
}

func TestAReaderWithoutPartitionsOutlivesItsConsumer(t *testing.T) {
	b, server := declared(t)
	h := newHeard()
	hear(t, b, nil, h.handle)
	publish(t, b, update(1, 1))
	receive(t, h.all)
	server.Stop()
	server.Wipe()
	server.Start()
	// It may be asked before it is noticed that the server was away.
	testenv.Eventually(t, "the streams are declared", func() (string, bool) {
		err := b.Declare(t.Context())
		return fmt.Sprint(err), err == nil
	})
	publish(t, b, update(1, 2))
	if number := receive(t, h.all); number != 2 {
		t.Errorf("got update %d, want 2", number)
	}
}

func TestDeadUpdatesEndNoTurn(t *testing.T) {
	b, _ := declared(t)
	dead := make(graves, 1)
	hear(t, b, dead, func(context.Context, *chorusv1.Update) error { return fail.AsPermanent(errors.New("it is bad")) })
	publish(t, b, update(3, 4))
	letter := receive(t, dead)
	if letter.GetStream() != subject.Updates || letter.GetMessageId() != "3-4" || letter.GetTurn() != nil {
		t.Errorf("the dead letter is %v", letter)
	}
}
