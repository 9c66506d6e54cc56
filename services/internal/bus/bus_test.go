package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// patience bounds every wait of a test; only a broken bus takes so long.
const patience = 30 * time.Second

func config(url string) bus.Config {
	cfg := bus.DefaultConfig()
	cfg.URL, cfg.AckWait, cfg.ConnectTimeout = url, 2*time.Second, 5*time.Second
	return cfg
}

func connect(t *testing.T, url string) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), config(url), testenv.Logger(t), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func declared(t *testing.T) (*bus.Bus, *testenv.BusServer) {
	t.Helper()
	t.Parallel()
	server := testenv.NATSServer(t)
	b := connect(t, server.URL())
	if err := b.Declare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b, server
}

func turn(chat, number int64) bus.Message {
	id := &chorusv1.TurnId{ChatId: chat, Number: number}
	payload, err := proto.Marshal(&chorusv1.Turn{Id: id})
	if err != nil {
		panic(err)
	}
	return bus.Message{Subject: subject.Turn(chat), ID: subject.TurnID(id), Payload: payload}
}

func publish(t *testing.T, b *bus.Bus, messages ...bus.Message) []uint64 {
	t.Helper()
	sequences, err := b.Publish(t.Context(), messages...)
	if err != nil {
		t.Fatal(err)
	}
	return sequences
}

// graves keeps dead letters.
type graves chan *chorusv1.DeadLetter

func (g graves) Bury(_ context.Context, letter *chorusv1.DeadLetter) error {
	g <- letter
	return nil
}

