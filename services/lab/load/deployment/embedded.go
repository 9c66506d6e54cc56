// Package deployment runs Chorus' services for the load lab: with servers started on this
// machine, or in an installation that runs already.
package deployment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/lab/debian"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/lab/load/sampling"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
	"github.com/chorus-cast/chorus/services/lab/natsd"
	"github.com/chorus-cast/chorus/services/lab/postgres"
	"github.com/chorus-cast/chorus/services/lab/redisd"
)

const (
	telegram = scenario.Telegram
	redis    = scenario.Redis

	databaseName = "chorus"
	// connections is PostgreSQL's limit, enough for every service scaled up.
	connections = "800"
)

// Embedded is a deployment of real processes of this binary, with a private
// PostgreSQL, and NATS and the model inside of the lab's own process. It is safe
// for concurrent use.
type Embedded struct {
	place

	program  program
	postgres *postgres.Server
	nats     *natsd.Server
	model    *llmapi.API
	server   *http.Server
	serving  sync.WaitGroup
	latency  time.Duration

	mu       sync.Mutex
	redis    *redisd.Server
	emulator *unit
	units    map[string][]*unit // of each service, running or down
	next     map[string]int     // the replica that is killed next
	redisUp  bool
}

// Options say where an embedded deployment is.
type Options struct {
	// Binary is chorus itself.
	Binary string
	// Dir is an empty folder for all state, which other users may enter: below
	// root, PostgreSQL is one.
	Dir string
	Log *zap.Logger
}

// Embed starts the servers of an embedded deployment, and prepares the database
// and the bus. Launch starts the services. Close ends all of it, also after an
// error.
func Embed(ctx context.Context, s *scenario.Scenario, opts Options) (*Embedded, error) {
	e := &Embedded{units: map[string][]*unit{}, next: map[string]int{}, latency: s.LLMLatency}
	e.program = program{binary: opts.Binary, dir: opts.Dir}
	if err := e.start(ctx, s, opts); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Embedded) start(ctx context.Context, s *scenario.Scenario, opts Options) (err error) {
	keyFile := filepath.Join(opts.Dir, "keys")
	if e.keys, err = secret.LoadOrCreateKeyFile(keyFile); err != nil {
		return err
	}
	values := map[string]string{
		"secret.file": keyFile, "log.level": "warn", "log.format": "json", "emulator.dir": filepath.Join(opts.Dir, telegram),
	}
	for _, part := range []func(context.Context, *scenario.Scenario, Options, map[string]string) error{
		e.startPostgres, e.startNATS, e.startRedis, e.startModel,
	} {
		if err := part(ctx, s, opts, values); err != nil {
			return err
		}
	}
	if e.emulator, err = e.program.newUnit(ctx, "emulator", telegram, "--emulator.listen", control.Prefix+"/limits"); err != nil {
		return err
	}
	values["telegram.url"] = e.emulator.url
	maps.Copy(values, s.Config)
	e.program.env = environment(values)
	if err := e.program.start(e.emulator); err != nil {
		return err
	}
	if err := e.program.run(ctx, "migrate", "up"); err != nil {
		return err
	}
	if err := e.program.awaitReady(ctx, e.emulator); err != nil {
		return err
	}
	if e.client, err = control.New(e.emulator.url); err != nil {
		return err
	}
	database := store.DefaultConfig()
	database.URL = values["database.url"]
	database.StatementTimeout = readTimeout
	e.pool, err = store.Open(ctx, database)
	return err
}

// readTimeout limits the lab's own queries, which read whole tables.
const readTimeout = 5 * time.Minute

func (e *Embedded) startPostgres(ctx context.Context, _ *scenario.Scenario, opts Options, values map[string]string) error {
	dir := filepath.Join(opts.Dir, "postgres")
	var err error
	if e.postgres, err = postgres.Start(ctx, postgres.Config{
		DataDir: dir, Log: opts.Log, Settings: map[string]string{"max_connections": connections},
	}); err != nil {
		return err
	}
	if err := e.postgres.CreateDatabase(ctx, databaseName); err != nil {
		return err
	}
	values["database.url"] = e.postgres.DSN(databaseName)
	return nil
}

func (e *Embedded) startNATS(ctx context.Context, _ *scenario.Scenario, opts Options, values map[string]string) (err error) {
	e.nats, err = natsd.Start(ctx, natsd.Config{DataDir: filepath.Join(opts.Dir, "nats"), Port: -1, Log: opts.Log})
	if err != nil {
		return err
	}
	values["nats.url"] = e.nats.URL()
	return nil
}

