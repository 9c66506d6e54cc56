package bus_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
)

// even is how soon after a change the partitions are shared evenly: five seconds,
// and three times that where the tests of all packages share a small machine.
const even = 15 * time.Second

// One replica becomes eight and then three while turns stream in and handlers
// are slow: none is lost, doubled or overtaken.
func TestReplicasComeAndGo(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 10*time.Second, 3*time.Second)
	f.does(func(ctx context.Context, _ *replica, id *chorusv1.TurnId) error {
		if id.GetNumber()%8 == 0 { // some can't be interrupted
			ctx = context.WithoutCancel(ctx)
		}
		return busy(ctx, 60*time.Millisecond)
	})
	replicas := f.start(1)
	f.shared(even, replicas)
	end := f.load(200*time.Millisecond, 100)
	replicas = append(replicas, f.start(7)...)
	f.shared(even, replicas)
	for _, r := range replicas {
		if n, want := r.reads(t), part(8).most; n != want {
			t.Errorf("%s reads %d partitions by its metrics, want %d", r.name, n, want)
		}
	}
	var leaving sync.WaitGroup
	for _, r := range replicas[:5] {
		leaving.Go(r.stop)
	}
	leaving.Wait()
	f.shared(even, replicas[5:])
	end()
	f.settled()
	f.inOrder()
	empty(t, f.server, subject.Turns)
	for _, r := range replicas {
		if n := r.rebalanced(); n > 13 {
			t.Errorf("%s shared the partitions %d times, want one for each that came or went", r.name, n)
		}
	}
}

// A replica that dies takes no leave. What it had in hand, and what comes for
// its chats, goes to another in time and in order.
func TestADeadReplicaIsReplaced(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3*time.Second, 2*time.Second)
	over := f.failover()
	t.Logf("the failover took %v more than the ack wait", over)
	if over > time.Second {
		t.Errorf("the failover took %v more than the ack wait, want 1s at most", over)
	}
	f.inOrder()
}

// failover cuts off one of three replicas while it has a turn of each of its
// chats in hand, and tells how much longer than the ack wait it takes until
// these and the chats' next are handled.
func (f *fleet) failover() time.Duration {
	f.t.Helper()
	replicas := f.start(3)
	f.shared(even, replicas)
	began := f.hang(replicas[0])
	chats := chatsOfAllPartitions()
	f.publish(chats...)
	for range part(len(replicas)).least {
		await(f.t, began)
	}
	replicas[0].link.Cut()
	cut := time.Now()
	f.publish(chats...)
	f.settled()
	f.mu.Lock()
	defer f.mu.Unlock()
	var last time.Time
	for _, h := range f.handled {
		if at := h[len(h)-1].at; at.After(last) {
			last = at
		}
	}
	return last.Sub(cut) - f.cfg.AckWait
}

// hang makes the handlers of a replica hang until they are told to stop, and
// those of the others do nothing.
func (f *fleet) hang(victim *replica) (began <-chan struct{}) {
	hanging := make(chan struct{}, 1024)
	f.does(func(ctx context.Context, r *replica, _ *chorusv1.TurnId) error {
		if r != victim {
			return nil
		}
		hanging <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	return hanging
}

// A replica that stood still for longer than the ack wait comes back: the calls
// that it was in the midst of, it ends; what else it has in hand is another's.
func TestAFrozenReplicaComesBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3*time.Second, 2*time.Second)
	replicas := f.start(2)
	f.shared(even, replicas)
	victim, chats := replicas[0], chatsOfAllPartitions()
	began := make(chan int64, 1024)
	thawed := make(chan struct{})
	f.does(func(_ context.Context, r *replica, id *chorusv1.TurnId) error {
		if r == victim {
			began <- id.GetChatId()
			<-thawed
		}
		return nil
	})
	for range 3 { // one at work and two that wait
		f.publish(chats...)
	}
	for range part(2).least {
		await(t, began)
	}
	victim.link.Freeze()
	f.publish(chats...)
	f.settled()
	close(thawed)
	victim.link.Restore()
	f.does(func(context.Context, *replica, *chorusv1.TurnId) error { return nil })
	f.shared(2*even, replicas)
	if doubled, most := f.forgetDoubles(victim), part(2).most; doubled > most {
		t.Errorf("%d turns were doubled, want the %d that were at work at most", doubled, most)
	}
	f.inOrder()
}

// forgetDoubles takes out of the ledger what a replica handled after others.
func (f *fleet) forgetDoubles(by *replica) (doubles int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for chat, all := range f.handled {
		seen := map[int64]bool{}
		once := slices.DeleteFunc(all, func(h handled) bool {
			again := seen[h.turn] && h.by == by
			seen[h.turn] = true
			return again
		})
		doubles += len(all) - len(once)
		f.handled[chat] = once
	}
	return doubles
}

// Without the stream of heartbeats the replicas go on, and a new one makes it anew.
func TestTheMembersStreamIsDeleted(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 10*time.Second, 3*time.Second)
	replicas := f.start(3)
	f.shared(even, replicas)
	end := f.load(20*time.Millisecond, 50)
	if err := bustest.JetStream(t, f.server.URL()).DeleteStream(t.Context(), "MEMBERS"); err != nil {
		t.Fatal(err)
	}
	before := replicas[0].rebalanced()
	// Whoever goes is still noticed, and nobody else is missed.
	replicas[2].stop()
	f.shared(even, replicas[:2])
	if n := replicas[0].rebalanced() - before; n != 1 {
		t.Errorf("shared %d times, want 1", n)
	}
	f.shared(even, append(replicas[:2], f.start(1)...))
	end()
	f.settled()
	f.inOrder()
}
