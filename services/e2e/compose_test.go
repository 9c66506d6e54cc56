package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// composed replaces docker. It runs the programs of the database's container on the test's
// database, and Chorus' one-shot commands with the built program.
const composed = `#!/bin/sh
set -eu
shift # compose
verb=$1
shift
case $verb in
exec)
	shift 2 # -T postgres
	for argument; do
		shift
		[ "$argument" = --username=chorus ] && continue
		[ "$argument" = --dbname=chorus ] && argument="--dbname=$TEST_DSN"
		set -- "$@" "$argument"
	done
	exec "$@"
	;;
run)
	shift 4 # --rm --no-deps -T migrate
	exec "$TEST_CHORUS" "$@"
	;;
*) echo "$verb $*" >>"$TEST_LOG" ;;
esac
`

// script runs a script of compose on the deployment, and returns its other calls of docker.
func (d *deployment) script(name string, args ...string) []string {
	d.t.Helper()
	dir := d.t.TempDir()
	log := filepath.Join(dir, "log")
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(composed), 0o755); err != nil {
		d.t.Fatal(err)
	}
	cmd := exec.CommandContext(d.t.Context(), filepath.Join(deployFolder, "scripts", name), args...)
	cmd.Env = append(append(os.Environ(), d.environment...),
		"PATH="+dir+":"+clientPath(d.t), "TEST_DSN="+d.dsn, "TEST_CHORUS="+built.path(d.t), "TEST_LOG="+log)
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		d.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// A restored database doesn't contain the work that the bus has rings for. The cast
// continues from the database's state, and no work is left that can't be done.
func TestComposeIsBackedUpAndRestored(t *testing.T) {
	t.Parallel()
	d := deploy(t, troupe{bots: 4, supergroups: 2, perChat: 3, gap: 1e9}.file(t))
	start := func(services ...string) (all []*chorus) {
		for _, s := range services {
			all = append(all, launch(t, d.environment, s, "--ops.listen", nobody(t)))
		}
		return all
	}
	running := start("planner", "generator", "sender")
	eventually(t, "the cast talks", func() bool { return len(sent(callsOf(t, d.telegram, control.Filter{}))) > 3 })
	folder := filepath.Join(t.TempDir(), "new", "backup")
	d.script("backup-compose", folder)
	for path, want := range map[string]os.FileMode{folder: 0o700, filepath.Join(folder, "database"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s can be read by others: %v (%v)", path, info.Mode(), err)
		}
	}

	// The backup doesn't contain the work that the bus has rings for.
	running[1].kill()
	eventually(t, "turns wait for their texts", func() bool { return one[int](t, d.pool(), `SELECT count(*) FROM turns WHERE written_at IS NULL`) > 2 })
	running[0].kill()
	running[2].kill()
	calls := callsOf(t, d.telegram, control.Filter{})
	asked := d.script("restore-compose", folder)
	if want := []string{"stop planner generator sender listener", "restart redis", "up --detach"}; fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("docker compose was asked for %q, want %q", asked, want)
	}
	start("planner", "generator", "sender")
	eventually(t, "the cast goes on", func() bool {
		return len(sent(callsOf(t, d.telegram, control.Filter{Since: calls[len(calls)-1].Seq}))) > 3
	})
	settle(t, d.pool())
	if n := one[int](t, d.pool(), `SELECT count(*) FROM dead_letters`); n != 0 {
		t.Errorf("there are %d dead letters", n)
	}
}

// All connections of a service count: those of its pools, and those for notifications and
// locks.
func TestServicesKeepToTheirConnections(t *testing.T) {
	t.Parallel()
	d := deploy(t, troupe{bots: 6, supergroups: 6, perChat: 3, gap: 1e9}.file(t))
	const most = 7
	d.environment = append(d.environment, fmt.Sprintf("CHORUS_DATABASE_MAX_CONNECTIONS=%d", most))
	d.start("planner", "generator", "sender", "listener")
	pool, seen := d.pool(), map[string]int{}
	eventually(t, "the cast talks", func() bool {
		rows, err := pool.Query(t.Context(), `SELECT application_name, count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'chorus-%' GROUP BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var name string
			var n int
			if err := rows.Scan(&name, &n); err != nil {
				t.Fatal(err)
			}
			seen[name] = max(seen[name], n)
		}
		return rows.Err() == nil && len(sent(callsOf(t, d.telegram, control.Filter{}))) > 20
	})
	for _, service := range []string{"planner", "generator", "sender", "listener"} {
		if n := seen["chorus-"+service]; n < 2 || n > most {
			t.Errorf("the %s had %d connections open at a time, want 2 to %d", service, n, most)
		}
	}
}
