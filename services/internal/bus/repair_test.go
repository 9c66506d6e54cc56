package bus_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// A restart of a single server takes streams in memory along, a lost disk all.
// Replicas that start then, all at once, make what is missing.
func TestServicesMakeWhatTheBusLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*testenv.BusServer){
		"a restart": func(*testenv.BusServer) {},
		"its disk":  func(s *testenv.BusServer) { s.Wipe() },
	} {
		t.Run(name, func(t *testing.T) {
			_, server := declared(t)
			server.Stop()
			lose(server)
			server.Start()
			var starting sync.WaitGroup
			for range 4 {
				b, err := bus.Connect(t.Context(), config(server.URL()), testenv.Logger(t), t.Name())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(b.Close)
				starting.Go(func() {
					if err := b.Ensure(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			starting.Wait()
		})
	}
}

// What another build has declared stays as it is where this one can work with it.
func TestServicesUndoNothing(t *testing.T) {
	b, server := declared(t)
	js := bustest.JetStream(t, server.URL())
	s, err := js.Stream(t.Context(), subject.Turns)
	if err != nil {
		t.Fatal(err)
	}
	newer := s.CachedInfo().Config
	newer.MaxAge, newer.MaxBytes = time.Hour, 512<<20
	if _, err := js.UpdateStream(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	if err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context())
	if err != nil || info.Config.MaxAge != newer.MaxAge || info.Config.MaxBytes != newer.MaxBytes {
		t.Errorf("it is kept for %v, with %d bytes (%v)", info.Config.MaxAge, info.Config.MaxBytes, err)
	}
}

// The bus loses streams and consumers under a service that runs on: what it
// publishes and reads afterwards needs no restart.
func TestAServiceThatRunsMakesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(context.Context, jetstream.JetStream) error{
		"the stream": func(ctx context.Context, js jetstream.JetStream) error { return js.DeleteStream(ctx, subject.Turns) },
		"all consumers": func(ctx context.Context, js jetstream.JetStream) error {
			s, err := js.Stream(ctx, subject.Turns)
			if err != nil {
				return err
			}
			names := s.ConsumerNames(ctx)
			for n := range names.Name() {
				if err := s.DeleteConsumer(ctx, n); err != nil {
					return err
				}
			}
			return names.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, server := declared(t)
			got := make(chan int64, 16)
			consume(t, b, nil, func(_ context.Context, turn *chorusv1.Turn) error {
				got <- turn.GetId().GetNumber()
				return nil
			})
			publish(t, b, turn(7, 1))
			if n := receive(t, got); n != 1 {
				t.Fatalf("got %d", n)
			}
			if err := lose(t.Context(), bustest.JetStream(t, server.URL())); err != nil {
				t.Fatal(err)
			}
			testenv.Eventually(t, "turns are published again", func() (string, bool) {
				_, err := b.Publish(t.Context(), turn(7, 2))
				if err != nil {
					return err.Error(), false
				}
				return "", true
			})
			if n := receive(t, got); n != 2 {
				t.Errorf("got %d", n)
			}
			if err := b.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A full queue refuses, says so, and goes on once it is read; a full record drops
// what is oldest.
func TestAFullStreamStopsNothingForGood(t *testing.T) {
	t.Parallel()
	cfg := config(testenv.NATS(t))
	cfg.MaxBytes = 1 << 20
	b := bustest.Open(t, cfg)
	if err := b.Writable(t.Context(), bus.Streams()...); err != nil {
		t.Fatal(err)
	}
	large := func(name, id string) bus.Message {
		return bus.Message{Subject: name, ID: id, Payload: make([]byte, 100<<10)}
	}
	full := false
	for i := range int64(20) {
		if _, err := b.Publish(t.Context(), large(subject.Turn(1+i), subject.TurnID(&chorusv1.TurnId{ChatId: 1 + i, Number: 1}))); err != nil {
			full = true
		}
		publish(t, b, large(subject.Receipt(chorusv1.Outcome_OUTCOME_DELIVERED, 1+i), subject.UpdateID(1, i)))
	}
	if !full {
		t.Fatal("a queue of 1 MiB took 2 MB")
	}
	js := bustest.JetStream(t, cfg.URL)
	s, err := js.Stream(t.Context(), subject.Turns)
	if err != nil {
		t.Fatal(err)
	}
	// The probe is smaller than what was refused, so fill the last of it.
	for err == nil {
		_, err = js.Publish(t.Context(), subject.Turn(1), make([]byte, 1<<10))
	}
	for err = nil; err == nil; {
		_, err = js.Publish(t.Context(), subject.Turn(1), nil)
	}
	err = b.Writable(t.Context(), bus.Streams()...)
	if err == nil || !strings.Contains(err.Error(), subject.Turns) || !strings.Contains(err.Error(), "nats.max_bytes") || strings.Contains(err.Error(), subject.Receipts) {
		t.Errorf("with a full queue: %v", err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Writable(t.Context(), bus.Streams()...); err != nil {
		t.Error(err)
	}
	if left := s.CachedInfo().State.Msgs; left != 0 {
		info, err := s.Info(t.Context())
		if err != nil || info.State.Msgs != 0 {
			t.Errorf("probes leave messages: %v %v", info.State, err)
		}
	}
}

// A server without room for the bounds says what to change.
func TestTooLittleRoomHasARemedy(t *testing.T) {
	t.Parallel()
	cfg := config(testenv.NATS(t))
	cfg.MaxBytes = 1 << 40
	b, err := bus.Connect(t.Context(), cfg, testenv.Logger(t), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	for _, err := range []error{b.Declare(t.Context()), b.Ensure(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "nats.max_bytes") {
			t.Errorf("it is %v", err)
		}
	}
}
