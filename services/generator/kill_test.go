package generator_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/store"
	"github.com/chorus-cast/chorus/services/internal/testenv"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// TestADeadGeneratorNeverGivesATurnTwoTexts kills generators at any step, by
// cutting them off from the database and the bus at once, while a model writes
// another text for every call. In the end each turn has one delivery, and all that
// was ever published of it is that. CHORUS_TEST_KILLS says how many are killed.
func TestADeadGeneratorNeverGivesATurnTwoTexts(t *testing.T) {
	const turns = 40
	kills := 4
	if n, err := strconv.Atoi(os.Getenv("CHORUS_TEST_KILLS")); err == nil {
		kills = n
	}
	s := newStage(t, llmapi.Options{})
	var written atomic.Int64
	s.links[0] = serve(t, "first", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := written.Add(1)
		api, err := llmapi.New(llmapi.Options{Text: fmt.Sprintf("%x is number %d of its kind, and %x follows.", n*7919, n, n*104729)})
		if err != nil {
			t.Error(err)
			return
		}
		api.ServeHTTP(w, r)
	}))
	var all []*chorusv1.Turn
	for i := range turns {
		bot := journaltest.Bot(t, s.pool, fmt.Sprintf("bot%d", i))
		chat := journaltest.Chat(t, s.pool, fmt.Sprintf("chat%d", i), bot)
		all = append(all, s.turn(within(10*time.Minute), func(turn *chorusv1.Turn) { turn.Id.ChatId, turn.BotId = chat, bot }))
	}
	random := rand.New(rand.NewPCG(5, 1))
	for range kills {
		s.killOne(time.Duration(random.IntN(120)) * time.Millisecond)
	}
	s.run()
	for _, turn := range all {
		s.becomes(turn, "open pending")
	}
	s.stop()
	published := s.published()
	for _, turn := range all {
		var row []byte
		err := s.pool.QueryRow(t.Context(), `SELECT payload FROM deliveries WHERE chat_id = $1 AND turn_no = $2`, turn.GetId().GetChatId(), turn.GetId().GetNumber()).Scan(&row)
		if err != nil {
			t.Fatal(err)
		}
		d := &chorusv1.Delivery{}
		if err := proto.Unmarshal(row, d); err != nil {
			t.Fatal(err)
		}
		for _, text := range published[subject.TurnID(turn.GetId())] {
			if text != d.GetText() {
				t.Errorf("turn %v: %q was published, and %q is written down", turn.GetId(), text, d.GetText())
			}
		}
	}
	if n := written.Load(); n <= turns {
		t.Logf("%d texts for %d turns: no generator died between a text and its delivery", n, turns)
	}
}

// killOne runs a generator that is dead after a while.
func (s *stage) killOne(after time.Duration) {
	s.t.Helper()
	database, broker := testenv.Proxy(s.t, s.pool.Config().ConnString()), testenv.Proxy(s.t, s.busURL)
	dbc := store.DefaultConfig()
	dbc.URL = database.URL()
	pool, err := store.Open(s.t.Context(), dbc)
	if err != nil {
		s.t.Fatal(err)
	}
	defer pool.Close()
	cfg := bus.DefaultConfig()
	cfg.URL, cfg.AckWait, cfg.MaxAttempts = broker.URL(), 2*time.Second, 3
	b, err := bus.Connect(s.t.Context(), cfg, testenv.Logger(s.t), s.t.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	book := usage.NewBook(pool, testenv.Logger(s.t))
	g, err := generator.New(generator.DefaultConfig(), generator.Deps{
		Pool: pool, Bus: b, Log: testenv.Logger(s.t), Texts: chain.New(s.links, chain.Deps{Ledger: book, Log: testenv.Logger(s.t)}),
	}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	before := s.text(`SELECT count(*)::text FROM deliveries`)
	stop := testenv.Background(s.t, func(ctx context.Context) error { return book.Around(ctx, g.Run) })
	// It is in the midst of its work once it has written something, or can't.
	testenv.Eventually(s.t, "a generator works", func() (string, bool) {
		now := s.text(`SELECT count(*)::text FROM deliveries`)
		return now, now != before || s.text(`SELECT count(*)::text FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no) WHERE d.chat_id IS NULL`) == "0"
	})
	timer := time.NewTimer(after)
	defer timer.Stop()
	<-timer.C
	database.Cut()
	broker.Cut()
	stop()
}

// published are the texts of all deliveries that are on the bus, by turn.
func (s *stage) published() map[string][]string {
	s.t.Helper()
	nc, err := nats.Connect(s.busURL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		s.t.Fatal(err)
	}
	stream, err := js.Stream(s.t.Context(), subject.Deliveries)
	if err != nil {
		s.t.Fatal(err)
	}
	texts := map[string][]string{}
	for seq := range stream.CachedInfo().State.LastSeq {
		m, err := stream.GetMsg(s.t.Context(), seq+1)
		if err != nil {
			s.t.Fatal(err)
		}
		d := &chorusv1.Delivery{}
		if err := proto.Unmarshal(m.Data, d); err != nil {
			s.t.Fatal(err)
		}
		texts[subject.TurnID(d.GetId())] = append(texts[subject.TurnID(d.GetId())], d.GetText())
	}
	return texts
}