func (e *Embedded) startRedis(ctx context.Context, s *scenario.Scenario, _ Options, values map[string]string) error {
	if !s.Redis {
		return nil
	}
	getting, cancel := context.WithTimeout(ctx, debian.Patience)
	defer cancel()
	program, err := redisd.Ensure(getting)
	if err != nil {
		return err
	}
	if e.redis, err = redisd.Start(ctx, program); err != nil {
		return err
	}
	e.redisUp = true
	values["redis.url"] = e.redis.URL()
	return nil
}

func (e *Embedded) startModel(ctx context.Context, s *scenario.Scenario, _ Options, values map[string]string) (err error) {
	if s.LLMLatency == 0 {
		return nil
	}
	if e.model, err = llmapi.New(llmapi.Options{Faults: e.slow(nil)}); err != nil {
		return err
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the model: %w", err)
	}
	e.server = &http.Server{Handler: e.model, ReadHeaderTimeout: patience}
	e.serving.Go(func() { _ = e.server.Serve(l) }) // it ends by Close
	values["llm.kind"], values["llm.model"] = "openai", llmapi.DefaultModel
	values["llm.url"] = "http://" + l.Addr().String() + "/v1"
	return nil
}

// slow adds the model's latency to faults.
func (e *Embedded) slow(faults []llmapi.Fault) []llmapi.Fault {
	return append(slices.Clone(faults), llmapi.Fault{Kind: llmapi.Slow, Delay: jsontime.Duration(e.latency)})
}

// Launch starts the services, and returns when all are ready.
func (e *Embedded) Launch(ctx context.Context, services map[string]int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, service := range slices.Sorted(maps.Keys(services)) {
		if err := e.scale(ctx, service, services[service]); err != nil {
			return err
		}
	}
	for _, units := range e.units {
		for _, u := range units {
			if err := e.program.awaitReady(ctx, u); err != nil {
				return err
			}
		}
	}
	return nil
}

// Lasts is false: all of it ends with Close.
func (e *Embedded) Lasts() bool { return false }

// SetLLMFaults puts these faults of the model in place of all.
func (e *Embedded) SetLLMFaults(_ context.Context, faults []llmapi.Fault) error {
	if e.model == nil {
		return nil
	}
	return e.model.SetFaults(e.slow(faults)...)
}

// Sources are the processes as they are now.
func (e *Embedded) Sources() []sampling.Source {
	e.mu.Lock()
	defer e.mu.Unlock()
	sources := []sampling.Source{
		{Service: "lab and bus", Instance: "lab", Pid: os.Getpid()},
		{Service: "postgres", Instance: "postgres", Pid: e.postgres.Pid(), Tree: true},
	}
	if !e.emulator.ended() {
		sources = append(sources, sampling.Source{Service: telegram, Instance: instance(e.emulator), Pid: e.emulator.process.Pid()})
	}
	if e.redisUp {
		sources = append(sources, sampling.Source{Service: redis, Instance: redis, Pid: e.redis.Pid()})
	}
	for service, units := range e.units {
		for _, u := range units {
			if !u.ended() {
				sources = append(sources, sampling.Source{Service: service, Instance: instance(u), URL: u.url + "/metrics", Fresh: true, Chorus: true})
			}
		}
	}
	return sources
}

// instance returns a name that no other process has, not even a later one of the same replica,
// because the counters of a new process start at 0.
func instance(u *unit) string { return fmt.Sprintf("%s/%d", u.name, u.process.Pid()) }

// Close ends everything, services first.
func (e *Embedded) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	errs := []error{each(slices.Concat(slices.Collect(maps.Values(e.units))...), (*unit).stop)}
	if e.client != nil {
		e.client.Close()
	}
	if e.pool != nil {
		e.pool.Close()
	}
	if e.emulator != nil {
		errs = append(errs, e.emulator.stop())
	}
	if e.server != nil {
		errs = append(errs, e.server.Close())
		e.serving.Wait()
	}
	if e.redis != nil {
		errs = append(errs, e.redis.Kill())
	}
	if e.nats != nil {
		errs = append(errs, e.nats.Stop())
	}
	if e.postgres != nil {
		errs = append(errs, e.postgres.Stop())
	}
	return errors.Join(errs...)
}