// consume runs a consumer of turns until the test or stop ends it.
func consume(t *testing.T, b *bus.Bus, dead graves, handle bus.Handler[*chorusv1.Turn]) (stop func()) {
	t.Helper()
	return testenv.Background(t, bus.NewConsumer(b, bus.Generator(), dead, nil, handle).Run)
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestDeclareIsIdempotentAndVerified(t *testing.T) {
	t.Parallel()
	b := connect(t, testenv.NATS(t))
	err := b.Verify(t.Context())
	if err == nil || !strings.Contains(err.Error(), "chorus migrate up") {
		t.Errorf("verify before declare: %v", err)
	}
	for range 2 {
		if err := b.Declare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// Times are changed by declaring anew; until then, services refuse to start.
func TestDeclareFollowsTheConfiguration(t *testing.T) {
	_, server := declared(t)
	for _, c := range []struct {
		change func(*bus.Config)
		want   string
	}{
		{func(cfg *bus.Config) { cfg.AckWait = 4 * time.Second }, "ack wait"},
		{func(cfg *bus.Config) { cfg.MemberTTL = 5 * time.Second }, "member_ttl"},
	} {
		cfg := config(server.URL())
		c.change(&cfg)
		b, err := bus.Connect(t.Context(), cfg, testenv.Logger(t), t.Name())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		if err := b.Verify(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("verify with another %s: %v", c.want, err)
		}
		if err := b.Declare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestVerifyNamesWhatDiffers(t *testing.T) {
	b, server := declared(t)
	js := bustest.JetStream(t, server.URL())
	if err := js.DeleteConsumer(t.Context(), subject.Turns, "generator-07"); err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(t.Context()); err == nil || !strings.Contains(err.Error(), "generator-07") {
		t.Errorf("verify without a consumer: %v", err)
	}
	stream, err := js.Stream(t.Context(), subject.Dead)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.Metadata["chorus-partitions"] = "16"
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := b.Declare(t.Context()); err == nil || !strings.Contains(err.Error(), `"16" partitions`) {
		t.Errorf("declare on other partitions: %v", err)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	cfg := config("nats://127.0.0.1:1")
	cfg.ConnectTimeout = time.Second
	_, err := bus.Connect(t.Context(), cfg, testenv.Logger(t), "test")
	if err == nil || !strings.Contains(err.Error(), "no server answers at nats://127.0.0.1:1") {
		t.Errorf("no server: %v", err)
	}
}

func TestPublishTwiceIsOnce(t *testing.T) {
	b, _ := declared(t)
	first, second := publish(t, b, turn(1, 1)), publish(t, b, turn(1, 1))
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the bus stored it twice: %s", diff)
	}
}

func TestMessagesOfAChatComeInOrder(t *testing.T) {
	b, _ := declared(t)
	const chats, turns = 5, 20
	var mu sync.Mutex
	got := map[int64][]int64{}
	all := make(chan struct{}, chats*turns)
	consume(t, b, nil, func(_ context.Context, m *chorusv1.Turn) error {
		mu.Lock()
		defer mu.Unlock()
		got[m.GetId().GetChatId()] = append(got[m.GetId().GetChatId()], m.GetId().GetNumber())
		all <- struct{}{}
		return nil
	})
	want := map[int64][]int64{}
	for n := int64(1); n <= turns; n++ {
		for chat := int64(1); chat <= chats; chat++ {
			publish(t, b, turn(chat, n))
			want[chat] = append(want[chat], n)
		}
	}
	for range chats * turns {
		receive(t, all)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAWaitingChatHoldsUpNoOther(t *testing.T) {
	b, _ := declared(t)
	release := make(chan struct{})
	passed := make(chan int64, 10)
	calls := make(chan struct{}, 10)
	consume(t, b, nil, func(ctx context.Context, m *chorusv1.Turn) error {
		if m.GetId().GetChatId() == 1 {
			calls <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		passed <- m.GetId().GetChatId()
		return nil
	})
	publish(t, b, turn(1, 1))
	receive(t, calls)
	for chat := int64(2); chat <= 5; chat++ {
		publish(t, b, turn(chat, 1))
		receive(t, passed)
	}
	// Longer than the ack wait, a message in hand is not given out again.
	select {
	case <-calls:
		t.Error("the message in hand was given out again")
	case <-time.After(2500 * time.Millisecond):
	}
	close(release)
	if got := receive(t, passed); got != 1 {
		t.Errorf("chat %d passed, want 1", got)
	}
}

func TestFailuresAreTriedAgainInPlace(t *testing.T) {
	b, _ := declared(t)
	type call struct{ number, try int64 }
	calls := make(chan call, 10)
	var tries int64
	consume(t, b, nil, func(_ context.Context, m *chorusv1.Turn) error {
		if m.GetId().GetNumber() == 1 {
			tries++
			calls <- call{1, tries}
			switch tries {
			case 1:
				return errors.New("it passes")
			case 2:
				return fail.AsThrottled(10*time.Millisecond, errors.New("wait"))
			}
			return nil
		}
		calls <- call{m.GetId().GetNumber(), 1}
		return nil
	})
	publish(t, b, turn(1, 1), turn(1, 2))
	for _, want := range []call{{1, 1}, {1, 2}, {1, 3}, {2, 1}} {
		if got := receive(t, calls); got != want {
			t.Errorf("call %v, want %v", got, want)
		}
	}
}

func TestAnOutageBehindTheHandlerMakesNoDeadLetter(t *testing.T) {
	t.Parallel()
	server := testenv.NATSServer(t)
	cfg := config(server.URL())
	cfg.MaxAttempts = 2
	b := bustest.Open(t, cfg)
	dead, calls := make(graves, 1), make(chan int, 10)
	tries := 0
	consume(t, b, dead, func(_ context.Context, m *chorusv1.Turn) error {
		if m.GetId().GetNumber() == 2 {
			return errors.New("it fails by itself")
		}
		if tries++; tries < 5 {
			return fail.AsUnavailable(errors.New("the database is away"))
		}
		calls <- tries
		return nil
	})
	publish(t, b, turn(1, 1), turn(1, 2))
	if got := receive(t, calls); got != 5 {
		t.Errorf("done at try %d, want 5", got)
	}
	if l := receive(t, dead); l.GetAttempts() != 2 || l.GetTurn().GetNumber() != 2 {
		t.Errorf("dead letter %v", l)
	}
}

func TestDeadLetters(t *testing.T) {
	b, server := declared(t)
	dead := make(graves, 10)
	consume(t, b, dead, func(_ context.Context, m *chorusv1.Turn) error {
		switch m.GetId().GetNumber() {
		case 1:
			return fail.AsPermanent(errors.New("never"))
		case 2:
			panic("a bug")
		}
		return nil
	})
	broken := turn(4, 7)
	broken.Payload = []byte("no protobuf")
	publish(t, b, turn(1, 1), broken)
	reasons := map[string]string{}
	for range 2 {
		l := receive(t, dead)
		reasons[fmt.Sprint(l.GetTurn().GetChatId(), "-", l.GetTurn().GetNumber())] = l.GetReason()
		if l.GetStream() != subject.Turns || l.GetService() != "generator" || l.GetAttempts() != 1 || l.GetFirstAt() == nil {
			t.Errorf("dead letter %v", l)
		}
	}
	if reasons["1-1"] != "never" || !strings.Contains(reasons["4-7"], "can't be decoded as Turn") {
		t.Errorf("reasons %v", reasons)
	}
	empty(t, server, subject.Turns)
}

// empty waits until nothing is stored in a stream.
func empty(t testing.TB, server *testenv.BusServer, name string) {
	t.Helper()
	stream, err := bustest.JetStream(t, server.URL()).Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		info, err := stream.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if info.State.Msgs == 0 {
			return
		}
	}
}

func TestStopHandsBackAndAnotherReaderTakesOver(t *testing.T) {
	b, server := declared(t)
	began := make(chan struct{}, 1)
	stop := consume(t, b, nil, func(ctx context.Context, _ *chorusv1.Turn) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	publish(t, b, turn(1, 1))
	receive(t, began)
	stop()
	got := make(chan int64, 1)
	consume(t, connect(t, server.URL()), nil, func(_ context.Context, m *chorusv1.Turn) error {
		got <- m.GetId().GetNumber()
		return nil
	})
	if n := receive(t, got); n != 1 {
		t.Errorf("turn %d, want 1", n)
	}
	empty(t, server, subject.Turns)
}

func TestAHandlerKnowsWhatMayBeDone(t *testing.T) {
	b, server := declared(t)
	type call struct {
		number   int64
		repeated bool
	}
	calls := make(chan call, 1)
	failed := false
	stop := consume(t, b, nil, func(ctx context.Context, m *chorusv1.Turn) error {
		n := m.GetId().GetNumber()
		calls <- call{n, bus.IsRepeated(ctx)}
		switch {
		case n == 1 && !failed:
			failed = true
			return errors.New("it passes")
		case n == 3: // it is handed back
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	later := turn(1, 2)
	later.ID = subject.MessageID(&chorusv1.TurnId{ChatId: 1, Number: 2}, 1)
	publish(t, b, turn(1, 1), later, turn(1, 3))
	for _, want := range []call{{1, false}, {1, true}, {2, true}, {3, false}} {
		if got := receive(t, calls); got != want {
			t.Errorf("call %v, want %v", got, want)
		}
	}
	stop()
	consume(t, connect(t, server.URL()), nil, func(ctx context.Context, m *chorusv1.Turn) error {
		calls <- call{m.GetId().GetNumber(), bus.IsRepeated(ctx)}
		return nil
	})
	if got, want := receive(t, calls), (call{3, true}); got != want {
		t.Errorf("call %v, want %v", got, want)
	}
	if !bus.IsRepeated(t.Context()) {
		t.Error("without a message, nothing may be done")
	}
}

// What a handler did although it was asked to stop is done, and not for another.
func TestStopKeepsWhatIsDone(t *testing.T) {
	b, server := declared(t)
	began := make(chan struct{}, 1)
	stop := consume(t, b, nil, func(ctx context.Context, _ *chorusv1.Turn) error {
		began <- struct{}{}
		<-ctx.Done()
		return nil
	})
	publish(t, b, turn(1, 1))
	receive(t, began)
	stop()
	empty(t, server, subject.Turns)
}

func TestReadingGoesOnAfterAnOutage(t *testing.T) {
	b, server := declared(t)
	got := make(chan int64, 1)
	consume(t, b, nil, func(_ context.Context, m *chorusv1.Turn) error {
		got <- m.GetId().GetNumber()
		return nil
	})
	publish(t, b, turn(1, 1))
	receive(t, got)
	empty(t, server, subject.Turns)
	server.Stop()
	if _, err := b.Publish(t.Context(), turn(1, 2)); err == nil {
		t.Error("a message was published without a server")
	}
	server.Start()
	receive(t, b.Restored())
	publish(t, b, turn(1, 2))
	if n := receive(t, got); n != 2 {
		t.Errorf("turn %d, want 2", n)
	}
}

func TestHeld(t *testing.T) {
	b, _ := declared(t)
	sequences := publish(t, b, turn(1, 1), turn(2, 1))
	got := make(chan struct{}, 2)
	want := []bus.Stored{{Sequence: sequences[0], ID: "1-1"}, {Sequence: sequences[1], ID: "another"}, {Sequence: 99, ID: "x"}}
	held, err := b.Held(t.Context(), subject.Turns, want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]bool{true, false, false}, held); diff != "" {
		t.Error(diff)
	}
	stop := consume(t, b, nil, func(context.Context, *chorusv1.Turn) error { got <- struct{}{}; return nil })
	receive(t, got)
	receive(t, got)
	stop()
	if held, err = b.Held(t.Context(), subject.Turns, want); err != nil || held[0] {
		t.Errorf("an acknowledged message is held: %v, %v", held, err)
	}
	if held, err = b.Held(t.Context(), "NOWHERE", want); err != nil || held[0] {
		t.Errorf("a stream that is gone holds something: %v, %v", held, err)
	}
}
