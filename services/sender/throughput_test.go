package sender_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/sender"
)

const (
	// benchChats keeps four replicas busy at the same time.
	benchChats = 1024
	// benchEach is the number of messages per chat in one measurement.
	benchEach = 8
	// benchRounds is the number of rounds; the median counts. On a busy machine times vary
	// widely.
	benchRounds = 9
)

// crowd returns a fixture without a sender, with many chats and limits that never bind.
func crowd(b *testing.B) (*fixture, []int64) {
	b.Helper()
	s := newFixture(b)
	s.stop()
	s.patience = 5 * time.Minute
	s.cfg.BotPerSecond, s.cfg.BreakerFailures = 1e6, 1000
	bots := []int64{s.bot, s.newBot("ben"), s.newBot("cleo"), s.newBot("dora")}
	chats := make([]int64, benchChats)
	for i := range chats {
		chats[i], _ = s.chat(fmt.Sprint("chat-", i), world.Supergroup, bots...)
	}
	return s, chats
}

// speed holds the cost of a delivery, and the cost of an idle replica in milliseconds of
// CPU a second.
type speed struct {
	perSecond, micros, allocs, idle float64
}

// measure makes count replicas drain a backlog, after one message per chat to warm
// up.
func (s *fixture) measure(count int, chats []int64, cfg sender.Config) speed {
	s.t.Helper()
	replicas, stopAll := s.startReplicas(count, cfg)
	defer stopAll()
	all := func() (sum usage) {
		for _, r := range replicas {
			u := r.used(s.t)
			sum.CPU, sum.Allocs = sum.CPU+u.CPU, sum.Allocs+u.Allocs
		}
		return sum
	}
	s.deliverAll(s.backlogOf(chats, 1))
	b := s.backlogOf(chats, benchEach)
	idle, began := all(), time.Now()
	rest(s.t.Context(), 2*time.Second) // idle time
	before, idled := all(), time.Since(began)
	took := s.deliverAll(b)
	after := all()
	n := float64(len(b.planned))
	return speed{
		perSecond: n / took.Seconds(),
		micros:    float64((after.CPU - before.CPU).Microseconds()) / n,
		allocs:    float64(after.Allocs-before.Allocs) / n,
		idle:      float64((before.CPU - idle.CPU).Microseconds()) / 1000 / idled.Seconds() / float64(count),
	}
}

// backlogOf returns a backlog with the same number of messages for each chat.
func (s *fixture) backlogOf(chats []int64, each int) *backlog {
	s.t.Helper()
	b := &backlog{of: map[[2]int64]int{}}
	for _, chat := range chats {
		s.pile(b, chat, each, s.bot)
	}
	return b
}

// deliverAll stores a backlog in one transaction, so that all of it waits for the senders,
// like the bare loop's messages. It returns the time from then to the last end.
func (s *fixture) deliverAll(b *backlog) time.Duration {
	s.t.Helper()
	began := s.release(b)
	// The query runs often, so it must be cheap.
	s.eventually("all is done", func() (string, bool) {
		return "not yet", s.one(`SELECT count(*) FROM (SELECT FROM turns WHERE closed_at IS NULL LIMIT 1) AS open`) == 0
	})
	if n := s.one(`SELECT count(*) FROM turns WHERE outcome <> 'delivered'`); n > 0 {
		s.t.Errorf("%d are not delivered", n)
	}
	var last time.Time
	if err := s.pool.QueryRow(s.t.Context(), `SELECT max(closed_at) FROM turns`).Scan(&last); err != nil {
		s.t.Fatal(err)
	}
	return last.Sub(began)
}

// BenchmarkLanes runs once, whatever b.N. It measures the cost of a delivery with one, two
// and four replicas, beside a loop that pulls a message, makes the call and acknowledges,
// and one that only pulls and acknowledges.
func BenchmarkLanes(b *testing.B) {
	s, chats := crowd(b)
	fmt.Printf("figure sender.bare_acks_per_s %.0f 1/s\n", s.bare(chats, false))
	seen := map[string][]float64{}
	see := func(figure string, value float64) { seen[figure] = append(seen[figure], value) }
	staffs := []int{1, 2, 4}
	cpu := map[int]float64{} // over all rounds: single rounds differ by more than a tenth
	for range benchRounds {
		calling := s.bare(chats, true)
		see("bare_calls_per_s %.0f 1/s", calling)
		of := map[int]speed{}
		for _, n := range staffs {
			of[n] = s.measure(n, chats, s.cfg)
			see(fmt.Sprintf("deliveries_per_s_%d %%.0f 1/s", n), of[n].perSecond)
			see(fmt.Sprintf("cpu_us_%d %%.0f us", n), of[n].micros)
			cpu[n] += of[n].micros
			see(fmt.Sprintf("allocs_%d %%.0f allocs", n), of[n].allocs)
			see(fmt.Sprintf("idle_cpu_ms_%d %%.1f ms/s", n), of[n].idle)
		}
		see("vs_bare_ratio %.3f ratio", of[2].perSecond/calling) // of one core each: the loop has two
		slices.Reverse(staffs)                                   // tables grow, so later runs have larger ones
	}
	fmt.Printf("figure sender.cpu_4_vs_1_ratio %.3f ratio\n", cpu[4]/cpu[1])
	for _, figure := range slices.Sorted(maps.Keys(seen)) {
		values := seen[figure]
		slices.Sort(values)
		b.Logf("%s: %.3g", figure, values)
		fmt.Printf("figure sender."+figure+"\n", values[len(values)/2])
	}
}

// bare returns the messages a second of a minimal loop: it pulls a message, optionally
// makes its call to Telegram, and acknowledges it.
func (s *fixture) bare(chats []int64, call bool) float64 {
	s.t.Helper()
	js := bustest.JetStream(s.t, s.busCfg.URL)
	stream := fmt.Sprint("BARE_", call)
	if _, err := js.CreateStream(s.t.Context(), jetstream.StreamConfig{
		Name: stream, Subjects: []string{"bare." + stream}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
	}); err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := js.DeleteStream(s.t.Context(), stream); err != nil {
			s.t.Error(err)
		}
	}()
	consumer, err := js.CreateConsumer(s.t.Context(), stream, jetstream.ConsumerConfig{Durable: stream, AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		s.t.Fatal(err)
	}
	cfg := telegram.DefaultConfig()
	cfg.URL = s.telegram.URL()
	client, err := telegram.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	var telegramIDs []int64
	s.each(`SELECT id, telegram_id::text FROM chats ORDER BY id`, func(_ int64, id string) { telegramIDs = append(telegramIDs, number(s.t, id)) })
	total := len(chats) * benchEach
	for range total {
		if _, err := js.PublishAsync("bare."+stream, []byte("a message of some length, as they are")); err != nil {
			s.t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	messages, err := consumer.Messages()
	if err != nil {
		s.t.Fatal(err)
	}
	defer messages.Stop()
	token := secret.New(s.tokens["anna"])
	began := time.Now()
	for i := range total {
		m, err := messages.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		if call {
			if out := client.SendMessage(s.t.Context(), token, telegram.Message{ChatID: telegramIDs[i%len(telegramIDs)], Text: string(m.Data())}); !out.OK() {
				s.t.Fatal(out)
			}
		}
		if err := m.Ack(); err != nil {
			s.t.Fatal(err)
		}
	}
	return float64(total) / time.Since(began).Seconds()
}
