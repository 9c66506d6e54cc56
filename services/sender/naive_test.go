package sender_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// naive is the simplest sender: one consumer pulls deliveries of all kinds, a goroutine
// makes each call, and a 429 waits by a delayed negative acknowledgement. It keeps no
// journal, no order and no limits.
type naive struct {
	t        testing.TB
	js       jetstream.JetStream
	consumer jetstream.Consumer
	client   *telegram.Client
	tokens   map[int64]secret.String
	chats    map[int64]int64 // Telegram's ids by ours
	targets  map[int64]int64

	mu      sync.Mutex
	waiting map[string]*chorusv1.Delivery
	took    map[int64][]done // by chat
}

type done struct {
	planned time.Time
	took    time.Duration
}

const naiveStream = "NAIVE"

func newNaive(t testing.TB, s *fixture) *naive {
	t.Helper()
	nc, err := nats.Connect(s.busCfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	n := &naive{
		t: t, tokens: map[int64]secret.String{}, chats: map[int64]int64{}, targets: map[int64]int64{},
		waiting: map[string]*chorusv1.Delivery{}, took: map[int64][]done{},
	}
	if n.js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := n.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: naiveStream, Subjects: []string{"naive.>"}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
	}); err != nil {
		t.Fatal(err)
	}
	if n.consumer, err = n.js.CreateConsumer(t.Context(), naiveStream, jetstream.ConsumerConfig{
		Durable: "naive", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, MaxAckPending: 100,
	}); err != nil {
		t.Fatal(err)
	}
	cfg := telegram.DefaultConfig()
	cfg.URL = s.telegram.URL()
	if n.client, err = telegram.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.client.Close)
	s.each(`SELECT id, name FROM bots`, func(id int64, name string) { n.tokens[id] = secret.New(s.tokens[name]) })
	s.each(`SELECT id, telegram_id::text FROM chats`, func(id int64, telegramID string) { n.chats[id] = number(t, telegramID) })
	s.each(`SELECT number, telegram_id::text FROM messages WHERE telegram_id IS NOT NULL`, func(id int64, telegramID string) { n.targets[id] = number(t, telegramID) })
	return n
}

func number(t testing.TB, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// each calls f for rows of an id and a text.
func (s *fixture) each(sql string, f func(id int64, text string)) {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), sql)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			s.t.Fatal(err)
		}
		f(id, text)
	}
}

func key(d *chorusv1.Delivery) string {
	return fmt.Sprint(d.GetId().GetChatId(), "-", d.GetId().GetNumber())
}

func (n *naive) post(_ *chorusv1.Turn, d *chorusv1.Delivery) {
	n.t.Helper()
	payload, err := proto.Marshal(d)
	if err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	if d.GetEmoji() == "" {
		n.waiting[key(d)] = d
	}
	n.mu.Unlock()
	if _, err := n.js.PublishAsync(fmt.Sprint("naive.", d.GetId().GetChatId()), payload); err != nil {
		n.t.Fatal(err)
	}
}

// Run sends until the context ends.
func (n *naive) Run(ctx context.Context) error {
	var handlers sync.WaitGroup
	defer handlers.Wait()
	consuming, err := n.consumer.Consume(func(m jetstream.Msg) { handlers.Go(func() { n.handle(ctx, m) }) })
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	<-ctx.Done()
	consuming.Stop()
	<-consuming.Closed()
	return nil
}

func (n *naive) handle(ctx context.Context, m jetstream.Msg) {
	var d chorusv1.Delivery
	if err := proto.Unmarshal(m.Data(), &d); err != nil {
		n.t.Error(err)
		return
	}
	var out telegram.Outcome
	chat, token := n.chats[d.GetId().GetChatId()], n.tokens[d.GetBotId()]
	if d.GetEmoji() != "" {
		out = n.client.SetReaction(ctx, token, telegram.Reaction{ChatID: chat, MessageID: n.targets[d.GetTargetMessage()], Emoji: d.GetEmoji()})
	} else {
		out = n.client.SendMessage(ctx, token, telegram.Message{ChatID: chat, Text: d.GetText()})
	}
	if out.Kind == telegram.RateLimited {
		_ = m.NakWithDelay(out.RetryAfter) // if it fails, the message comes again after the ack wait
		return
	}
	_ = m.Ack() // if it fails, the message comes again after the ack wait
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.waiting, key(&d))
	if d.GetEmoji() == "" {
		planned := d.GetPlannedAt().AsTime()
		n.took[d.GetId().GetChatId()] = append(n.took[d.GetId().GetChatId()], done{planned, time.Since(planned)})
	}
}

func (n *naive) latencies(chats []int64, since time.Time) (took []time.Duration, waiting int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, chat := range chats {
		for _, d := range n.took[chat] {
			if !d.planned.Before(since) {
				took = append(took, d.took)
			}
		}
	}
	for _, d := range n.waiting {
		if planned := d.GetPlannedAt().AsTime(); !planned.Before(since) && slices.Contains(chats, d.GetId().GetChatId()) {
			took = append(took, time.Since(planned))
			waiting++
		}
	}
	return took, waiting
}
