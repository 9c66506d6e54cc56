package listener_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/run/runtest"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/listener"
)

// claimed counts the bots that living processes listen to.
const claimed = `SELECT count(*) FROM listening WHERE owner IN (` + lease.Alive + `)`

func TestEachBotIsListenedToByOneAndTakenOverFromTheDead(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	chat, there := s.chat(world.Supergroup, "Here")
	first := s.listen()
	s.listen()
	s.say(there, "Tom", "one", 0)
	s.hears(chat, 1)
	becomes(s, 3, claimed)
	first()
	s.say(there, "Tom", "two", 0)
	s.hears(chat, 2)
	becomes(s, 3, claimed)

	// The connection that holds the lease ends.
	s.exec(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7230504
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	s.say(there, "Tom", "three", 0)
	s.hears(chat, 3)
	becomes(s, 3, claimed)
	s.settled()
}

// A bot is kept by its listener until the lease ends.
func TestTheLeaseDecidesWhoListens(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	other := lease.New(s.pool, lease.Listener, testenv.Logger(t))
	die := testenv.Background(t, other.Run)
	testenv.Eventually(t, "the other lives", func() (string, bool) { return "", other.Held() })
	const nobody = 77
	s.exec(`INSERT INTO listening (bot_id, update_offset, owner) VALUES ($1, 0, $2), ($3, 0, $4)`, s.bots[0], other.Owner(), s.bots[1], nobody)
	s.listen()
	const others = `SELECT count(*) FROM listening WHERE owner <> $1`
	becomes(s, 2, others, other.Owner())
	becomes(s, 3, claimed)
	s.pass(4 * config().Claim)
	becomes(s, 2, others, other.Owner())
	die()
	becomes(s, 3, others, other.Owner())
	becomes(s, 3, claimed)
}

// A listener that stops releases its bots.
func TestWhoStopsGivesItsBotsBack(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	s.exec(`UPDATE bots SET enabled = false WHERE id = $1`, s.bots[2])
	stop := s.listen()
	becomes(s, 2, claimed)
	// A claim whose result was lost.
	s.exec(`INSERT INTO listening (bot_id, update_offset, owner) SELECT $1, 0, owner FROM listening LIMIT 1`, s.bots[2])
	stop()
	becomes(s, 3, `SELECT count(*) FROM listening WHERE owner IS NULL`)
}

func TestABotThatIsDisabledIsNotListenedTo(t *testing.T) {
	t.Parallel()
	s := newStage(t, 2)
	l, _ := s.listening(s.telegram())
	becomes(s, 2, claimed)
	s.exec(`UPDATE bots SET enabled = false WHERE id = $1`, s.bots[0])
	l.Wake()
	becomes(s, 1, claimed)
	s.exec(`UPDATE bots SET enabled = true WHERE id = $1`, s.bots[0])
	l.Wake()
	becomes(s, 2, claimed)
}

// Another client polls for the bot, so the listener stops to.
func TestAConflictIsYielded(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	chat, there := s.chat(world.Supergroup, "Here")
	token := value[string](s, `SELECT convert_from(token_sealed, 'UTF8') FROM bots WHERE id = $1`, s.bots[0])
	s.listen(func(c *listener.Config) { c.Yield = time.Second })
	becomes(s, 1, claimed)
	rival := s.telegram()
	stop := testenv.Background(t, func(ctx context.Context) error {
		for ctx.Err() == nil {
			rival.GetUpdates(ctx, secret.New(token), telegram.Poll{Limit: 1, Wait: time.Second})
		}
		return nil
	})
	testenv.Eventually(t, "the listener yields", func() (string, bool) {
		n := value[int](s, claimed)
		return fmt.Sprint(n), n == 0
	})
	stop()
	s.say(there, "Tom", "hello", 0)
	s.hears(chat, 1)
}

func TestATokenThatIsRefusedStopsItsBot(t *testing.T) {
	t.Parallel()
	s := newStage(t, 2)
	s.exec(`UPDATE bots SET token_sealed = '1:unknown' WHERE id = $1`, s.bots[0])
	s.listen()
	becomes(s, 1, `SELECT count(*) FROM bots WHERE id = $1 AND stopped_at IS NOT NULL`, s.bots[0])
	if n := value[int](s, `SELECT count(*) FROM bots WHERE stopped_at IS NOT NULL`); n != 1 {
		t.Errorf("%d bots are stopped, want 1", n)
	}
}

// hostile is a Telegram that returns the configured updates, at most limit at a time.
type hostile struct {
	mu       sync.Mutex
	updates  []string // indexed by id minus 1
	answered int64    // the offset of the last request
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/getUpdates") {
		fmt.Fprint(w, `{"ok":true,"result":true}`)
		return
	}
	var asked struct{ Offset, Limit int64 }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	h.answered = max(h.answered, asked.Offset)
	from := max(asked.Offset, 1) - 1
	var batch []string
	if from < int64(len(h.updates)) {
		const most = 4 // Telegram may return fewer than the limit
		batch = h.updates[from:min(from+min(asked.Limit, most), int64(len(h.updates)))]
	}
	h.mu.Unlock()
	if len(batch) == 0 {
		select {
		case <-r.Context().Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	fmt.Fprintf(w, `{"ok":true,"result":[%s]}`, strings.Join(batch, ","))
}

func TestNothingHostileStopsAListener(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	chat, there := s.chat(world.Supergroup, "Here")
	h := &hostile{}
	bad := []string{
		`{"update_id":%d,"message":"a text"}`,
		`{"update_id":%d,"message":{"message_id":-5}}`,
		`{"update_id":%d,"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`,
		`{"update_id":%d,"message":{"message_id":5,"date":1e99}}`,
		`{"update_id":%d,"message":{"message_id":5,"date":1,"chat":{"id":1,"type":"supergroup"},"text":"\u0000"}}`,
		`{"update_id":%d,"x":nothing}`,
	}
	for i, text := range bad {
		h.updates = append(h.updates, fmt.Sprintf(text, len(h.updates)+1))
		h.updates = append(h.updates, update(int64(len(h.updates)+1), there, int64(i+1), fmt.Sprint("line ", i)))
	}
	h.updates = append(h.updates, fmt.Sprintf(`{"update_id":%d,"brand_new_kind":{}}`, len(h.updates)+1))
	server := httptest.NewServer(h)
	defer server.Close()
	cfg := telegram.DefaultConfig()
	cfg.URL = server.URL
	client, err := telegram.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	registry := s.metrics
	_, stop := s.listening(client)
	heard := s.hears(chat, len(bad))
	testenv.Eventually(t, "all is confirmed", func() (string, bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return fmt.Sprint(h.answered), h.answered == int64(len(h.updates))+1
	})
	stop()
	for i, u := range heard {
		if u.Text != fmt.Sprint("line ", i) {
			t.Errorf("%d is %q", i, u.Text)
		}
	}
	counted := map[string]float64{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "chorus_listener_updates_total" && l.GetName() == "result" {
					counted[l.GetValue()] += m.GetCounter().GetValue()
				}
			}
		}
	}
	if want := map[string]float64{"malformed": float64(len(bad)), "written": float64(len(bad)), "useless": 1}; fmt.Sprint(counted) != fmt.Sprint(want) {
		t.Errorf("counted %v, want %v", counted, want)
	}
}

