package command

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// Each command that can reach the database is listed in acts.
func TestActsAreWhole(t *testing.T) {
	apart := map[string]bool{ // these run services, or are audited elsewhere
		"planner": true, "generator": true, "sender": true, "listener": true, "console": true, "up": true, "check": true, "config": true, "load": true,
		"migrate up": true, "migrate down": true, "migrate status": true,
	}
	said := acts()
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if _, is := said[named(c)]; c.Runnable() && c.Flags().Lookup("database.url") != nil || c.Flags().Lookup("database.max-connections") != nil {
			if !is && !apart[named(c)] {
				t.Errorf("%s is not in acts", named(c))
			}
			delete(said, named(c))
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(New())
	if len(said) > 0 {
		t.Errorf("there are no such commands: %v", said)
	}
}

// Changes of the schema are in the audit log, also the one that creates the log and the one
// that drops it.
func TestMigrationsAreAudited(t *testing.T) {
	url := testenv.EmptyPostgres(t)
	t.Setenv("CHORUS_DATABASE_URL", url)
	cfg := newConfiguration()
	cfg.database.URL = url
	for range 2 {
		if _, err := migrateDatabase(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	down := func() {
		cmd := New()
		cmd.SetArgs([]string{"migrate", "down", "--yes"})
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	down()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var got string
	if err := conn.QueryRow(t.Context(), `
SELECT string_agg(operation || ' ' || via || ' ' || sign(after::bigint - before::bigint) || ' ' || result, ', ' ORDER BY id) FROM audit_log WHERE actor <> '' AND origin <> ''`).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if want := "migrate up command 1 done, migrate up command 0 done, migrate down command -1 done"; got != want {
		t.Errorf("the log has %s, want %s", got, want)
	}
	for there := true; there; {
		down()
		if err := conn.QueryRow(t.Context(), auditLogThere).Scan(&there); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCommandsAreAudited(t *testing.T) {
	url := testenv.Postgres(t)
	t.Setenv("CHORUS_DATABASE_URL", url)
	var out bytes.Buffer
	for _, line := range []string{"settings set reply_probability 0.8", "settings list", "memory forget 77", "console link"} {
		cmd := New()
		cmd.SetArgs(strings.Fields(line))
		cmd.SetOut(&out)
		_ = cmd.ExecuteContext(t.Context()) // a missing memory can't be forgotten
	}
	cfg := store.DefaultConfig()
	cfg.URL = url
	pool, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	found, err := audit.Log{Pool: pool}.Find(t.Context(), audit.Search{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range found {
		got = append(got, e.Operation)
		if e.Via != "command" || e.Actor == "" || e.Origin == "" || e.Result == "" {
			t.Errorf("%+v", e)
		}
	}
	if strings.Join(got, ",") != "console link,memory forget,settings set" {
		t.Errorf("%v", got)
	}
	if input := string(found[2].Input); !strings.Contains(input, "reply_probability") || found[2].Object != "setting reply_probability" {
		t.Errorf("%s of %q", input, found[2].Object)
	}
	_, token, found2 := strings.Cut(strings.TrimSpace(out.String()), "/join#")
	if !found2 || len(token) < 43 {
		t.Errorf("the link: %s", out.String())
	}
}
