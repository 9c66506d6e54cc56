package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func latest(t *testing.T) int64 {
	t.Helper()
	version, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// applied counts the applied migrations.
func applied(t *testing.T, dsn string) (n int64) {
	t.Helper()
	list, err := migrations.List(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	var before int64
	for i, s := range list {
		if s.Version <= before || s.File == "" {
			t.Errorf("migration %d is listed as %+v", i+1, s)
		}
		before = s.Version
		if !s.AppliedAt.IsZero() {
			n++
		}
	}
	return n
}

// known counts the migrations of this build.
func known(t *testing.T, dsn string) int64 {
	t.Helper()
	list, err := migrations.List(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(list))
}

// tables returns the tables, sequences and indexes that migrations have created.
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
	if n, want := applied(t, dsn), known(t, dsn); n != want {
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
	for left := known(t, dsn) - 1; left >= 0; left-- {
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
	list, err := migrations.List(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	check(list[len(list)-2].Version)
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)`, latest(t)+1)
	exec(t, conn, `UPDATE schema_support SET oldest_build = $1`, latest(t)+1)
	check(latest(t) + 1)
	// An old build neither changes an unknown schema nor reports that all is well.
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

// A newer schema that removes nothing serves this build, which doesn't change it. So a new
// version can be rolled out while the old one runs, and rolled back.
func TestANewerSchemaServesThisBuild(t *testing.T) {
	t.Parallel()
	dsn := testenv.Postgres(t)
	conn := connect(t, dsn)
	newer := func() bool {
		t.Helper()
		is, err := migrations.Newer(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if newer() {
		t.Error("the schema of this build is newer than this build")
	}
	exec(t, conn, `CREATE TABLE added_later (id bigint)`)
	exec(t, conn, `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true), ($2, true)`, latest(t)+1, latest(t)+2)
	before := tables(t, dsn)
	if err := migrations.Check(t.Context(), conn); err != nil || !newer() {
		t.Errorf("check: %v, newer: %t", err, newer())
	}
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Errorf("up: %v", err)
	}
	if diff := cmp.Diff(before, tables(t, dsn)); diff != "" {
		t.Errorf("an old build changed (-before +after): %s", diff)
	}
	exec(t, conn, `UPDATE schema_support SET oldest_build = $1`, latest(t))
	if err := migrations.Check(t.Context(), conn); err != nil {
		t.Errorf("the oldest build that is served: %v", err)
	}
	exec(t, conn, `UPDATE schema_support SET oldest_build = $1`, latest(t)+1)
	var wrong *migrations.VersionError
	if err := migrations.Check(t.Context(), conn); !errors.As(err, &wrong) {
		t.Errorf("a build that is served no more: %v", err)
	}
	if err := migrations.Up(t.Context(), dsn); !errors.As(err, &wrong) {
		t.Errorf("up with a build that is served no more: %v", err)
	}
}

// firstSupport is the first migration whose schema says which builds it serves.
const firstSupport = 21

// A migration that removes something that the previous version's build uses must say so.
// Migrations that are released together with the first one, in one version, are exempt.
func TestMigrationsThatTakeAwaySaySo(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../../migrations/sql/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	for _, file := range files {
		number, _, _ := strings.Cut(filepath.Base(file), "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if version > firstSupport && takesAway(string(text)) && !strings.Contains(string(text), "UPDATE schema_support SET oldest_build") {
			t.Errorf("%s takes away what the version before may use: say from which build on the schema works, by UPDATE schema_support SET oldest_build = N", filepath.Base(file))
		}
	}
	for statement, want := range map[string]bool{
		"ALTER TABLE turns DROP COLUMN topic;": true, "alter table turns\n  rename to rounds;": true, "DROP TABLE IF EXISTS old;": true,
		"ALTER TABLE t ALTER COLUMN a TYPE text;": true, "ALTER TABLE t ALTER a SET NOT NULL;": true, "DROP FUNCTION f();": true, "DROP VIEW v;": true,
		"ALTER TABLE t ADD COLUMN a text;": false, "DROP INDEX i;": false, "ALTER TABLE t ALTER a DROP NOT NULL;": false, "CREATE TABLE t (a int NOT NULL);": false,
		"ALTER TABLE t ADD a int;\n-- +goose Down\nALTER TABLE t DROP COLUMN a;": false, "-- a comment on DROP TABLE x\nSELECT 1;": false,
	} {
		if got := takesAway("-- +goose Up\n" + statement); got != want {
			t.Errorf("%q takes away: %t, want %t", statement, got, want)
		}
	}
}

// takesAway reports whether a migration has statements that break a build that doesn't know
// it.
func takesAway(migration string) bool {
	up, _, _ := strings.Cut(migration, "-- +goose Down")
	up = regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(up, "")
	return regexp.MustCompile(`(?i)\bDROP\s+(TABLE|COLUMN|FUNCTION|VIEW|TYPE|SCHEMA|SEQUENCE)\b|\bRENAME\b|\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b|\bSET\s+NOT\s+NULL\b`).MatchString(up)
}
