package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/listener/outbox"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func write(t testing.TB, pool *pgxpool.Pool, chat int64, from, to int) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `INSERT INTO updates (chat_id, number, payload) SELECT $1, n, convert_to(n::text, 'UTF8') FROM generate_series($2::int, $3::int) n`,
		chat, from, to)
	if err != nil {
		t.Fatal(err)
	}
}

func unpublished(t testing.TB, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM updates WHERE published_at IS NULL`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// fickle is a bus that fails as often as it likes, and says of some messages that
// they failed which it stored.
type fickle struct {
	mu     sync.Mutex
	moody  func() int
	stored []string
}

func (f *fickle) Publish(_ context.Context, messages ...bus.Message) (sequences []uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range messages {
		const lost, unsure = 0, 1
		mood := f.moody()
		if mood != lost && !slices.Contains(f.stored, m.ID) {
			f.stored = append(f.stored, m.ID)
		}
		if mood == lost || mood == unsure {
			sequences, err = append(sequences, 0), errors.New("no word from the bus")
			continue
		}
		sequences = append(sequences, uint64(slices.Index(f.stored, m.ID)+1))
	}
	return sequences, err
}

func (f *fickle) Last(context.Context, string, string) (bus.Stored, error) { return bus.Stored{}, nil }
func (f *fickle) Ready(context.Context) error                              { return nil }

// Whatever fails, and however many publish at once, every update is stored once,
// after the one before it.
func TestUpdatesAreStoredInOrderWhateverFails(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	tries := 0
	rapid.Check(t, func(r *rapid.T) {
		tries++
		name := fmt.Sprintf("chat%d", tries)
		chats := []int64{journaltest.Chat(t, pool, name+"a"), journaltest.Chat(t, pool, name+"b")}
		n := rapid.IntRange(1, 6).Draw(r, "updates")
		for _, c := range chats {
			write(t, pool, c, 1, n)
		}
		moods := rapid.SliceOfN(rapid.IntRange(0, 4), 20, 20).Draw(r, "moods")
		f := &fickle{moody: func() (mood int) {
			if mood = 4; len(moods) > 0 {
				mood, moods = moods[0], moods[1:]
			}
			return mood
		}}
		var publishers sync.WaitGroup
		for range 2 {
			o := outbox.New(pool, f, testenv.Logger(t))
			ctx, stop := context.WithCancel(t.Context())
			publishers.Go(func() { _ = o.Run(ctx) })
			publishers.Go(func() {
				defer stop()
				for range 30 {
					if o.Flush(ctx, chats...) == nil {
						return
					}
				}
				t.Error("it never succeeds")
			})
		}
		publishers.Wait()
		for _, c := range chats {
			var want, got []string
			for i := range n {
				want = append(want, fmt.Sprintf("%d-%d", c, i+1))
			}
			for _, id := range f.stored {
				if slices.Contains(want, id) {
					got = append(got, id)
				}
			}
			if !slices.Equal(got, want) {
				r.Errorf("stored %v, want %v", got, want)
			}
		}
		if n := unpublished(t, pool); n != 0 {
			r.Errorf("%d are unpublished", n)
		}
	})
}

func TestWhatACrashLeftOverIsPublishedOnceHoweverLate(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	chat := journaltest.Chat(t, pool, "club")
	server := testenv.NATSServer(t)
	cfg := bus.DefaultConfig()
	cfg.URL = server.URL()
	b := bustest.Open(t, cfg)
	write(t, pool, chat, 1, 3)
	// Two of them were published by who died then, under ids that the bus has
	// forgotten by now: so they are told by the last one's.
	for _, id := range []string{"1", "2"} {
		if _, err := b.Publish(t.Context(), bus.Message{Subject: fmt.Sprint("update.", chat), ID: fmt.Sprint(chat, "-", id), Payload: []byte(id)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), `UPDATE updates SET heard_at = now() - interval '1 hour'`); err != nil {
		t.Fatal(err)
	}
	o := outbox.New(pool, b, testenv.Logger(t))
	testenv.Background(t, o.Run)
	testenv.Eventually(t, "all is published", func() (string, bool) {
		n := unpublished(t, pool)
		return fmt.Sprint(n), n == 0
	})
	var second, third *int64
	err := pool.QueryRow(t.Context(), `SELECT max(bus_sequence) FILTER (WHERE number = 2), max(bus_sequence) FILTER (WHERE number = 3) FROM updates`).Scan(&second, &third)
	if err != nil || second == nil || third == nil || *second != 2 || *third != 3 {
		t.Errorf("they are at %v and %v (%v), want 2 and 3", second, third, err)
	}
}
