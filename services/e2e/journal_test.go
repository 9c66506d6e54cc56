package e2e_test

import (
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/load/accounting"
)

// database opens the private database of a running chorus up.
func database(t *testing.T, dir string) *pgxpool.Pool {
	t.Helper()
	address := url.URL{Scheme: "postgres", User: url.User("chorus"), Path: "/chorus", RawQuery: url.Values{
		"host": {filepath.Join(dir, "postgres", "cluster")}, "port": {"5432"}, "sslmode": {"disable"},
	}.Encode()}
	pool, err := pgxpool.New(t.Context(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// one reads a single value.
func one[T any](t testing.TB, pool *pgxpool.Pool, query string, args ...any) T {
	t.Helper()
	var v T
	if err := pool.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// lastTurn returns the highest turn number of all chats.
func lastTurn(t *testing.T, dir string) int64 {
	t.Helper()
	return one[int64](t, database(t, dir), `SELECT coalesce(max(turn_no), 0) FROM turns`)
}

// accountFor compares the emulator's log with the journal.
func accountFor(t *testing.T, pool *pgxpool.Pool, calls []control.Call) []accounting.Turn {
	t.Helper()
	turns, err := accounting.Turns(t.Context(), pool, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	clocks, err := accounting.Clocks(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	short := make([]accounting.Call, len(calls))
	for i, c := range calls {
		short[i] = accounting.Of(c)
	}
	for _, wrong := range accounting.Compare(short, turns, nil, clocks) {
		t.Error(wrong.Text)
	}
	return turns
}
