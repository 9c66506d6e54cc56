package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/internal/testenv"
)

func latest(t *testing.T) int64 {
	t.Helper()
	version, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// applied counts the migrations that are applied.
func applied(t *testing.T, dsn string) (n int64) {
	t.Helper()
	list, err := migrations.List(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range list {
		if s.Version != int64(i+1) || s.File == "" {
			t.Errorf("migration %d is listed as %+v", i+1, s)
		}
		if !s.AppliedAt.IsZero() {
			n++
		}
	}
	return n
}

// tables are the tables, sequences and indexes that migrations made.
func tables(t *testing.T, dsn string) []string {
	t.Helper()
	var names []string
	err := connect(t, dsn).QueryRow(t.Context(), `
SELECT coalesce(array_agg(relname::text || ' ' || relkind::text ORDER BY relname), '{}') FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'goose%'`).Scan(&names)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestUpIsSafeFromSeveralPlacesAndTwice(t *testing.T) {
	t.Parallel()
	dsn := testenv.EmptyPostgres(t)
	if n := applied(t, dsn); n != 0 {
		t.Errorf("%d migrations are applied to an empty database", n)
	}
	group, ctx := errgroup.WithContext(t.Context())
	for range 4 {
		group.Go(func() error { return migrations.Up(ctx, dsn) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	once := tables(t, dsn)
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(once, tables(t, dsn)); diff != "" {
		t.Errorf("the second run changed (-before +after): %s", diff)
	}
	if n, want := applied(t, dsn), latest(t); n != want {
		t.Errorf("%d migrations are applied, want %d", n, want)
	}
	if err := migrations.Check(t.Context(), connect(t, dsn)); err != nil {
		t.Error(err)
	}
}

func TestDownTakesEverythingBack(t *testing.T) {
	t.Parallel()
	dsn := testenv.EmptyPostgres(t)
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	full := tables(t, dsn)
	for left := latest(t) - 1; left >= 0; left-- {
		if err := migrations.Down(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
		if n := applied(t, dsn); n != left {
			t.Errorf("%d migrations are applied, want %d", n, left)
		}
	}
	if got := tables(t, dsn); len(got) > 0 {
		t.Errorf("left over: %v", got)
	}
	if err := migrations.Down(t.Context(), dsn); err == nil || err.Error() != "no migration is applied: there is nothing to take back" {
		t.Errorf("one too many: %v", err)
	}
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, tables(t, dsn)); diff != "" {
		t.Errorf("up again made another schema (-first +second): %s", diff)
	}
}

func TestCheckTellsVersionsApart(t *testing.T) {
	t.Parallel()
	dsn := testenv.EmptyPostgres(t)
	conn := connect(t, dsn)
	check := func(have int64) {
		t.Helper()
		var wrong *migrations.VersionError
		if err := migrations.Check(t.Context(), conn); !errors.As(err, &wrong) {
			t.Fatalf("got %v, want a *VersionError", err)
		}
		if want := (migrations.VersionError{Have: have, Want: latest(t)}); *wrong != want {
			t.Errorf("got %+v, want %+v", *wrong, want)
		}
	}
	check(0)
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Down(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	check(latest(t) - 1)
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)`, latest(t)+1)
	check(latest(t) + 1)
	// An old build neither touches what it does not know nor says that all is well.
	for name, do := range map[string]func(context.Context, string) error{"down": migrations.Down, "up": migrations.Up} {
		var wrong *migrations.VersionError
		if err := do(t.Context(), dsn); !errors.As(err, &wrong) {
			t.Errorf("%s with an old build: %v", name, err)
		}
	}
}

func TestVersionErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]migrations.VersionError{
		"the database has no schema, this build needs version 3: run chorus migrate up":                                                          {Have: 0, Want: 3},
		"the database's schema is at version 2, this build needs 3: run chorus migrate up":                                                       {Have: 2, Want: 3},
		"the database's schema is at version 4, this build knows only up to 3: use a newer build, or run chorus migrate down with the newer one": {Have: 4, Want: 3},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
