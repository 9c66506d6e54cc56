package store_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// A database may respond and accept no writes: a standby, or one with a full disk, which a
// trigger simulates here.
func TestADatabaseThatTakesNoWritesIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ breaks, want string }{
		"well":      {`SELECT 1`, ""},
		"read-only": {`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`, "read-only transaction"},
		"full": {`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '53100' USING MESSAGE = 'could not extend file'; END $$;
			CREATE TRIGGER full_disk BEFORE INSERT ON write_probes EXECUTE FUNCTION full_disk()`, "could not extend file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := testenv.Postgres(t)
			exec(t, connect(t, dsn), c.breaks)
			pool, err := pgxpool.New(t.Context(), dsn)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			for range 3 {
				err = store.Writable(t.Context(), pool)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("it is %v, want %q", err, c.want)
			}
			var rows int
			if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM write_probes`).Scan(&rows); err != nil || rows != 0 {
				t.Errorf("%d rows stay (%v)", rows, err)
			}
		})
	}
}
