package journal_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// ringing rings for messages after their texts are written.
type ringing struct {
	*journal.Texts
	bus *bus.Bus
}

func (r ringing) Commit(ctx context.Context, ends []writing) ([]*journal.Unwritten, error) {
	next, err := r.Texts.Commit(ctx, ends)
	if err == nil {
		chats := make([]int64, len(ends))
		for i, e := range ends {
			chats[i] = e.Task.Chat()
		}
		r.bus.Ring(bus.Messages(), chats...)
	}
	return next, err
}

// BenchmarkMechanism takes turns of 2,000 chats from planning to the message log. Writing
// and sending take no time.
func BenchmarkMechanism(b *testing.B) {
	const chats, turns = 2000, 20_000
	f := newFixture(b)
	cfg := bus.DefaultConfig()
	cfg.URL = testenv.NATS(b)
	rings := bustest.Open(b, cfg)
	if _, err := f.pool.Exec(b.Context(), `
WITH c AS (INSERT INTO chats (name, telegram_id, kind) SELECT 'chat' || n, -2000000000000 - n, 'supergroup' FROM generate_series(1, $1) n RETURNING id)
INSERT INTO cast_members (chat_id, bot_id) SELECT id, $2 FROM c`, chats, f.bot); err != nil {
		b.Fatal(err)
	}
	rows, err := f.pool.Query(b.Context(), `SELECT id FROM chats WHERE name <> 'club'`)
	if err != nil {
		b.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		b.Fatal(err)
	}
	us, _ := f.process()
	var sent atomic.Int64
	all := make(chan struct{})
	conf := stage.Config{MaxInFlight: 128, MaxAttempts: 5, Lease: time.Minute, MaxWait: time.Second}
	deps := stage.Deps{Log: testenv.Logger(b)}
	conf.Name, deps.Rings = "texts", rings.Rings(bus.Texts())
	texts := stage.New(conf, ringing{f.Texts(us), rings}, deps, func(_ context.Context, u *journal.Unwritten) (journal.Written, error) {
		return journal.Written{Deliveries: []*chorusv1.Delivery{journaltest.Message(u.Turn, "a text of some one hundred and twenty letters, as many as a line in a chat of friends has in the mean of all the lines")}}, nil
	})
	conf.Name, deps.Rings = "messages", rings.Rings(bus.Messages())
	messages := stage.New(conf, f.Deliveries(journal.LaneMessage, us), deps, func(_ context.Context, u *journal.Unsent) (journal.Sent, error) {
		n := sent.Add(1)
		if n%turns == 0 {
			close(all)
		}
		return journal.Sent{Outcome: chorusv1.Outcome_OUTCOME_DELIVERED, Message: &journal.Message{TelegramID: n, Text: u.GetText(), At: time.Now()}}, nil
	})
	testenv.Background(b, texts.Run)
	testenv.Background(b, messages.Run)
	for b.Loop() {
		all = make(chan struct{})
		began := time.Now()
		for done := 0; done < turns; done += 200 {
			var batch []journal.Planned
			var rung []int64
			for i := range 200 {
				chat := ids[(done+i)%len(ids)]
				batch, rung = append(batch, journal.Planned{Turn: f.turn(chat, chorusv1.TurnKind_TURN_KIND_MESSAGE)}), append(rung, chat)
			}
			f.plan(batch...)
			rings.Ring(bus.Texts(), rung...)
		}
		<-all
		b.ReportMetric(turns/time.Since(began).Seconds(), "turns/s")
	}
}
