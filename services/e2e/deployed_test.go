package e2e_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// deployment is Chorus like in production: each service is a process, on external servers.
type deployment struct {
	t           testing.TB
	bus         *testenv.BusServer
	redis       *testenv.Cache
	dsn         string
	environment []string
	telegram    *control.Client
	ops         map[string]string  // the operators' address of each service
	running     map[string]*chorus // the process of each service
}

// deploy starts the servers and the emulator, with additional arguments, and applies a
// cast.
func deploy(t testing.TB, cast string, more ...string) *deployment {
	t.Helper()
	return deployOn(t, testenv.Postgres(t), cast, more...)
}

// deployOn deploys on a database that may be empty.
func deployOn(t testing.TB, dsn, cast string, more ...string) *deployment {
	t.Helper()
	d := &deployment{
		t: t, bus: testenv.NATSServer(t), redis: testenv.RedisServer(t), dsn: dsn, ops: map[string]string{}, running: map[string]*chorus{},
	}
	dir := t.TempDir()
	d.environment = []string{
		"CHORUS_DATABASE_URL_FILE=" + written(t, dir, "database_url", d.dsn),
		"CHORUS_NATS_URL=" + d.bus.URL(),
		"CHORUS_REDIS_URL=" + d.redis.URL(),
		"CHORUS_SECRET_FILE=" + filepath.Join(dir, "keys"),
		"CHORUS_GENERATOR_MAX_TYPING=200ms",
		"CHORUS_CONSOLE_LISTEN=" + nobody(t),
	}
	d.run("secrets", "--dir", dir)
	emulator := launch(t, nil, append([]string{"emulator", "--emulator.listen", "127.0.0.1:0"}, more...)...)
	eventually(t, "the emulator says where it is", func() bool { return emulator.url() != "" })
	d.telegram = emulator.emulator()
	d.environment = append(d.environment, "CHORUS_TELEGRAM_URL="+emulator.url())
	d.run("migrate", "up")
	d.run("apply", "-f", cast, "--emulator", emulator.url())
	return d
}

func written(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a command to its end and returns what it printed.
func (d *deployment) run(args ...string) string {
	d.t.Helper()
	out, err := d.try(args...)
	if err != nil {
		d.t.Fatalf("chorus %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (d *deployment) try(args ...string) (string, error) {
	d.t.Helper()
	program := built.path(d.t) // the first call builds it
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), d.environment...)
	out, err := cmd.Output()
	return string(out), err
}

// start starts services and waits until they are ready.
func (d *deployment) start(services ...string) {
	d.t.Helper()
	for _, s := range services {
		d.ops[s] = nobody(d.t)
		d.launch(s)
	}
	for _, s := range services {
		eventually(d.t, s+" is ready", func() bool { return d.ready(s) })
	}
}

// ready asks a service over HTTP whether it is ready. A chorus health process would take
// half a second of a core.
func (d *deployment) ready(service string) bool {
	d.t.Helper()
	return answers(d.t, "http://"+d.ops[service]+"/readyz")
}

// answers tells whether an address answers 200.
func answers(t testing.TB, url string) bool {
	t.Helper()
	answer, err := ask(t, url)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// ask requests an address on a new connection.
func ask(t testing.TB, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
}

func (d *deployment) launch(service string) {
	d.t.Helper()
	d.running[service] = launch(d.t, d.environment, service, "--ops.listen", d.ops[service])
}

// revive restarts services that have ended, like Docker and Kubernetes.
func (d *deployment) revive() {
	d.t.Helper()
	for name, process := range d.running {
		if process.ended() {
			d.launch(name)
		}
	}
}

// scrape returns the metrics of a service.
func (d *deployment) scrape(service string) string {
	d.t.Helper()
	return get(d.t, "http://"+d.ops[service]+"/metrics")
}

func (d *deployment) pool() *pgxpool.Pool {
	d.t.Helper()
	pool, err := pgxpool.New(d.t.Context(), d.dsn)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(pool.Close)
	return pool
}

func get(t testing.TB, url string) string {
	t.Helper()
	answer, err := ask(t, url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
