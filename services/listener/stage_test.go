package listener_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/emulatortest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/listener"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// stage is a cast in the Telegram emulator, with a real database and a real bus.
type stage struct {
	t        testing.TB
	pool     *pgxpool.Pool
	nats     *testenv.BusServer
	bus      *bus.Bus
	js       jetstream.JetStream
	emulator *emulator.Emulator
	settings *settingspg.Watch
	metrics  *prometheus.Registry
	// bots holds Chorus' ids of bot0, bot1 and so on; accounts holds Telegram's.
	bots, accounts []int64
}

// in returns the stage for a subtest.
func (s *stage) in(t *testing.T) *stage {
	t.Helper()
	part := *s
	part.t = t
	return &part
}

// newStage returns a stage without a listener.
func newStage(t testing.TB, bots int, change ...func(*emulator.Config)) *stage {
	t.Helper()
	s := &stage{t: t, pool: journaltest.Open(t), nats: testenv.NATSServer(t), metrics: prometheus.NewRegistry()}
	change = append(change, func(c *emulator.Config) { c.Unlimited, c.MaxUpdates, c.MaxMessages = true, 100_000, 100_000 })
	s.emulator = emulatortest.Start(t, change...)
	cfg := bus.DefaultConfig()
	cfg.URL = s.nats.URL()
	s.bus = bustest.Open(t, cfg)
	nc, err := nats.Connect(cfg.URL, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if s.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	if s.settings, err = settingspg.Open(t.Context(), s.pool, testenv.Logger(t)); err != nil {
		t.Fatal(err)
	}
	for i := range bots {
		s.addBot(fmt.Sprintf("bot%d", i))
	}
	return s
}

func (s *stage) addBot(name string, change ...func(*world.NewBot)) {
	s.t.Helper()
	b := world.NewBot{Username: name + "_of_tests"}
	for _, c := range change {
		c(&b)
	}
	account, token, err := s.world().RegisterBot(b)
	if err != nil {
		s.t.Fatal(err)
	}
	id := journaltest.Bot(s.t, s.pool, name)
	s.exec(`UPDATE bots SET telegram_id = $2, username = $3, token_sealed = $4 WHERE id = $1`, id, account.ID, account.Username, []byte(token))
	s.bots, s.accounts = append(s.bots, id), append(s.accounts, account.ID)
}

func username(bot int) string { return fmt.Sprintf("bot%d_of_tests", bot) }

// chat creates a group with all bots, in the roster, where it is enabled, and in Telegram.
// It returns Chorus' id and Telegram's.
func (s *stage) chat(kind, title string) (id, telegramID int64) {
	s.t.Helper()
	telegramID = s.newID(kind)
	id = journaltest.Chat(s.t, s.pool, fmt.Sprintf("chat%d", -telegramID), s.bots...)
	s.exec(`UPDATE chats SET telegram_id = $2, kind = $3, title = $4 WHERE id = $1`, id, telegramID, kind, title)
	s.group(telegramID, kind, title)
	return id, telegramID
}

// newID returns a new id at Telegram for a group.
func (s *stage) newID(kind string) int64 {
	const supergroups = -1_000_000_000_000
	id := -1000 - int64(len(s.world().Chats()))
	if kind == world.Supergroup {
		id += supergroups
	}
	return id
}

// group creates a group with all bots, in Telegram only.
func (s *stage) group(id int64, kind, title string) {
	s.t.Helper()
	n := world.NewChat{Chat: world.Chat{ID: id, Kind: kind, Title: title}}
	for i := range s.bots {
		n.Members = append(n.Members, username(i))
	}
	if _, err := s.world().PutChat(n); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) world() *world.World { return s.emulator.World() }

// config returns settings for tests. Tidying runs all the time, so that no test depends on
// its start.
func config() listener.Config {
	cfg := listener.DefaultConfig()
	cfg.Tidy = time.Second
	cfg.Claim, cfg.Operator = 50*time.Millisecond, "the testers (tests@example.org)"
	return cfg
}

// listen runs a listener until the test or stop ends it.
func (s *stage) listen(change ...func(*listener.Config)) (stop func()) {
	s.t.Helper()
	_, stop = s.listening(s.telegram(), change...)
	return stop
}

func (s *stage) telegram() *telegram.Client {
	s.t.Helper()
	cfg := telegram.DefaultConfig()
	cfg.URL = s.emulator.URL()
	client, err := telegram.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	return client
}

// listening runs a listener with the test's own Telegram.
func (s *stage) listening(tg listener.Telegram, change ...func(*listener.Config)) (l *listener.Listener, stop func()) {
	s.t.Helper()
	l = s.make(s.t, tg, change...)
	return l, testenv.Background(s.t, alive(l))
}

// alive runs a listener together with its lease.
func alive(l *listener.Listener) func(context.Context) error {
	return func(ctx context.Context) error {
		holding, release := context.WithCancel(context.WithoutCancel(ctx))
		var parts errgroup.Group
		parts.Go(func() error { return l.Lease.Run(holding) })
		parts.Go(func() error {
			defer release()
			return l.Run(ctx)
		})
		return parts.Wait()
	}
}

func (s *stage) make(t testing.TB, tg listener.Telegram, change ...func(*listener.Config)) *listener.Listener {
	t.Helper()
	cfg := config()
	for _, c := range change {
		c(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	deps := listener.Deps{
		Pool: s.pool, Bus: s.bus, Lease: lease.New(s.pool, lease.Listener, testenv.Logger(t)),
		Telegram: tg, Settings: s.settings, Log: testenv.Logger(t),
		Open:   func(_ string, sealed []byte) (secret.String, error) { return secret.New(string(sealed)), nil },
		Honest: func(line string) bool { return !strings.Contains(line, "human") },
	}
	if s.metrics != nil {
		deps.Metrics, s.metrics = listener.NewMetrics(s.metrics), nil
	}
	l, err := listener.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// watchSettings keeps the stage's settings up to date.
func (s *stage) watchSettings() func(context.Context) error {
	return listen.New(s.pool, testenv.Logger(s.t), s.settings.Channel()).Run
}

// settingsSeen waits until the settings say whether a chat's cast may talk.
func (s *stage) settingsSeen(chat int64, active bool) {
	s.t.Helper()
	testenv.Eventually(s.t, "the settings are known", func() (string, bool) {
		got := settings.SimulationActive.Of(s.settings.Current(), chat, 0)
		return fmt.Sprint(got), got == active
	})
}

// say sends a message of a person and returns its number in the chat.
func (s *stage) say(chat int64, who, text string, replyTo int64) int64 {
	s.t.Helper()
	p, err := s.world().Say(chat, who, text, replyTo)
	if err != nil {
		s.t.Fatal(err)
	}
	return p.Seq
}

func (s *stage) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// value returns the result of a query with one row and one column.
func value[T any](s *stage, sql string, args ...any) T {
	s.t.Helper()
	var v T
	if err := s.pool.QueryRow(s.t.Context(), sql, args...).Scan(&v); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// becomes waits until a query returns the wanted value.
func becomes[T comparable](s *stage, want T, sql string, args ...any) {
	s.t.Helper()
	testenv.Eventually(s.t, fmt.Sprintf("%s is %v", sql, want), func() (string, bool) {
		got := value[T](s, sql, args...)
		return fmt.Sprint(got), got == want
	})
}

// line is a stored message of a person.
type line struct {
	Number, ReplyTo int64
	Person          int64
	Text            string
}

// heard returns the messages of people in a chat, in order.
func (s *stage) heard(chat int64) []line {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `
SELECT number, coalesce(reply_to, 0), person_id, body FROM messages WHERE chat_id = $1 AND person_id IS NOT NULL ORDER BY number`, chat)
	if err != nil {
		s.t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowToStructByPos[line])
	if err != nil {
		s.t.Fatal(err)
	}
	return lines
}

// hears waits for n messages of people in a chat.
func (s *stage) hears(chat int64, n int) []line {
	s.t.Helper()
	var got []line
	testenv.Eventually(s.t, fmt.Sprintf("%d messages", n), func() (string, bool) {
		got = s.heard(chat)
		return fmt.Sprint(len(got)), len(got) >= n
	})
	if len(got) > n {
		s.t.Fatalf("%d messages, want %d: %v", len(got), n, got)
	}
	return got
}

// prompts returns the prompts of a chat: message numbers and the addressed bots.
func (s *stage) prompts(chat int64) map[int64][]int64 {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `SELECT message, addressed_bots FROM prompts WHERE chat_id = $1`, chat)
	if err != nil {
		s.t.Fatal(err)
	}
	prompts := map[int64][]int64{}
	var number int64
	var bots []int64
	if _, err := pgx.ForEachRow(rows, []any{&number, &bots}, func() error {
		prompts[number] = bots
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	return prompts
}

// settled waits until every bot's updates are written.
func (s *stage) settled() {
	s.t.Helper()
	testenv.Eventually(s.t, "all is heard", func() (string, bool) {
		pending := 0
		for _, a := range s.accounts {
			pending += s.world().Pending(a)
		}
		return fmt.Sprint(pending), pending == 0
	})
}

// pass waits until d has passed on the clock.
func (s *stage) pass(d time.Duration) {
	s.t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.t.Context().Done():
		s.t.Fatal(s.t.Context().Err())
	}
}
