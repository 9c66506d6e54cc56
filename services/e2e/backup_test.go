package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// A backup that is made while the cast talks is a consistent snapshot. On another database
// the cast continues from there.
func TestTheDatabaseIsBackedUpAndRestored(t *testing.T) {
	t.Parallel()
	cast := troupe{bots: 4, supergroups: 2, perChat: 3, gap: 1e9}.file(t)
	d := deploy(t, cast)
	d.start("planner", "generator", "sender")
	eventually(t, "the cast talks", func() bool { return len(sent(callsOf(t, d.telegram, control.Filter{}))) > 5 })
	folder, other := t.TempDir(), testenv.EmptyPostgres(t)
	runScript(t, "backup", d.dsn, folder)
	settle(t, d.pool())

	// The second restore replaces the first.
	for range 2 {
		runScript(t, "restore", other, folder)
	}
	before, after := d.pool(), poolOf(t, other)
	// The rows from the time of the backup are restored exactly.
	const roster = `SELECT string_agg(md5(b::text), ',' ORDER BY id) FROM bots b`
	if diff := cmp.Diff(one[string](t, before, roster), one[string](t, after, roster)); diff != "" {
		t.Errorf("the bots differ: %s", diff)
	}
	const turns = `SELECT coalesce(string_agg(md5(payload), ',' ORDER BY chat_id, turn_no), '') FROM turns WHERE turn_no <= 2`
	if diff := cmp.Diff(one[string](t, before, turns), one[string](t, after, turns)); diff != "" {
		t.Errorf("the first turns differ: %s", diff)
	}

	// Another deployment continues from it, with an empty bus and the same Telegram.
	restored := *d
	restored.bus, restored.dsn, restored.ops = testenv.NATSServer(t), other, map[string]string{}
	restored.environment = append([]string{}, d.environment...)
	restored.environment[0] = "CHORUS_DATABASE_URL_FILE=" + written(t, t.TempDir(), "database_url", other)
	restored.environment[1] = "CHORUS_NATS_URL=" + restored.bus.URL()
	restored.run("migrate", "up")
	calls := callsOf(t, d.telegram, control.Filter{})
	restored.start("planner", "generator", "sender")
	eventually(t, "the cast goes on", func() bool {
		return len(sent(callsOf(t, d.telegram, control.Filter{Since: calls[len(calls)-1].Seq}))) > 5
	})
	settle(t, after)
}

func poolOf(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	return (&deployment{t: t, dsn: dsn}).pool()
}

// runScript runs a script of deploy/scripts on a database.
func runScript(t *testing.T, name, dsn, folder string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(deployFolder, "scripts", name), folder)
	cmd.Env = append(os.Environ(), "PATH="+clientPath(t), "CHORUS_DATABASE_URL="+dsn)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// clientPath returns the PATH with the folder of pg_dump.
func clientPath(t testing.TB) string {
	t.Helper()
	path := os.Getenv("PATH")
	if _, err := exec.LookPath("pg_dump"); err == nil {
		return path
	}
	// Debian installs the programs of each version in a folder of its own.
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if err != nil || len(found) == 0 {
		t.Fatal("this test needs pg_dump and pg_restore: install PostgreSQL's client (apt-get install postgresql-client)")
	}
	return filepath.Dir(found[len(found)-1]) + ":" + path
}
