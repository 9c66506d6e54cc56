package command

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/console"
	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/config"
	"github.com/chorus-cast/chorus/services/internal/infra/ops"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
	"github.com/chorus-cast/chorus/services/internal/llm/provider"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/listener"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/sender"
)

// These are the sections of the configuration.
const (
	sectionLog       = "log"
	sectionTrace     = "trace"
	sectionOps       = "ops"
	sectionDatabase  = "database"
	sectionNATS      = "nats"
	sectionRedis     = "redis"
	sectionCache     = "cache"
	sectionSecret    = "secret"
	sectionTelegram  = "telegram"
	sectionLLM       = "llm"
	sectionPlanner   = "planner"
	sectionGenerator = "generator"
	sectionSender    = "sender"
	sectionListener  = "listener"
	sectionConsole   = "console"
	sectionEmulator  = "emulator"
	sectionUp        = "up"
)

// These fields are required by some commands or need special treatment.
const (
	databaseURL              = sectionDatabase + ".url"
	databaseConnectTimeout   = sectionDatabase + ".connect_timeout"
	databaseStatementTimeout = sectionDatabase + ".statement_timeout"
	natsURL                  = sectionNATS + ".url"
	logLevel                 = sectionLog + ".level"
	opsListen                = sectionOps + ".listen"
	emulatorListen           = sectionEmulator + ".listen"
	consoleListen            = sectionConsole + ".listen"
	consoleOpen              = sectionConsole + ".open"
	secretKeys               = sectionSecret + ".keys"
	maxTyping                = sectionGenerator + ".max_typing"
	plannerPace              = sectionPlanner + ".pace"
)

// configuration holds the configuration of all commands. Each command binds flags for the
// sections that it uses.
type configuration struct {
	*config.Tree
	log       telemetry.LogConfig
	trace     telemetry.TraceConfig
	ops       ops.Config
	database  store.Config
	nats      bus.Config
	redis     redisdb.Config
	cache     cache.Config
	secret    keyConfig
	telegram  telegram.Config
	llm       provider.Config
	planner   planner.Config
	generator generator.Config
	sender    sender.Config
	listener  listener.Config
	console   console.Config
	emulator  emulator.Config
	up        upConfig
}

func newConfiguration() *configuration {
	c := &configuration{
		log: telemetry.DefaultLogConfig(), trace: telemetry.DefaultTraceConfig(), ops: ops.DefaultConfig(),
		database: store.DefaultConfig(), nats: bus.DefaultConfig(), redis: redisdb.DefaultConfig(), cache: cache.DefaultConfig(),
		telegram: telegram.DefaultConfig(), llm: provider.DefaultConfig(),
		planner: planner.DefaultConfig(), generator: generator.DefaultConfig(), sender: sender.DefaultConfig(), listener: listener.DefaultConfig(),
		console:  console.DefaultConfig(),
		emulator: emulator.DefaultConfig(), up: upConfig{Dir: ".chorus"},
	}
	c.emulator.Listen = "127.0.0.1:8080"
	c.Tree = config.New(
		config.Section{Name: sectionDatabase, Value: &c.database},
		config.Section{Name: sectionNATS, Value: &c.nats},
		config.Section{Name: sectionRedis, Value: &c.redis},
		config.Section{Name: sectionCache, Value: &c.cache},
		config.Section{Name: sectionTelegram, Value: &c.telegram},
		config.Section{Name: sectionLLM, Value: &c.llm},
		config.Section{Name: sectionSecret, Value: &c.secret},
		config.Section{Name: sectionPlanner, Value: &c.planner},
		config.Section{Name: sectionGenerator, Value: &c.generator},
		config.Section{Name: sectionSender, Value: &c.sender},
		config.Section{Name: sectionListener, Value: &c.listener},
		config.Section{Name: sectionConsole, Value: &c.console},
		config.Section{Name: sectionUp, Value: &c.up},
		config.Section{Name: sectionEmulator, Value: &c.emulator},
		config.Section{Name: sectionOps, Value: &c.ops},
		config.Section{Name: sectionLog, Value: &c.log},
		config.Section{Name: sectionTrace, Value: &c.trace},
	)
	return c
}

// load reads the configuration. The command's flags must have been parsed.
func (c *configuration) load(cmd *cobra.Command, required ...string) error {
	return c.Load(cmd.Flags(), os.Environ(), required...)
}

// given tells whether a value was set explicitly.
func (c *configuration) given(path string) bool { return c.Origin(path) != "default" }

// upConfig holds the settings of chorus up alone.
type upConfig struct {
	Dir   string   `config:"dir" doc:"folder that keeps the state of the embedded parts"`
	Casts []string `config:"casts" doc:"cast files that are applied at the start"`
}

// Validate returns all mistakes, joined.
func (c upConfig) Validate() error {
	if c.Dir == "" {
		return errors.New("dir: is empty, want a folder")
	}
	return nil
}

// keyConfig names the keys that seal the bots' tokens.
type keyConfig struct {
	Keys secret.String `config:"keys" doc:"keys that seal the bots' tokens, as chorus key prints them, separated by commas: the first seals, all open"`
	File string        `config:"file" doc:"file with those keys, instead of secret.keys"`
}

// Validate returns all mistakes, joined.
func (c keyConfig) Validate() error {
	if !c.Keys.Empty() && c.File != "" {
		return errors.New("file: is set and secret.keys too, want one of them")
	}
	return nil
}

// keyring reads the keys.
func (c *configuration) keyring() (secret.Keyring, error) {
	text := c.secret.Keys.Reveal()
	switch {
	case c.secret.File != "":
		resolved, err := secret.Resolve(secret.Ref{File: c.secret.File})
		if err != nil {
			return secret.Keyring{}, fmt.Errorf("secret.file: %w", err)
		}
		text = resolved.Reveal()
	case text == "":
		return secret.Keyring{}, errors.New("secret.keys: is empty: set CHORUS_SECRET_KEYS or --secret.file; chorus key makes a new key")
	}
	ring, err := secret.ParseKeys(text)
	if err != nil {
		return secret.Keyring{}, fmt.Errorf("secret.keys: %w", err)
	}
	return ring, nil
}

func configCommand() *cobra.Command {
	cfg := newConfiguration()
	var table bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the configuration in effect, or a table of all there is to configure",
		Long: `Prints the configuration in effect as YAML, each value with where it came from;
secrets are masked. Later ones win: defaults, the file given with --config or
CHORUS_CONFIG, variables such as CHORUS_NATS_URL, flags such as --nats.url.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if table {
				return writeConfigTable(cmd.OutOrStdout(), cmd.Root(), cfg.Table())
			}
			if err := cfg.load(cmd); err != nil {
				return err
			}
			return cfg.Print(cmd.OutOrStdout())
		},
	}
	cfg.Bind(cmd.Flags())
	cmd.Flags().BoolVar(&table, "table", false, "print every key with its flag, variable, default, meaning and readers, as Markdown")
	return cmd
}

func keyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "Make a key that seals the bots' tokens",
		Long: `Prints a new random key. Put it into CHORUS_SECRET_KEYS, or into a file that
only the services can read and name that with --secret.file. To replace a key, put
the new one before the old one, restart senders and listeners, and let chorus
secrets rotate seal the tokens anew; it says when the old key may go.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := secret.NewKey()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), k.Reveal())
			return err
		},
	}
}
