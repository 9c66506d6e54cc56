package sender_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/killpoint"
	"github.com/chorus-cast/chorus/services/sender"
)

// chaos sends messages and reactions while replicas are killed before and after every step,
// stall for longer than their claims, and are added and removed. Telegram refuses
// reactions, returns 429s, and breaks connections after calls had their effect.
type chaos struct {
	*fixture

	kills      int // number of kills
	peak, last int // highest and last number of replicas
	cfg        sender.Config
	chats      []int64
	sick       int64
	said       map[int64]int64
	random     *rand.Rand

	mu       sync.Mutex
	replicas []*replica
	killed   int
	stopped  int // stalls
	places   map[string]int
	planned  int
	given    int // replicas with a point to die at
}

const (
	chaosChats = 24
	// maxOpen limits the waiting turns: while there are more, none are planned.
	maxOpen = 150
	// maxNth limits how often a replica reaches a point before it dies there.
	maxNth = 6
	// chaosLease is the duration of a claim.
	chaosLease = 3 * time.Second
)

func newChaos(t testing.TB, kills, peak, last int) *chaos {
	t.Helper()
	s := newFixture(t)
	s.stop()
	seed := uint64(time.Now().UnixNano())
	t.Logf("the seed is %d", seed)
	c := &chaos{
		fixture: s, kills: kills, peak: peak, last: last, cfg: s.cfg, said: map[int64]int64{}, places: map[string]int{},
		random: rand.New(rand.NewPCG(seed, 0)),
	}
	c.cfg.ShortWait, c.cfg.Grace = 500*time.Millisecond, time.Second
	c.cfg.FloodWindow = 0 // a 429 concerns its own chat only
	c.cfg.BreakerFailures = 1000
	c.cfg.Lease, c.cfg.Typing, c.cfg.TypingLate = chaosLease, true, time.Hour
	bots := []int64{s.bot, s.newBot("ben"), s.newBot("cleo")}
	for i := range chaosChats {
		chat, said := s.chat(fmt.Sprint("chat-", i), world.Supergroup, bots...)
		c.chats, c.said[chat] = append(c.chats, chat), said
	}
	// In this chat the bot is suspended again and again.
	c.sick, _ = s.chat("sick", world.Supergroup)
	var telegramID int64
	if err := s.pool.QueryRow(t.Context(), `SELECT telegram_id FROM chats WHERE id = $1`, c.sick).Scan(&telegramID); err != nil {
		t.Fatal(err)
	}
	s.fault(
		fmt.Sprintf("sendMessage:kicked:chat=%d", telegramID),
		"sendMessage:reset_after:rate=0.03:seed=1", "setMessageReaction:reset_after:rate=0.05:seed=2",
		"sendMessage:429:retry_after=1:rate=0.04:seed=3", "setMessageReaction:400:REACTION_INVALID:rate=0.2:seed=4",
		"sendMessage:hang_after=40ms:rate=0.3:seed=5",
	)
	return c
}

// stream plans one turn per chat repeatedly, while fewer than maxOpen wait.
func (c *chaos) stream(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if c.one(`SELECT count(*) FROM turns WHERE outcome IS NULL`) > maxOpen {
			continue
		}
		long := func(turn *chorusv1.Turn) { turn.ExpiresAt.Seconds += 3600 }
		for i, chat := range c.chats {
			switch c.planned++; (c.planned/len(c.chats) + i) % 4 {
			case 0:
				emoji := []string{"👍", "🔥", "🤔"}[c.turns[chat]%3]
				c.react(chat, c.said[chat], emoji, emojiMessage, long)
			case 1:
				c.types(chat, long)
			default:
				c.say(chat, c.nextText(chat), long)
			}
		}
		c.exec(`UPDATE cast_members SET suspended_at = NULL, suspended_why = NULL, next_try_at = NULL, tries = 0 WHERE chat_id = $1`, c.sick)
		c.say(c.sick, c.nextText(c.sick), long)
		c.planned++
		if c.planned/len(c.chats)%8 == 0 {
			c.unreadable(c.sick)
		}
	}
}

// unreadable plans a delivery that becomes a dead letter.
func (c *chaos) unreadable(chat int64) {
	c.t.Helper()
	turn := c.turn(chat)
	c.plan(journal.Planned{Turn: turn, Delivery: journaltest.Message(turn, "it can't be read")})
	c.exec(`UPDATE deliveries SET payload = '' WHERE chat_id = $1 AND turn_no = $2`, chat, turn.GetId().GetNumber())
	c.planned++
}

// nextText returns the text of a chat's next message.
func (c *chaos) nextText(chat int64) string { return fmt.Sprintf("%d-%d", chat, c.turns[chat]+1) }

// types sends a message after its bot has typed for a moment.
func (c *chaos) types(chat int64, change func(*chorusv1.Turn)) {
	c.t.Helper()
	text, turn := c.nextText(chat), c.turn(chat)
	change(turn)
	d := journaltest.Message(turn, text)
	d.Typing = durationpb.New(20 * time.Millisecond)
	c.post(turn, d)
}

// fill runs one replica at a time, and replaces it when it dies, until the context ends.
func (c *chaos) fill(ctx context.Context) {
	for ctx.Err() == nil {
		point, nth := c.nextPoint()
		r, err := c.startReplica(c.cfg, point, nth)
		if err != nil {
			c.t.Error(err)
			return
		}
		c.mu.Lock()
		c.replicas = append(c.replicas, r)
		c.mu.Unlock()
		select {
		case <-r.Done():
		case <-ctx.Done():
			r.shutDown(c.t)
		}
		c.mu.Lock()
		c.replicas = slices.DeleteFunc(c.replicas, func(other *replica) bool { return other == r })
		if place := r.place(); place != "" {
			c.killed++
			c.places[place]++
		} else if err := r.Err(); err != nil {
			c.t.Errorf("a replica ended: %v", err)
		}
		c.mu.Unlock()
	}
}

