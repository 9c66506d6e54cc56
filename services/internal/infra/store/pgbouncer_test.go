package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func show(t *testing.T, conn migrations.Querier, parameter string) (value string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), `SELECT current_setting($1)`, parameter).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// PgBouncer as installed by Debian, in session mode: without ignore_startup_parameters, and
// with fewer sessions than are opened one after the other.
func TestPgBouncerBySession(t *testing.T) {
	t.Parallel()
	dsn := testenv.PgBouncer(t, testenv.EmptyPostgres(t), "pool_mode = session", "default_pool_size = 4") + "&lock_timeout=9s"
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second pool gets sessions that the first one used
		cfg := config(dsn + "&timezone=Asia/Tokyo")
		cfg.Name, cfg.MaxConnections, cfg.ConnectTimeout = "chorus-test", 3, patience
		pool, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		session, err := store.NewSession(t.Context(), pool, map[string]string{"work_mem": "5MB"})
		if err != nil {
			t.Fatal(err)
		}
		for parameter, want := range map[string]string{
			"application_name": "chorus-test", "statement_timeout": "10s", "idle_in_transaction_session_timeout": "30s",
			"jit": "off", "enable_seqscan": "off", "plan_cache_mode": "force_generic_plan", "TimeZone": "Asia/Tokyo", "lock_timeout": "9s",
		} {
			if got := show(t, pool, parameter); got != want {
				t.Errorf("the pool's %s is %q, want %q", parameter, got, want)
			}
			if got := show(t, session, parameter); got != want {
				t.Errorf("the session's %s is %q, want %q", parameter, got, want)
			}
		}
		if got, other := show(t, session, "work_mem"), show(t, pool, "work_mem"); got != "5MB" || other == got {
			t.Errorf("the session's work_mem is %s, that of another one %s", got, other)
		}
		session.Close(t.Context())
		pool.Close()
	}
	if got := show(t, connect(t, strings.TrimSuffix(dsn, "&lock_timeout=9s")), "jit"); got != "on" {
		t.Errorf("another user of the pooler has jit %s", got)
	}
}

func TestWhatAPoolerRefusesIsToldAtOnce(t *testing.T) {
	t.Parallel()
	dsn := testenv.Postgres(t)
	bySession := "set pool_mode = session in the pooler"
	for name, test := range map[string]struct {
		change   func(dsn string) string
		settings []string
		said     string
		remedy   string
	}{
		"by transaction":            {nil, []string{"pool_mode = transaction"}, "gives a session to another connection", bySession},
		"by transaction, in a ring": {nil, []string{"pool_mode = transaction", "server_round_robin = 1"}, "gives a session to another connection", bySession},
		"by statement":              {nil, []string{"pool_mode = statement"}, "statement pooling mode", bySession},
		"a parameter of one's own": {
			func(dsn string) string { return dsn + "&options=-c%20jit%3Doff" }, nil,
			"unsupported startup parameter", "ignore_startup_parameters",
		},
		"a user that it does not know": {
			func(dsn string) string { return strings.Replace(dsn, "chorus@", "nobody@", 1) }, nil, "authentication failed", "the password",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			through := testenv.PgBouncer(t, dsn, test.settings...)
			if test.change != nil {
				through = test.change(through)
			}
			cfg := config(through)
			cfg.ConnectTimeout = time.Minute // the error must come without this wait
			began := time.Now()
			_, err := store.Open(t.Context(), cfg)
			refused := (*store.RefusedError)(nil)
			if !errors.As(err, &refused) || !strings.Contains(refused.Said, test.said) || !strings.Contains(refused.Remedy, test.remedy) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > patience {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A session counts against the pool's limit.
func TestSessionsCountAsConnections(t *testing.T) {
	t.Parallel()
	cfg := config(testenv.Postgres(t))
	cfg.MaxConnections, cfg.Name = 2, "chorus-counted"
	pool, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	session, err := store.NewSession(t.Context(), pool, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Exec(t.Context(), `LISTEN something`); err != nil {
		t.Fatal(err)
	}
	if err := store.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		var n int
		if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chorus-counted'`).Scan(&n); err != nil || n != 2 {
			t.Errorf("%d connections are open (%v), want 2", n, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	session.Close(t.Context())
	var channels int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_listening_channels()`).Scan(&channels); err != nil || channels != 0 {
		t.Errorf("a session that was given back listens to %d channels (%v)", channels, err)
	}
}

func TestConnectionsAreDivided(t *testing.T) {
	t.Parallel()
	for _, all := range []int{7, 8, 9, 16, 1000} {
		cfg := store.DefaultConfig()
		cfg.MaxConnections = all
		if err := cfg.Validate(); err != nil {
			t.Error(err)
		}
		work, reading, rows := cfg.Split()
		w, r, k := work.MaxConnections, reading.MaxConnections, rows.MaxConnections
		if w+r+k != all || w < 4 || r < 1 || r > 4 || k != r {
			t.Errorf("%d are divided into %d, %d and %d", all, w, r, k)
		}
	}
}
