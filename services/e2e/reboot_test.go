package e2e_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/postgres"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// disk is a PostgreSQL that is stopped and started again at the same address.
type disk struct {
	t      testing.TB
	cfg    postgres.Config
	server *postgres.Server
}

func newDisk(t testing.TB) *disk {
	t.Helper()
	d := &disk{t: t, cfg: postgres.Config{DataDir: filepath.Join(testenv.Folder(t), "pg"), Log: zap.NewNop()}}
	d.start()
	t.Cleanup(d.stop)
	return d
}

func (d *disk) start() {
	d.t.Helper()
	var err error
	if d.server, err = postgres.Start(d.t.Context(), d.cfg); err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) stop() {
	d.t.Helper()
	if err := d.server.Stop(); err != nil {
		d.t.Errorf("stop PostgreSQL: %v", err)
	}
}

// Each server is restarted, and then the whole host: the services start before the servers.
// A service that ends is only started again, and the cast talks again. The bus is one
// server, which loses its in-memory state.
func TestEverythingComesBackAfterAReboot(t *testing.T) {
	t.Parallel()
	database := newDisk(t)
	d := deployOn(t, database.server.DSN("postgres"), troupe{bots: 8, supergroups: 5, groups: 1, perChat: 4, gap: 1e9}.file(t))
	services := []string{"planner", "generator", "sender", "listener"}
	d.start(services...)
	talks := func(after string) {
		t.Helper()
		var last uint64
		if calls := callsOf(t, d.telegram, control.Filter{}); len(calls) > 0 {
			last = calls[len(calls)-1].Seq
		}
		const some = 10
		eventually(t, "the cast talks after "+after, func() bool {
			d.revive()
			return len(sent(callsOf(t, d.telegram, control.Filter{Since: last}))) >= some
		})
	}
	talks("the start")

	d.bus.Stop()
	d.bus.Start()
	d.running["generator"].kill()
	d.running["listener"].kill()
	talks("a restart of NATS and two services")
	database.stop()
	database.start()
	d.running["planner"].kill()
	talks("a restart of PostgreSQL and a service")
	d.redis.Restart()
	d.running["sender"].kill()
	talks("a restart of Redis and a service")

	for _, s := range services {
		d.running[s].kill()
	}
	d.redis.Kill()
	d.bus.Stop()
	database.stop()
	d.revive()
	database.start()
	d.redis.Restart()
	d.bus.Start()
	talks("a reboot of all")
	for _, s := range services {
		eventually(t, s+" is ready", func() bool {
			d.revive()
			return d.ready(s)
		})
	}
}