// nextPoint returns where the next replica dies: at each point in turn, until there are
// enough kills. Points without a kill come first.
func (c *chaos) nextPoint() (point string, nth int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given++
	if left := c.unreached(); len(left) > 0 {
		return left[c.given%len(left)], 1
	}
	if c.killed >= c.kills {
		return "", 0
	}
	all := killpoint.Sender()
	return all[c.random.IntN(len(all))], 1 + c.random.Int64N(maxNth)
}

// unreached returns the points without a kill. The caller holds the lock.
func (c *chaos) unreached() []string {
	return killpoint.Unreached(killpoint.Sender(), c.places)
}

// pause stalls one replica after the other for longer than its claims.
func (c *chaos) pause(ctx context.Context) {
	for ctx.Err() == nil {
		rest(ctx, chaosLease)
		c.mu.Lock()
		var victim *replica
		if len(c.replicas) > 0 {
			victim = c.replicas[c.random.IntN(len(c.replicas))]
			c.stopped++
		}
		c.mu.Unlock()
		if victim == nil {
			continue
		}
		c.signal(victim, syscall.SIGSTOP)
		rest(ctx, chaosLease*3/2)
		c.signal(victim, syscall.SIGCONT)
	}
}

func (c *chaos) signal(r *replica, s syscall.Signal) {
	if err := r.Signal(s); err != nil {
		c.t.Error(err)
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

// run runs the test and waits until every turn has ended.
func (c *chaos) run(limit time.Duration) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), limit)
	defer cancel()
	var streaming, pausing sync.WaitGroup
	streams, dry := context.WithCancel(ctx)
	defer dry()
	streaming.Go(func() { c.stream(streams) })
	pauses, goOn := context.WithCancel(ctx)
	defer goOn()
	pausing.Go(func() { c.pause(pauses) })

	var places sync.WaitGroup
	var leave []context.CancelFunc
	scaleUpTo := func(n int) {
		for len(leave) < n {
			place, end := context.WithCancel(ctx)
			leave = append(leave, end)
			places.Go(func() { c.fill(place) })
		}
	}
	defer places.Wait()
	defer func() {
		for _, end := range leave {
			end()
		}
	}()
	scaleUpTo(1)
	c.until(ctx, c.kills/8)
	scaleUpTo(c.peak)
	c.until(ctx, c.kills*3/4)
	for _, end := range leave[c.last:] {
		end()
	}
	c.until(ctx, c.kills)
	dry()
	streaming.Wait()
	goOn()
	pausing.Wait()
	for c.one(`SELECT count(*) FROM turns WHERE outcome IS NULL`) > 0 {
		if rest(ctx, 50*time.Millisecond); ctx.Err() != nil {
			c.t.Fatalf("%d turns have not ended within %v", c.one(`SELECT count(*) FROM turns WHERE outcome IS NULL`), limit)
		}
	}
}

// until waits for a number of kills and, if it is the total, for a kill at each point.
func (c *chaos) until(ctx context.Context, kills int) {
	c.t.Helper()
	for {
		c.mu.Lock()
		killed, left := c.killed, c.unreached()
		c.mu.Unlock()
		if killed >= kills && (kills < c.kills || len(left) == 0) {
			return
		}
		if rest(ctx, 20*time.Millisecond); ctx.Err() != nil {
			c.t.Fatalf("%d replicas were killed, want %d; nobody was %s", killed, kills, strings.Join(left, ", nobody "))
		}
	}
}

// died counts the turns of unknown outcome because a sender was killed or stalled.
func (c *chaos) died() int {
	c.t.Helper()
	return c.one(`SELECT count(*) FROM turns WHERE outcome = 'unknown' AND reason LIKE 'the sender died%'`)
}

// A kill at each point, some stalls, and replicas that are added and removed.
// BenchmarkChaos is the long form.
func TestNothingIsDoubledLostOrOvertaken(t *testing.T) {
	c := newChaos(t, len(killpoint.Sender()), 4, 2)
	c.run(3 * time.Minute)
	found := c.account()
	t.Logf("%d turns, %d kills, %d standstills: %v, %d unknown for these", c.planned, c.killed, c.stopped, found, c.died())
	if found.duplicates+found.disorders+found.unaccounted > 0 {
		t.Errorf("%d doubled, %d out of order, %d unaccounted for", found.duplicates, found.disorders, found.unaccounted)
	}
}

// BenchmarkChaos runs once, whatever b.N: one replica, then eight, then three, and 300
// kills.
func BenchmarkChaos(b *testing.B) {
	c := newChaos(b, 300, 8, 3)
	c.run(30 * time.Minute)
	found := c.account()
	b.Logf("%d turns, %d kills, %d standstills: %v; died %v", c.planned, c.killed, c.stopped, found, c.places)
	fmt.Printf("figure sender.duplicates %d messages\nfigure sender.order_violations %d messages\nfigure sender.unaccounted %d turns\nfigure sender.unknown_per_kill %.3f turns\nfigure sender.kills %d kills\nfigure sender.standstills %d standstills\n",
		found.duplicates, found.disorders, found.unaccounted, float64(c.died())/float64(c.killed+c.stopped), c.killed, c.stopped)
}
