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

	"github.com/chorus-cast/chorus/services/console/cast"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/natsd"
	"github.com/chorus-cast/chorus/services/lab/postgres"
)

// anyPort makes NATS listen on a free port.
const anyPort = -1

// databaseName is the private server's one database.
const databaseName = "chorus"

// embedded is a process with the parts that it brings along; nil ones are real.
type embedded struct {
	*process
	postgres *postgres.Server
	nats     *natsd.Server
	telegram *emulator.Emulator
}

// start starts what nobody gave an address for, and connects.
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

// addServers adds the parts that end only by a fault, and the emulator, which
// outlives the services that call it.
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

// stop ends the servers, side by side.
func (e *embedded) stop() error {
	var stopping errgroup.Group
	if e.telegram != nil {
		// Run has closed it unless it never ran.
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
	e.cfg.telegram.URL = e.telegram.URL()
	e.made = cast.Tools{Token: e.token, Chat: e.chat}
	e.emulatorURL = e.telegram.URL() + "/"
	return nil
}

// token gives a bot of a cast file its account in the emulator.
func (e *embedded) token(_ context.Context, b roster.Bot) (secret.String, error) {
	token, _, err := e.telegram.World().EnsureBot(usernameOf(b), b.Persona.DisplayName)
	if err != nil {
		return secret.String{}, fmt.Errorf("make bot %s in the emulator: %w", b.Name, err)
	}
	return secret.New(token), nil
}

// chat makes a chat of a cast file in the emulator, with its cast in it.
func (e *embedded) chat(_ context.Context, c roster.Chat, cast []roster.Bot) (int64, error) {
	id, err := e.telegram.World().EnsureChat(emulatedChat(c, cast))
	if err != nil {
		return 0, fmt.Errorf("make chat %s in the emulator: %w", c.Name, err)
	}
	return id, nil
}
