package people_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/people"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestVacuumAfterAnErasure(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	exec := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	vacuums := func() (done, sampled int) {
		t.Helper()
		if err := people.Vacuum(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
		err := pool.QueryRow(t.Context(), `
SELECT (SELECT coalesce(sum(vacuum_count), 0) FROM pg_stat_user_tables),
    (SELECT count(*) FROM pg_stats WHERE most_common_vals::text LIKE '%quokkaberry%')`).Scan(&done, &sampled)
		if err != nil {
			t.Fatal(err)
		}
		return done, sampled
	}
	exec(`INSERT INTO people (telegram_id, name) SELECT i, CASE WHEN i < 50 THEN 'quokkaberry' ELSE 'Ann' || i END FROM generate_series(1, 100) i`)
	exec(`ANALYZE people`)
	exec(`DELETE FROM people WHERE telegram_id < 50`)
	if done, sampled := vacuums(); done != 0 || sampled == 0 {
		t.Fatalf("%d tables vacuumed without an erasure, %d samples", done, sampled)
	}
	exec(`INSERT INTO forgotten (person_id, at, marks) VALUES (1, now(), '{}')`)
	if done, _ := vacuums(); done != 0 {
		t.Errorf("%d tables vacuumed before the erasure has ended", done)
	}
	exec(`UPDATE forgotten SET marks = NULL`)
	first, sampled := vacuums()
	if first < len(people.Places()) || sampled != 0 {
		t.Errorf("%d tables vacuumed, and %d samples of what was erased are left", first, sampled)
	}
	exec(`UPDATE forgotten SET at = at - interval '2 hours'`)
	if done, _ := vacuums(); done != first {
		t.Errorf("%d tables vacuumed again", done-first)
	}
}
