package bus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/bus"
)

// BenchmarkFailover measures, with the default configuration, how much longer
// than the ack wait it takes until another replica has done what a dead one had
// in hand, and what came for its chats.
func BenchmarkFailover(b *testing.B) {
	cfg := bus.DefaultConfig()
	var worst time.Duration
	for i := range b.N {
		over := newFleet(b, cfg.AckWait, cfg.MemberTTL).failover()
		if i == 0 || over > worst {
			worst = over
		}
	}
	fmt.Printf("figure bus.failover_over_ackwait_s %.3f s\n", worst.Seconds())
}

// BenchmarkStart measures the time from a service's first question to the bus
// until it reads every partition of every group.
func BenchmarkStart(b *testing.B) {
	cfg := bus.DefaultConfig()
	f := newFleet(b, cfg.AckWait, cfg.MemberTTL)
	chats := chatsOfAllPartitions()
	handled := make(chan struct{}, len(chats))
	var total time.Duration
	for range b.N {
		f.publish(chats...)
		ctx, stop := context.WithCancel(b.Context())
		began := time.Now()
		if err := f.bus.Verify(ctx); err != nil {
			b.Fatal(err)
		}
		var running sync.WaitGroup
		for _, group := range []bus.Group{bus.Generator(), bus.SenderMessages(), bus.SenderReactions()} {
			c := bus.NewConsumer(f.bus, group, nil, nil, func(context.Context, *chorusv1.Turn) error {
				handled <- struct{}{}
				return nil
			})
			running.Go(func() {
				if err := c.Run(ctx); err != nil {
					b.Error(err)
				}
			})
		}
		for range chats {
			await(b, handled)
		}
		total += time.Since(began)
		stop()
		running.Wait()
	}
	fmt.Printf("figure bus.start_ms %.0f ms\n", float64(total.Milliseconds())/float64(b.N))
}
