package sender_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/chorus-cast/chorus/services/emulator/world"
	"github.com/chorus-cast/chorus/services/internal/secret"
	"github.com/chorus-cast/chorus/services/internal/telegram"
	"github.com/chorus-cast/chorus/services/internal/testenv"
	"github.com/chorus-cast/chorus/services/sender"
)

const (
	benchChats = 256
	// benchEach is how many messages each chat gets in one measurement.
	benchEach = 16
)

// crowd is a stage without a sender, with many chats, and limits that never bind.
func crowd(b *testing.B) (*stage, []int64) {
	b.Helper()
	s := newStage(b)
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

// speed is what a delivery costs.
type speed struct {
	perSecond, micros, allocs float64
}

// measure lets so many replicas drain a backlog, after one message of each chat.
func (s *stage) measure(replicas int, chats []int64, cfg sender.Config) speed {
	s.t.Helper()
	staff := make([]*replica, replicas)
	for i := range staff {
		var err error
		if staff[i], err = s.hire(cfg, 0); err != nil {
			s.t.Fatal(err)
		}
		defer staff[i].retire(s.t)
	}
	testenv.Eventually(s.t, "all replicas are there", func() (string, bool) {
		n := s.one(`SELECT count(*) FROM senders WHERE seen_at > now() - interval '2 seconds'`)
		return fmt.Sprint(n, " are"), n == replicas
	})
	s.deliverAll(chats, 1)
	var before, after usage
	for _, r := range staff {
		before = before.plus(r.used(s.t))
	}
	took := s.deliverAll(chats, benchEach)
	for _, r := range staff {
		after = after.plus(r.used(s.t))
	}
	n := float64(len(chats) * benchEach)
	return speed{
		perSecond: n / took.Seconds(),
		micros:    float64((after.CPU - before.CPU).Microseconds()) / n,
		allocs:    float64(after.Allocs-before.Allocs) / n,
	}
}

func (u usage) plus(v usage) usage { return usage{CPU: u.CPU + v.CPU, Allocs: u.Allocs + v.Allocs} }

// deliverAll delivers so many messages to each chat, and returns the time from
// the first publication to the last end.
func (s *stage) deliverAll(chats []int64, each int) time.Duration {
	s.t.Helper()
	b := &backlog{of: map[[2]int64]int{}}
	for _, chat := range chats {
		s.pile(b, chat, each, s.bot)
	}
	began := time.Now()
	for i := 0; i < len(b.entries); i += 500 {
		s.publishTogether(b.entries[i:min(i+500, len(b.entries))])
	}
	var last time.Time
	s.eventually("all is delivered", func() (string, bool) {
		var open int
		if err := s.pool.QueryRow(s.t.Context(), `SELECT count(*) FILTER (WHERE outcome IS DISTINCT FROM 'delivered'), coalesce(max(closed_at), now()) FROM turns`).Scan(&open, &last); err != nil {
			s.t.Fatal(err)
		}
		return fmt.Sprint(open, " are not"), open == 0
	})
	return last.Sub(began)
}

// BenchmarkLanes is one run, however often it is asked for: what a delivery costs
// one, two and four replicas, next to a loop that pulls a message, makes the call
// and acknowledges, and one that only pulls and acknowledges.
func BenchmarkLanes(b *testing.B) {
	s, chats := crowd(b)
	calling, pulling := s.bare(chats, true), s.bare(chats, false)
	var one, four speed
	for _, n := range []int{1, 2, 4} {
		v := s.measure(n, chats, s.cfg)
		fmt.Printf("figure sender.deliveries_per_s_%d %.0f 1/s\nfigure sender.cpu_us_%d %.0f us\nfigure sender.allocs_%d %.0f allocs\n",
			n, v.perSecond, n, v.micros, n, v.allocs)
		switch n {
		case 1:
			one = v
		case 4:
			four = v
		}
	}
	fmt.Printf("figure sender.bare_calls_per_s %.0f 1/s\nfigure sender.bare_acks_per_s %.0f 1/s\n", calling, pulling)
	fmt.Printf("figure sender.vs_bare_ratio %.3f ratio\nfigure sender.cpu_4_vs_1_ratio %.3f ratio\n", one.perSecond/calling, four.micros/one.micros)
}

// bare is how many messages a second a loop of a few lines gets done: it pulls
// one, makes its call to Telegram if it is to, and acknowledges it.
func (s *stage) bare(chats []int64, call bool) float64 {
	s.t.Helper()
	nc, err := nats.Connect(s.busCfg.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		s.t.Fatal(err)
	}
	stream := fmt.Sprint("BARE_", call)
	if _, err := js.CreateStream(s.t.Context(), jetstream.StreamConfig{
		Name: stream, Subjects: []string{"bare." + stream}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
	}); err != nil {
		s.t.Fatal(err)
	}
	consumer, err := js.CreateConsumer(s.t.Context(), stream, jetstream.ConsumerConfig{Durable: stream, AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		s.t.Fatal(err)
	}
	cfg := telegram.DefaultConfig()
	cfg.URL = s.telegram.URL()
	client, err := telegram.New(cfg, testenv.Logger(s.t))
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
