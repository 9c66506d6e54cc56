//go:build !image

package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/llm/provider"
	"github.com/chorus-cast/chorus/services/internal/roster/casting"
)

func upCommand() *cobra.Command {
	cfg := newConfiguration()
	var casts []string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process, on embedded parts",
		Long: `Runs all services in one process. What it is not told of it brings along: a
private PostgreSQL, a NATS server, a Telegram emulator with a page to watch the
chats on, and a writer that needs no model. Each is replaced by a real one with
--database.url, --nats.url, --telegram.url and --llm.kind.

Its state is kept in .chorus, or the folder given with --up.dir; a second run
goes on where the first one stopped.`,
		Example: `  chorus up --cast deploy/examples/book-club.yaml
  chorus up --cast cast.yaml --telegram.url https://api.telegram.org`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.load(cmd); err != nil {
				return err
			}
			cfg.up.Casts = append(cfg.up.Casts, casts...)
			if err := readable(cfg.up.Casts...); err != nil {
				return err
			}
			cfg.embed()
			return up(cmd.Context(), cfg, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringArrayVar(&casts, "cast", nil, "cast file that is applied at the start; may be repeated")
	cfg.Bind(cmd.Flags())
	return cmd
}

// embed replaces defaults for servers by defaults for one person at a terminal.
func (c *configuration) embed() {
	if !c.given(logLevel) {
		c.log.Level = "warn"
	}
	if !c.given(maxTyping) {
		c.generator.MaxTyping = upTyping
	}
	if c.telegram.URL == "" && !c.given(plannerPace) {
		c.planner.Pace = demoPace
	}
	c.emulator.Dir = filepath.Join(c.up.Dir, "telegram")
	c.emulator.AnyPort = !c.given(emulatorListen)
	c.sender.Grace = min(c.sender.Grace, upGrace)
	// A demo's user has no account, and nothing real can happen in it.
	if !c.given(consoleOpen) {
		c.console.Open = c.telegram.URL == ""
	}
	c.console.AnyPort = !c.given(consoleListen)
	if c.secret.File == "" && !c.given(secretKeys) {
		c.secret.File = filepath.Join(c.up.Dir, "keys")
	}
}

// upTyping is the maximum delay for typing that a person who tries Chorus must wait.
const upTyping = 2 * time.Second

// demoPace is slow enough for people to read along.
const demoPace = 9 * time.Second

// upGrace is the grace of calls under way after Ctrl-C, while a person waits.
const upGrace = time.Second

// up runs everything until the context ends.
func up(ctx context.Context, cfg *configuration, out io.Writer) (err error) {
	unlock, err := claim(cfg.up.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	p, err := newProcess(ctx, cfg, "up")
	if err != nil {
		return err
	}
	e := &embedded{process: p}
	defer func() { err = errors.Join(err, e.stop()) }()
	defer p.close()
	if err := e.start(ctx); err != nil {
		return stopped(ctx, err)
	}
	for _, file := range cfg.up.Casts {
		if err := e.apply(ctx, file); err != nil {
			return stopped(ctx, err)
		}
	}
	if err := e.add(ctx); err != nil {
		return stopped(ctx, err)
	}
	if err := e.writeAddresses(); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, e.greeting()); err != nil {
		return err
	}
	if err := tellSilent(ctx, out, p.pool, cfg.planner.Pace); err != nil {
		return stopped(ctx, err)
	}
	return p.run(ctx)
}

// stopped returns nil if the user stopped the start.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the user stopped it
	}
	return err
}

// claim locks the folder, so that a second chorus up can't use it.
func claim(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the private PostgreSQL runs as another user below root
		return nil, fmt.Errorf("up.dir: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	got, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("up.dir: %w", err)
	}
	if !got {
		return nil, run.Usage(fmt.Errorf("up.dir: another chorus up runs in %s: stop it, or give another folder with --up.dir", dir))
	}
	return lock.Unlock, nil
}

// keys creates the key file on the first run.
func (e *embedded) keys() (secret.Keyring, error) {
	if e.cfg.given(secretKeys) || e.cfg.secret.File != filepath.Join(e.cfg.up.Dir, "keys") {
		return e.cfg.keyring()
	}
	return secret.LoadOrCreateKeyFile(e.cfg.secret.File)
}

