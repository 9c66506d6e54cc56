//go:build !image

package command

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/natsd"
	"github.com/chorus-cast/chorus/services/lab/postgres"
)

// anyPort makes NATS listen on a free port.
const anyPort = -1

// databaseName is the name of the private server's only database.
const databaseName = "chorus"

// embedded is a process with embedded servers. A nil server is an external one.
type embedded struct {
	*process
	postgres *postgres.Server
	nats     *natsd.Server
	telegram *emulator.Emulator
}

// start starts a server for each address that isn't configured, and connects.
func (e *embedded) start(ctx context.Context) error {
	if e.cfg.database.URL == "" {
		if err := e.startPostgres(ctx); err != nil {
			return err
		}
	}
	var viaProcess []nats.Option
	if e.cfg.nats.URL == "" {
		server, err := natsd.Start(ctx, natsd.Config{
			DataDir: filepath.Join(e.cfg.up.Dir, "nats"), Port: anyPort, Token: rand.Text(), Log: e.log.Named("nats"),
		})
		if err != nil {
			return err
		}
		e.nats, e.cfg.nats.URL = server, server.URL()
		viaProcess = append(viaProcess, server.InProcess())
	}
	if e.cfg.telegram.URL == "" {
		if err := e.startTelegram(); err != nil {
			return err
		}
	}
	if _, err := migrateDatabase(ctx, e.cfg); err != nil {
		return err
	}
	if err := e.declare(ctx, viaProcess); err != nil {
		return err
	}
	return e.connect(ctx, everything(), viaProcess...)
}

func (e *embedded) startPostgres(ctx context.Context) error {
	dir, err := filepath.Abs(filepath.Join(e.cfg.up.Dir, "postgres"))
	if err != nil {
		return err
	}
	e.postgres, err = postgres.Start(ctx, postgres.Config{DataDir: dir, Log: e.log.Named("postgres")})
	if err != nil {
		return err
	}
	if err := e.postgres.CreateDatabase(ctx, databaseName); err != nil {
		return err
	}
	e.cfg.database.URL = e.postgres.DSN(databaseName)
	return nil
}

func (e *embedded) declare(ctx context.Context, opts []nats.Option) error {
	b, err := bus.Connect(ctx, e.cfg.nats, e.log, "chorus-migrate", opts...)
	if err != nil {
		return err
	}
	defer b.Close()
	return b.Declare(ctx)
}

// addServers adds PostgreSQL, whose part ends only if the server fails, and the emulator,
// which outlives the services that call it.
func (e *embedded) addServers() {
	if e.postgres != nil {
		e.group.Add(run.Part{Name: "postgres", Run: func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return nil
			case <-e.postgres.Done():
				return errors.New("the private PostgreSQL has ended; its log is above")
			}
		}})
	}
	if e.telegram != nil {
		e.group.Add(run.Part{Name: "emulator", Run: e.telegram.Run})
	}
}

// stop stops the servers, all at the same time.
func (e *embedded) stop() error {
	var stopping errgroup.Group
	if e.telegram != nil {
		// This has an effect only if Run was never called.
		stopping.Go(e.telegram.Close)
	}
	if e.nats != nil {
		stopping.Go(e.nats.Stop)
	}
	if e.postgres != nil {
		stopping.Go(e.postgres.Stop)
	}
	if err := stopping.Wait(); err != nil {
		e.log.Warn("an embedded part did not stop well", zap.Error(err))
		return fmt.Errorf("stop the embedded parts: %w", err)
	}
	return nil
}

func (e *embedded) startTelegram() (err error) {
	if e.telegram, err = newEmulator(e.cfg, e.log, e.offline()); err != nil {
		return err
	}
	e.cfg.telegram.URL, e.cfg.telegram.Emulated = e.telegram.URL(), true
	e.emulator = control.Within(e.telegram.Handler())
	e.emulatorURL = e.telegram.URL() + "/"
	return nil
}
