package settingspg_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap/zaptest"

	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestSetAndUnset(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.Postgres(t))
	chat := newChat(t, pool)
	set(t, pool, "scale_factor", settings.Global, 0, "2")
	set(t, pool, "scale_factor", settings.Chat, chat, "3")
	set(t, pool, "scale_factor", settings.Chat, chat, "4.5")
	set(t, pool, "turn_ttl", settings.Global, 0, `"60s"`)
	v := load(t, pool)
	if got := settings.ScaleFactor.Of(v, chat, 0); got != 4.5 {
		t.Errorf("in the chat it is %v, want 4.5", got)
	}
	if got := settings.ScaleFactor.Of(v, chat+1, 0); got != 2 {
		t.Errorf("elsewhere it is %v, want 2", got)
	}
	if got := settings.TurnTTL.Of(v, 0, 0); got != time.Minute {
		t.Errorf("turn_ttl is %v, want 1m", got)
	}
	for _, want := range []bool{true, false} {
		was, err := settingspg.Unset(t.Context(), pool, "scale_factor", settings.Chat, chat)
		if err != nil || was != want {
			t.Errorf("unset: %v, %v, want %v", was, err, want)
		}
	}
	if got := settings.ScaleFactor.Of(load(t, pool), chat, 0); got != 2 {
		t.Errorf("after it was unset it is %v, want 2", got)
	}
}

func TestWrongOnesAreNotStored(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.Postgres(t))
	for _, c := range []struct {
		key   string
		scope settings.Scope
		id    int64
		value string
		want  string
	}{
		{"prime_hours_boost", settings.Global, 0, `"false"`, "true or false"},
		{"reply_probability", settings.Global, 0, `1.5`, "0 to 1"},
		{"reply_probabilityy", settings.Global, 0, `0.5`, "reply_probability"},
		{"global_max_msgs_per_min", settings.Chat, 1, `5`, "want global"},
		{"scale_factor", "planet", 1, `5`, "want global or chat"},
		{"scale_factor", settings.Chat, 0, `5`, "id 0"},
		{"scale_factor", settings.Global, 7, `5`, "id 7"},
		{"scale_factor", settings.Chat, 4711, `5`, "no chat with the id 4711"},
	} {
		err := settingspg.Set(t.Context(), pool, c.key, c.scope, c.id, json.RawMessage(c.value))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s %d = %s: %v, want %q", c.key, c.scope, c.id, c.value, err, c.want)
		}
	}
	stored, err := settingspg.Load(t.Context(), pool)
	if err != nil || len(stored) != 0 {
		t.Errorf("stored: %v, %v", stored, err)
	}
}

func TestWatchSeesChangesWithinASecond(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.Postgres(t))
	set(t, pool, "simulation_active", settings.Global, 0, "false")
	w := watch(t, pool)
	if settings.SimulationActive.Of(w.Current(), 0, 0) {
		t.Fatal("what is stored is not known from the start")
	}
	for _, value := range []string{"2", "3", "4"} {
		changed := w.Changed()
		began := time.Now()
		set(t, pool, "scale_factor", settings.Global, 0, value)
		await(t, changed)
		if took := time.Since(began); took > time.Second {
			t.Errorf("a change was seen after %v", took)
		}
		if got, _ := w.Current().Text(settings.ScaleFactor.Definition, 0, 0); got != value {
			t.Errorf("scale_factor is %s, want %s", got, value)
		}
	}
}

func TestWatchComesBack(t *testing.T) {
	t.Parallel()
	dsn := testenv.Postgres(t)
	link := testenv.Proxy(t, dsn)
	w := watch(t, open(t, link.URL()))
	writer := open(t, dsn)
	for _, value := range []string{"2", "3"} {
		changed := w.Changed()
		link.Cut()
		set(t, writer, "scale_factor", settings.Global, 0, value)
		select {
		case <-changed:
			t.Fatal("a change came through a cut link")
		default:
		}
		link.Restore()
		await(t, changed)
		if got, _ := w.Current().Text(settings.ScaleFactor.Definition, 0, 0); got != value {
			t.Errorf("scale_factor is %s, want %s", got, value)
		}
	}
}

func TestOpenNeedsTheDatabase(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.EmptyPostgres(t))
	if w, err := settingspg.Open(t.Context(), pool, zaptest.NewLogger(t)); err == nil {
		t.Errorf("opened without a schema: %v", w.Current())
	}
}

func open(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func watch(t *testing.T, pool *pgxpool.Pool) *settingspg.Watch {
	t.Helper()
	w, err := settingspg.Open(t.Context(), pool, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := listen.New(pool, zaptest.NewLogger(t), w.Channel()).Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return w
}

func await(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(30 * time.Second):
		t.Fatal("no change was seen")
	}
}

func load(t *testing.T, pool *pgxpool.Pool) *settings.Values {
	t.Helper()
	stored, err := settingspg.Load(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	v, problems := settings.NewValues(stored)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return v
}

func set(t *testing.T, pool *pgxpool.Pool, key string, scope settings.Scope, id int64, value string) {
	t.Helper()
	if err := settingspg.Set(t.Context(), pool, key, scope, id, json.RawMessage(value)); err != nil {
		t.Fatal(err)
	}
}

func newChat(t *testing.T, pool *pgxpool.Pool) (id int64) {
	t.Helper()
	err := pool.QueryRow(t.Context(),
		`INSERT INTO chats (name, telegram_id, kind) VALUES ('books', -1000000000001, 'supergroup') RETURNING id`).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