// apply applies a cast file. If Telegram is emulated, it creates the bots and chats there.
func (e *embedded) apply(ctx context.Context, file string) error {
	keys, err := e.keys()
	if err != nil {
		return err
	}
	opts := casting.Options{Yes: true, By: "chorus up"} // the services of this process use the same keys
	if e.emulator != nil {
		made := emulated{control: e.emulator}
		opts.Token, opts.Chat = made.token, made.chat
	}
	return audit.Log{Pool: e.pool}.Do(ctx, entry("up", nil, map[string]string{"cast": file}), func(ctx context.Context) error {
		return ofFile(casting.Apply(ctx, e.pool, keys, file, opts, io.Discard))
	})
}

// add adds the services.
func (e *embedded) add(ctx context.Context) error {
	if _, err := e.keys(); err != nil {
		return err
	}
	if err := e.operateAnywhere(ctx); err != nil {
		return err
	}
	e.addServers()
	var services []run.Part
	for _, m := range modules() {
		part, err := m.make(e.process)
		if err != nil {
			return err
		}
		services = append(services, part)
	}
	e.group.Add(services...)
	return nil
}

// writeAddresses writes a configuration file for other commands, with the addresses of this
// process and its servers. Example: chorus settings list --config .chorus/up.yaml.
func (e *embedded) writeAddresses() error {
	if e.cfg.secret.File != "" {
		keys, err := filepath.Abs(e.cfg.secret.File)
		if err != nil {
			return err
		}
		e.cfg.secret.File = keys
	}
	e.cfg.ops.Listen = e.ops.Addr().String() // the configured port may be 0
	var text bytes.Buffer
	err := e.cfg.Write(&text, sectionUp, sectionEmulator, sectionLog, sectionTrace) // these sections concern this process only
	if err != nil {
		return fmt.Errorf("up.yaml: %w", err)
	}
	const private = 0o600
	path := filepath.Join(e.cfg.up.Dir, "up.yaml")
	if err := os.WriteFile(path, text.Bytes(), private); err != nil {
		return fmt.Errorf("up.dir: %w", err)
	}
	return nil
}

// operateAnywhere opens the operators' port. If another program uses the default port, it
// takes any free one.
func (e *embedded) operateAnywhere(ctx context.Context) error {
	err := e.operate(ctx, everything())
	if errors.Is(err, syscall.EADDRINUSE) && !e.cfg.given(opsListen) {
		e.cfg.ops.Listen = "127.0.0.1:0"
		err = e.operate(ctx, everything())
	}
	return err
}

// greeting returns the text that chorus up prints after its start.
func (e *embedded) greeting() string {
	switch {
	case e.telegram == nil:
		return "Chorus is up, and talks on Telegram. Ctrl-C stops it.\nDirect the cast at " + e.consoleURL + "/"
	case len(e.cfg.up.Casts) == 0 && len(e.telegram.World().Chats()) == 0:
		return "Chorus is up at " + e.telegram.URL() + "/ without a cast: stop it, and start it with --cast FILE."
	}
	greeting := "Watch the chat at " + e.telegram.URL() + "/ (Ctrl-C stops it)"
	if e.cfg.emulator.AnyPort && !strings.HasSuffix(e.telegram.URL(), e.cfg.emulator.Listen) {
		greeting += "; " + e.cfg.emulator.Listen + " is in use by another program"
	}
	if pace := e.cfg.planner.Pace; pace > 0 {
		greeting += fmt.Sprintf("\nA line comes about every %v, whatever the cast file says: --planner.pace changes that, and 0s takes the cast's own pace", pace)
	}
	return greeting + "\nDirect the cast at " + e.consoleURL + "/" + e.login()
}

// login says that the console needs no login, if that is so.
func (e *embedded) login() string {
	if e.cfg.console.Open {
		return ", which needs no login here: only this machine reaches it"
	}
	return ""
}

func (e *embedded) offline() bool { return e.cfg.llm.Kind == provider.Offline }
