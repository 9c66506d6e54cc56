package sender_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/relay"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/sender"
)

// ordeal is what replicas go through while messages and reactions stream in:
// they are killed at any step, stand still for longer than the ack wait, and
// become more and fewer; Telegram refuses reactions, holds bots back, and breaks
// connections after it has done what it was asked.
type ordeal struct {
	*stage

	kills      int // how often a replica is killed in all
	most, last int // replicas at most, and in the end
	cfg        sender.Config
	chats      []int64
	said       map[int64]int64
	random     *rand.Rand

	mu      sync.Mutex
	staff   []*replica
	killed  int
	frozen  int
	places  map[string]int
	planned int
}

const (
	ordealChats = 24
	// maxOpen is how much may wait: what is more is not planned.
	maxOpen = 150
	// maxSteps is how many steps a replica takes before it dies.
	maxSteps = 120
)

func newOrdeal(t testing.TB, kills, most, last int) *ordeal {
	t.Helper()
	s := newStage(t)
	s.stop()
	seed := uint64(time.Now().UnixNano())
	t.Logf("the seed is %d", seed)
	o := &ordeal{
		stage: s, kills: kills, most: most, last: last, cfg: s.cfg, said: map[int64]int64{}, places: map[string]int{},
		random: rand.New(rand.NewPCG(seed, 0)),
	}
	o.cfg.ShortWait, o.cfg.Grace = 500*time.Millisecond, time.Second
	o.cfg.FloodWindow = 0 // a 429 is of its chat alone
	o.cfg.BreakerFailures = 1000
	// As the planner and the generator do: a replica may die when it has taken a
	// delivery out of parking and not yet published it, and then it is theirs.
	for _, action := range []chorusv1.Action{chorusv1.Action_ACTION_SEND_MESSAGE, chorusv1.Action_ACTION_SET_REACTION} {
		testenv.Background(t, relay.New(s.journal.Deliveries(action), s.bus, testenv.Logger(t)).Run)
	}
	bots := []int64{s.bot, s.newBot("ben"), s.newBot("cleo")}
	for i := range ordealChats {
		chat, said := s.chat(fmt.Sprint("chat-", i), world.Supergroup, bots...)
		o.chats, o.said[chat] = append(o.chats, chat), said
	}
	s.fault(
		"sendMessage:reset_after:rate=0.03:seed=1", "setMessageReaction:reset_after:rate=0.05:seed=2",
		"sendMessage:429:retry_after=1:rate=0.02:seed=3", "setMessageReaction:400:REACTION_INVALID:rate=0.2:seed=4",
		"sendMessage:hang_after=40ms:rate=0.3:seed=5",
	)
	return o
}

// stream plans a turn of each chat over and over, while not too many wait.
func (o *ordeal) stream(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if o.one(`SELECT count(*) FROM turns WHERE outcome IS NULL`) > maxOpen {
			continue
		}
		for i, chat := range o.chats {
			long := func(turn *chorusv1.Turn) { turn.ExpiresAt.Seconds += 3600 }
			if (o.planned+i)%4 == 0 {
				o.reacts(chat, long)
			} else {
				o.say(chat, fmt.Sprintf("%d-%d", chat, o.turns[chat]+1), long)
			}
			o.planned++
		}
	}
}

func (o *ordeal) reacts(chat int64, change func(*chorusv1.Turn)) {
	o.t.Helper()
	turn := o.turn(chat)
	turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REACTION, o.said[chat]
	change(turn)
	emoji := []string{"👍", "🔥", "🤔"}[turn.GetId().GetNumber()%3]
	o.publish(o.plan(journal.Planned{Turn: turn, Delivery: journaltest.Reaction(turn, emoji, emojiMessage)})...)
}

// post keeps a place filled: who dies is replaced, until the context ends.
func (o *ordeal) post(ctx context.Context) {
	for ctx.Err() == nil {
		r, err := o.hire(o.cfg, o.fate())
		if err != nil {
			o.t.Error(err)
			return
		}
		o.mu.Lock()
		o.staff = append(o.staff, r)
		o.mu.Unlock()
		select {
		case <-r.Done():
		case <-ctx.Done():
			r.retire(o.t)
		}
		o.mu.Lock()
		o.staff = slices.DeleteFunc(o.staff, func(other *replica) bool { return other == r })
		if place := r.place(); place != "" {
			o.killed++
			o.places[place]++
		} else if err := r.Err(); err != nil {
			o.t.Errorf("a replica ended: %v", err)
		}
		o.mu.Unlock()
	}
}

