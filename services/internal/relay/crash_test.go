package relay_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/relay"
)

var errDead = errors.New("the process is dead")

// mortal is a process' connection to the bus. At one of its calls the process
// dies, before the call takes effect or after; from then on all fails.
type mortal struct {
	relay.Publisher
	die   context.CancelFunc
	calls int // left to live
	after bool
	dead  bool
}

func (m *mortal) call(do func()) error {
	if m.dead {
		return errDead
	}
	m.calls--
	if m.dead = m.calls == 0; !m.dead {
		do()
		return nil
	}
	m.die()
	if m.after {
		do()
	}
	return errDead
}

func (m *mortal) Publish(ctx context.Context, messages ...bus.Message) (sequences []uint64, err error) {
	// A dying process sends in full what it sends at all, and knows no answer.
	dead := m.call(func() { sequences, err = m.Publisher.Publish(context.WithoutCancel(ctx), messages...) })
	if dead != nil {
		return make([]uint64, len(messages)), dead
	}
	return sequences, err
}

func (m *mortal) Held(ctx context.Context, stream string, want []bus.Stored) (held []bool, err error) {
	if dead := m.call(func() { held, err = m.Publisher.Held(ctx, stream, want) }); dead != nil {
		return nil, dead
	}
	return held, err
}

// crashes is a model of deliveries that are made, published, parked and
// published anew by processes that die at any moment.
type crashes struct {
	*stage
	t         *rapid.T
	rows      []*chorusv1.TurnId
	committed []journal.Entry // and pushed by nobody yet
	from      uint64          // the stream's sequence before this run
	want      map[string]int
}

// live gives do a process that may die at any of its calls.
func (c *crashes) live(do func(ctx context.Context, process *mortal)) {
	ctx, die := context.WithCancel(c.stage.t.Context())
	defer die()
	do(ctx, &mortal{
		Publisher: c.bus, die: die,
		calls: rapid.IntRange(0, 3).Draw(c.t, "calls to live"), // 0 for ever
		after: rapid.Bool().Draw(c.t, "dies after the call"),
	})
}

func (c *crashes) outbox() *journal.Outbox {
	return c.Deliveries(chorusv1.Action_ACTION_SEND_MESSAGE)
}

// commit writes deliveries down, each in a chat of its own.
func (c *crashes) commit(t *rapid.T) {
	for range rapid.IntRange(1, 3).Draw(t, "rows") {
		c.last++
		chat := journaltest.Chat(c.stage.t, c.pool, fmt.Sprintf("chat-%d", c.last), c.bot)
		turn := journaltest.Turn(chat, 1, c.bot)
		err := store.InTx(c.stage.t.Context(), c.pool, func(tx pgx.Tx) error {
			_, _, err := c.Plan(c.stage.t.Context(), tx, []journal.Planned{{Turn: turn}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		e, made, err := c.Deliver(c.stage.t.Context(), journaltest.Message(turn, "hello"), "")
		if err != nil || !made {
			t.Fatal(made, err)
		}
		c.rows, c.committed = append(c.rows, turn.GetId()), append(c.committed, e)
		c.want[e.Message.ID] = 1
	}
}

// push is what follows a commit, unless the process dies in between.
func (c *crashes) push(*rapid.T) {
	c.live(func(ctx context.Context, process *mortal) {
		relay.New(c.outbox(), process, c.log).Push(ctx, c.committed...)
	})
	c.committed = nil
}

func (c *crashes) sweep(*rapid.T) {
	c.live(func(ctx context.Context, process *mortal) {
		_ = relay.New(c.outbox(), process, c.log).Due(ctx) // it may have died
	})
}

func (c *crashes) sweepParked(*rapid.T) {
	c.live(func(ctx context.Context, process *mortal) {
		_ = relay.New(c.Parked(), process, c.log).Due(ctx) // it may have died
	})
}

// timePasses makes every row due.
func (c *crashes) timePasses(*rapid.T) {
	c.exec(`UPDATE deliveries SET relay_at = now() WHERE relay_at IS NOT NULL`)
}

// park does what a sender does with a message that it got from the bus.
func (c *crashes) park(t *rapid.T) {
	if len(c.rows) == 0 {
		t.Skip("there is nothing to park")
	}
	row := rapid.SampledFrom(c.rows).Draw(t, "row")
	var publication int
	var parked bool
	err := c.pool.QueryRow(c.stage.t.Context(), `SELECT publication, not_before IS NOT NULL FROM deliveries WHERE chat_id = $1`, row.GetChatId()).
		Scan(&publication, &parked)
	if err != nil {
		t.Fatal(err)
	}
	if parked || c.onBus()[subject.MessageID(row, publication)] == 0 {
		t.Skip("no sender has it")
	}
	claim, refused, err := c.Claim(c.stage.t.Context(), row, "sender")
	if err != nil || claim == nil {
		t.Fatal(refused, err)
	}
	if err := c.Park(c.stage.t.Context(), claim, time.Now()); err != nil {
		t.Fatal(err)
	}
	c.want[subject.MessageID(row, publication+1)] = 1
}

// onBus counts this run's messages by their ids.
func (c *crashes) onBus() map[string]int {
	stream, err := c.js.Stream(c.stage.t.Context(), subject.Deliveries)
	if err != nil {
		c.t.Fatal(err)
	}
	found := map[string]int{}
	for seq := c.from + 1; seq <= stream.CachedInfo().State.LastSeq; seq++ {
		m, err := stream.GetMsg(c.stage.t.Context(), seq)
		if err != nil {
			c.t.Fatal(err)
		}
		found[m.Header.Get(jetstream.MsgIDHeader)]++
	}
	return found
}

func (c *crashes) never(t *rapid.T) {
	for id, n := range c.onBus() {
		if n > 1 || c.want[id] == 0 {
			t.Fatalf("message %s is on the bus %d times, want %d", id, n, c.want[id])
		}
	}
}

func TestCrashesNeitherLoseNorDouble(t *testing.T) {
	s := newStage(t)
	rapid.Check(t, func(t *rapid.T) {
		s.exec(`DELETE FROM chats WHERE id <> $1`, s.chat) // what a run that failed has left
		stream, err := s.js.Stream(s.t.Context(), subject.Deliveries)
		if err != nil {
			t.Fatal(err)
		}
		c := &crashes{stage: s, t: t, from: stream.CachedInfo().State.LastSeq, want: map[string]int{}}
		t.Repeat(map[string]func(*rapid.T){
			"commit": c.commit, "push": c.push, "sweep": c.sweep, "sweep parked": c.sweepParked, "time passes": c.timePasses, "park": c.park,
			"": c.never,
		})
		// In the end a process lives on.
		c.timePasses(t)
		for _, outbox := range []*journal.Outbox{c.outbox(), c.Parked()} {
			if err := relay.New(outbox, s.bus, s.log).Due(s.t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(c.want, c.onBus()); diff != "" {
			t.Errorf("on the bus (-want +got): %s", diff)
		}
	})
}