func TestListenersStartAndStop(t *testing.T) {
	s := newStage(t, 2)
	parts := 0
	runtest.Stress(t, func(t testing.TB) run.Part {
		parts++
		webhook := func(c *listener.Config) {
			if parts%2 == 0 {
				c.PublicURL, c.Listen = "http://nowhere.example", "127.0.0.1:0"
			}
		}
		return run.Part{Name: "listener", Run: alive(s.make(t, silent{}, webhook))}
		// A connection of the stage runs this goroutine after a slow write.
	}, goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgconn/internal/bgreader.(*BGReader).bgRead"))
}

// silent is a Telegram without updates.
type silent struct{}

func (silent) GetUpdates(ctx context.Context, _ secret.String, _ telegram.Poll) (telegram.Batch, telegram.Outcome) {
	<-ctx.Done()
	return telegram.Batch{}, telegram.Outcome{}
}

func (silent) SetWebhook(context.Context, secret.String, telegram.Webhook) telegram.Outcome {
	return telegram.Outcome{Kind: telegram.Done}
}

func (silent) DeleteWebhook(context.Context, secret.String) telegram.Outcome {
	return telegram.Outcome{Kind: telegram.Done}
}

func (silent) GetWebhook(context.Context, secret.String) (telegram.WebhookInfo, telegram.Outcome) {
	return telegram.WebhookInfo{}, telegram.Outcome{Kind: telegram.Done}
}

func (silent) GetMe(context.Context, secret.String) (telegram.Me, telegram.Outcome) {
	return telegram.Me{}, telegram.Outcome{Kind: telegram.NotSent}
}

func (silent) SetReaction(context.Context, secret.String, telegram.Reaction) telegram.Outcome {
	return telegram.Outcome{Kind: telegram.Done}
}

func (silent) GetMember(context.Context, secret.String, int64, int64) (telegram.Member, telegram.Outcome) {
	return telegram.Member{}, telegram.Outcome{Kind: telegram.Done}
}

func (silent) AnswerQuery(context.Context, secret.String, string, string) telegram.Outcome {
	return telegram.Outcome{Kind: telegram.Done}
}