// fate is the step at which the next replica dies; 0 once enough have died.
func (o *ordeal) fate() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.killed >= o.kills {
		return 0
	}
	return 1 + o.random.Int64N(maxSteps)
}

// freeze makes one replica after the other stand still for longer than the ack
// wait.
func (o *ordeal) freeze(ctx context.Context) {
	for ctx.Err() == nil {
		rest(ctx, o.busCfg.AckWait/4)
		o.mu.Lock()
		var victim *replica
		if len(o.staff) > 0 {
			victim = o.staff[o.random.IntN(len(o.staff))]
			o.frozen++
		}
		o.mu.Unlock()
		if victim == nil {
			continue
		}
		o.signal(victim, syscall.SIGSTOP)
		rest(ctx, o.busCfg.AckWait*3/2)
		o.signal(victim, syscall.SIGCONT)
	}
}

func (o *ordeal) signal(r *replica, s syscall.Signal) {
	if err := r.Signal(s); err != nil {
		o.t.Error(err)
	}
}

func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// run goes through it all and waits until every turn has ended.
func (o *ordeal) run(limit time.Duration) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), limit)
	defer cancel()
	var streaming, freezing sync.WaitGroup
	streams, dry := context.WithCancel(ctx)
	defer dry()
	streaming.Go(func() { o.stream(streams) })
	freezes, thaw := context.WithCancel(ctx)
	defer thaw()
	freezing.Go(func() { o.freeze(freezes) })

	var posts sync.WaitGroup
	var leave []context.CancelFunc
	fill := func(n int) {
		for len(leave) < n {
			post, end := context.WithCancel(ctx)
			leave = append(leave, end)
			posts.Go(func() { o.post(post) })
		}
	}
	defer posts.Wait()
	defer func() {
		for _, end := range leave {
			end()
		}
	}()
	fill(1)
	o.until(ctx, o.kills/8)
	fill(o.most)
	o.until(ctx, o.kills*3/4)
	for _, end := range leave[o.last:] {
		end()
	}
	o.until(ctx, o.kills)
	dry()
	streaming.Wait()
	thaw()
	freezing.Wait()
	for o.one(`SELECT count(*) FROM turns WHERE outcome IS NULL`) > 0 {
		if rest(ctx, 50*time.Millisecond); ctx.Err() != nil {
			o.t.Fatalf("%d turns have not ended within %v", o.one(`SELECT count(*) FROM turns WHERE outcome IS NULL`), limit)
		}
	}
}

// until waits until so many replicas were killed.
func (o *ordeal) until(ctx context.Context, kills int) {
	o.t.Helper()
	for {
		o.mu.Lock()
		killed := o.killed
		o.mu.Unlock()
		if killed >= kills {
			return
		}
		if rest(ctx, 20*time.Millisecond); ctx.Err() != nil {
			o.t.Fatalf("%d replicas were killed, want %d: the others do nothing", killed, kills)
		}
	}
}

// A few kills and standstills, and replicas that come and go. BenchmarkOrdeal is
// the long form.
func TestNothingIsDoubledLostOrOvertaken(t *testing.T) {
	o := newOrdeal(t, 10, 4, 2)
	o.run(2 * time.Minute)
	found := o.account()
	t.Logf("%d turns, %d kills, %d standstills: %v", o.planned, o.killed, o.frozen, found)
	if found.duplicates+found.disorders+found.unaccounted > 0 {
		t.Errorf("%d doubled, %d out of order, %d unaccounted for", found.duplicates, found.disorders, found.unaccounted)
	}
}

// BenchmarkOrdeal is one ordeal, however often it is asked for: one replica that
// becomes eight and then three, and 200 kills.
func BenchmarkOrdeal(b *testing.B) {
	o := newOrdeal(b, 200, 8, 3)
	o.run(20 * time.Minute)
	found := o.account()
	b.Logf("%d turns, %d kills, %d standstills: %v; died at %v", o.planned, o.killed, o.frozen, found, o.places)
	for _, step := range []string{"claiming", "sending", "reacting", "finishing", "acknowledging"} {
		for _, when := range []string{"before ", "after "} {
			if o.places[when+step] == 0 {
				b.Errorf("nobody died %s%s", when, step)
			}
		}
	}
	fmt.Printf("figure sender.duplicates %d messages\nfigure sender.order_violations %d messages\nfigure sender.unaccounted %d turns\nfigure sender.unknown_outcomes %d turns\nfigure sender.kills %d kills\n",
		found.duplicates, found.disorders, found.unaccounted, found.outcomes["unknown"], o.killed)
}
