package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// A restart loses streams in memory; a lost disk loses all. Replicas that start
// concurrently create them again.
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

// Settings that another build has declared stay if this build can work with them.
func TestServicesUndoNothing(t *testing.T) {
	b, server := declared(t)
	js := bustest.JetStream(t, server.URL())
	s, err := js.Stream(t.Context(), subject.Turns)
	if err != nil {
		t.Fatal(err)
	}
	newer := s.CachedInfo().Config
	newer.MaxAge, newer.MaxBytes = 2*time.Hour, 512<<20
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

// A running service needs no restart after the server has lost its streams and consumers.
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
			rings := b.Rings(bus.Texts())
			b.Ring(bus.Texts(), 7)
			collect(t, rings, 1)
			if err := lose(t.Context(), bustest.JetStream(t, server.URL())); err != nil {
				t.Fatal(err)
			}
			// The worker creates what is missing and receives later rings.
			testenv.Eventually(t, "rings are heard again", func() (string, bool) {
				heard := false
				b.Ring(bus.Texts(), 7)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				err := rings.Receive(ctx, 1, func(_ []int64, ack func()) {
					heard = true
					ack()
					cancel()
				})
				return fmt.Sprint(err), heard
			})
			if err := b.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A full stream drops its oldest rings and delivers new ones.
func TestAFullStreamStopsNothing(t *testing.T) {
	t.Parallel()
	cfg := config(testenv.NATS(t))
	cfg.MaxBytes = 1 << 20
	b := bustest.Open(t, cfg)
	js := bustest.JetStream(t, cfg.URL)
	for range 20 {
		if _, err := js.Publish(t.Context(), subject.Text, make([]byte, 100<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Writable(t.Context(), bus.Streams()...); err != nil {
		t.Error(err)
	}
	b.Ring(bus.Texts(), 7)
	if got := collect(t, b.Rings(bus.Texts()), 1); !slices.Equal(got, []int64{7}) {
		t.Errorf("heard %v", got)
	}
}

// Declare removes what an older build declared and this one doesn't use.
func TestDeclaringTakesAwayWhatNobodyUses(t *testing.T) {
	t.Parallel()
	cfg := config(testenv.NATS(t))
	js := bustest.JetStream(t, cfg.URL)
	for name, filter := range map[string]string{"TURNS": "turn.>", "RECEIPTS": "receipt.>"} {
		s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{filter}, Retention: jetstream.WorkQueuePolicy})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "generator-00", FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
			t.Fatal(err)
		}
	}
	b := bustest.Open(t, cfg)
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := js.Stream(t.Context(), "RECEIPTS"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("the stream of receipts: %v", err)
	}
}

// The error of a server without enough room says what to change.
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
