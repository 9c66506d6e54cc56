package testenv_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func tables(t *testing.T, dsn string) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE mine (a int)"); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDatabasesAreMigratedAndIsolated(t *testing.T) {
	t.Parallel()
	want := tables(t, testenv.Postgres(t))
	if want < 2 {
		t.Errorf("a migrated database has %d tables", want)
	}
	for range 2 {
		t.Run("again", func(t *testing.T) {
			t.Parallel()
			if got := tables(t, testenv.Postgres(t)); got != want {
				t.Errorf("a second database has %d tables, the first had %d", got, want)
			}
		})
	}
}

func TestEmptyDatabase(t *testing.T) {
	if got := tables(t, testenv.EmptyPostgres(t)); got != 0 {
		t.Errorf("an empty database has %d tables", got)
	}
}

func TestPostgresServerOfItsOwn(t *testing.T) {
	server := testenv.PostgresServer(t, map[string]string{"synchronous_commit": "off"})
	tables(t, server.DSN("postgres"))
}

func TestNATSRestartsOnTheSamePort(t *testing.T) {
	server := testenv.NATSServer(t)
	publish := func() uint64 {
		nc, err := nats.Connect(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(t.Context(), "s", nil); err != nil {
			t.Fatal(err)
		}
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.Msgs
	}
	url := server.URL()
	publish()
	server.Stop()
	server.Start()
	if server.URL() != url {
		t.Errorf("the address changed from %s to %s", url, server.URL())
	}
	if got := publish(); got != 2 {
		t.Errorf("%d messages after a restart, want 2", got)
	}
	server.Stop()
	server.Wipe()
	server.Start()
	if got := publish(); got != 1 {
		t.Errorf("%d messages after a wipe, want 1", got)
	}
}
