package bus_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func config(url string) bus.Config {
	cfg := bus.DefaultConfig()
	cfg.URL = url
	return cfg
}

// declared returns a bus with streams and consumers on a server of the test's own.
func declared(t *testing.T) (*bus.Bus, *testenv.BusServer) {
	t.Helper()
	t.Parallel()
	server := testenv.NATSServer(t)
	return bustest.Open(t, config(server.URL())), server
}

// collect receives rings until n chats have come.
func collect(t testing.TB, r *bus.Rings, n int) []int64 {
	t.Helper()
	var heard []int64
	testenv.Eventually(t, "all rings are heard", func() (string, bool) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := r.Receive(ctx, n, func(chats []int64, ack func()) {
			heard = append(heard, chats...)
			ack()
			if len(heard) >= n {
				cancel()
			}
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			return err.Error(), false
		}
		return "", len(heard) >= n
	})
	return heard
}

func TestRingsAreHeard(t *testing.T) {
	b, _ := declared(t)
	var chats []int64
	for i := range int64(1000) {
		chats = append(chats, i+1)
	}
	b.Ring(bus.Messages(), chats...)
	b.Ring(bus.Reactions(), 5000)
	got := collect(t, b.Rings(bus.Messages()), len(chats))
	slices.Sort(got)
	if !slices.Equal(got, chats) {
		t.Errorf("heard %d chats: %v", len(got), got)
	}
	if got := collect(t, b.Rings(bus.Reactions()), 1); !slices.Equal(got, []int64{5000}) {
		t.Errorf("heard %v", got)
	}
}

// If a worker dies before it has claimed, others get the ring.
func TestARingThatNobodyAcknowledgedComesAgain(t *testing.T) {
	b, _ := declared(t)
	b.Ring(bus.Texts(), 7)
	ctx, cancel := context.WithCancel(t.Context())
	_ = b.Rings(bus.Texts()).Receive(ctx, 1, func([]int64, func()) { cancel() })
	if got := collect(t, b.Rings(bus.Texts()), 1); !slices.Equal(got, []int64{7}) {
		t.Errorf("heard %v", got)
	}
}
