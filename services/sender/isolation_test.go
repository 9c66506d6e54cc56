package sender_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	labBots  = 20
	labChats = 100 // five for each bot
	labSick  = labChats / 10
	// labAnswer sets Telegram's response time.
	labAnswer = "*:latency=60ms"
	// labPhase is the measured time of a phase, after labWarm.
	labPhase, labWarm = 12 * time.Second, 3 * time.Second
	labTick           = 100 * time.Millisecond
	// Each chat gets a message every labMessage ticks and a reaction every labReaction
	// ticks.
	labMessage, labReaction = 10, 20
	// labPatience limits the wait for undelivered messages.
	labPatience = 5 * time.Second
)

// lab is a set of chats with steady traffic, some of which can be made sick.
type lab struct {
	*fixture

	chats []labChat
	// deliver passes a delivery to the sender under test.
	deliver func(*chorusv1.Turn, *chorusv1.Delivery)
	// latencies returns the times from plan to delivery of the chats' messages since a
	// time, and the number of undelivered ones.
	latencies func(chats []int64, since time.Time) (took []time.Duration, waiting int)
}

type labChat struct{ id, bot, said, telegram int64 }

func newLab(b testing.TB) *lab {
	b.Helper()
	l := &lab{fixture: newFixture(b)}
	bots := []int64{l.bot}
	for i := 1; i < labBots; i++ {
		bots = append(bots, l.newBot(fmt.Sprint("bot", i)))
	}
	for i := range labChats {
		c := labChat{bot: bots[i%labBots]}
		c.id, c.said = l.chat(fmt.Sprint("chat-", i), world.Supergroup, c.bot)
		if err := l.pool.QueryRow(b.Context(), `SELECT telegram_id FROM chats WHERE id = $1`, c.id).Scan(&c.telegram); err != nil {
			b.Fatal(err)
		}
		l.chats = append(l.chats, c)
	}
	l.deliver = func(turn *chorusv1.Turn, d *chorusv1.Delivery) { l.post(turn, d) }
	l.latencies = l.latenciesOfSender
	return l
}

func (l *lab) latenciesOfSender(chats []int64, since time.Time) (took []time.Duration, waiting int) {
	l.t.Helper()
	rows, err := l.pool.Query(l.t.Context(), `
SELECT coalesce(closed_at, now()) - planned_at, outcome IS NULL FROM turns
WHERE kind = 'message' AND chat_id = ANY($1) AND planned_at >= $2`, chats, since)
	if err != nil {
		l.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var d time.Duration
		var open bool
		if err := rows.Scan(&d, &open); err != nil {
			l.t.Fatal(err)
		}
		took = append(took, d)
		if open {
			waiting++
		}
	}
	return took, waiting
}

// talk runs a phase under faults and returns the healthy chats' latencies from plan to
// delivery. An undelivered message counts with the time waited for it.
func (l *lab) talk(what string, healthy []int64, faults ...string) []time.Duration {
	l.t.Helper()
	l.fault(append(faults, labAnswer)...)
	tick := time.NewTicker(labTick)
	defer tick.Stop()
	began := time.Now()
	since := began.Add(labWarm)
	for n := 0; time.Since(began) < labWarm+labPhase; n++ {
		<-tick.C
		for i, c := range l.chats {
			if (n+i)%labMessage == 0 {
				turn := l.turnOf(c)
				l.deliver(turn, journaltest.Message(turn, "It goes on."))
			}
			if (n+i)%labReaction == labReaction/2 {
				turn := l.turnOf(c)
				turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REACTION, c.said
				l.deliver(turn, journaltest.Reaction(turn, "👍", chorusv1.Fallback_FALLBACK_UNSPECIFIED))
			}
		}
	}
	var took []time.Duration
	for end := time.Now().Add(labPatience); ; <-tick.C {
		var waiting int
		took, waiting = l.latencies(healthy, since)
		if waiting == 0 || time.Now().After(end) {
			l.t.Logf("%s: %d messages of healthy chats, %d of them not delivered, p99 %v", what, len(took), waiting, p99(took))
			return took
		}
	}
}

func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}

func (l *lab) turnOf(c labChat) *chorusv1.Turn {
	turn := l.turn(c.id)
	turn.BotId = c.bot
	return turn
}

// isolation holds p99 latencies as ratios to those of the same run without faults.
type isolation struct {
	// sick is the worse of two phases: with every reaction hanging, and with a tenth of the
	// chats in 429 or without their bot.
	sick float64
	// after is measured while hanging calls end and all that waited for them is sent.
	after float64
}

func (l *lab) isolation() isolation {
	l.t.Helper()
	var all, well []int64
	for i, c := range l.chats {
		all = append(all, c.id)
		if i >= labSick {
			well = append(well, c.id)
		}
	}
	var sick []string
	// Each of a different bot: two chats of one bot in 429 hold the bot back everywhere, by
	// design.
	for i, c := range l.chats[:labSick] {
		fault := "sendMessage:429:retry_after=60:chat=%d"
		if i%2 == 1 {
			fault = "sendMessage:kicked:chat=%d"
		}
		sick = append(sick, fmt.Sprintf(fault, c.telegram))
	}
	// The baseline is taken before, between and after the faults, because the load of the
	// machine changes.
	baseline := l.talk("all is well", all)
	hanging := l.talk("reactions hang", all, "setMessageReaction:hang=30s")
	after := append(l.talk("they hang on", all), l.talk("and are made up for", all)...)
	baseline = append(baseline, l.talk("all is well again", all)...)
	refused := l.talk("429s and kicks", well, sick...)
	baseline = append(baseline, l.talk("the others are well", well)...)
	ratio := func(took []time.Duration) float64 { return p99(took).Seconds() / p99(baseline).Seconds() }
	return isolation{sick: max(ratio(refused), ratio(hanging)), after: ratio(after)}
}

// labRounds is the number of rounds; the median counts. One percent of 1,200 messages is
// few, so a short disturbance of the machine changes a round's p99.
const labRounds = 3

// BenchmarkIsolation runs once, whatever b.N.
func BenchmarkIsolation(b *testing.B) {
	var sick, after []float64
	for range labRounds {
		l := newLab(b) // without the last round's chats in 429
		ratios := l.isolation()
		l.stop()
		sick, after = append(sick, ratios.sick), append(after, ratios.after)
	}
	slices.Sort(sick)
	slices.Sort(after)
	b.Logf("sick %.3f, after %.3f", sick, after)
	fmt.Printf("figure sender.isolation_p99_ratio %.3f ratio\nfigure sender.isolation_after_p99_ratio %.3f ratio\n", sick[labRounds/2], after[labRounds/2])
}

// BenchmarkIsolationOfOneConsumer is the control: the same measurement must detect a sender
// that has one consumer for everything and waits by negative acknowledgements.
func BenchmarkIsolationOfOneConsumer(b *testing.B) {
	l := newLab(b)
	l.stop()
	naive := newNaive(b, l.fixture)
	l.deliver, l.latencies = naive.post, naive.latencies
	testenv.Background(b, naive.Run)
	ratio := l.isolation().sick
	if ratio < 1.1 {
		b.Errorf("a sender with one consumer has a ratio of %.3f: the measurement shows nothing", ratio)
	}
	fmt.Printf("figure sender.isolation_control_ratio %.3f ratio\n", ratio)
}
