package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/people"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/roster/casting"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

func applyCommand() *cobra.Command {
	cfg := newConfiguration()
	var file, emulator string
	var opts casting.Options
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make the roster what a cast file says",
		Long: `Creates or updates the bots, personas, chats and cast of a file. Either all of
it is applied or nothing, and applying it again changes nothing. Tokens stand in
the environment or in files that the cast file refers to. With --emulator, or
where the configuration says that Telegram is emulated, as .chorus/up.yaml of the
demo does, bots and chats are made in the emulator, and no token is needed.`,
		Example: `  chorus apply -f deploy/examples/book-club.yaml --dry-run
  chorus apply -f deploy/examples/book-club.yaml --emulator http://127.0.0.1:8080
  chorus apply -f cast.yaml --config .chorus/up.yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return run.Usage(errors.New("-f: is missing, want a cast file, or - for the standard input"))
			}
			opts.Confirm = asker(cmd)
			if err := readable(file); err != nil {
				return err
			}
			return withRoster(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool, keys secret.Keyring) error {
				if emulator == "" && cfg.telegram.Emulated {
					emulator = cfg.telegram.URL
				}
				if emulator != "" {
					client, err := control.New(emulator)
					if err != nil {
						return run.Usage(fmt.Errorf("--emulator: %w", err))
					}
					defer client.Close()
					made := emulated{control: client, dry: opts.DryRun}
					opts.Token, opts.Chat = made.token, made.chat
				}
				return ofFile(casting.Apply(ctx, pool, keys, file, opts, cmd.OutOrStdout()))
			})
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "cast file, or - for the standard input")
	cmd.Flags().StringVar(&emulator, "emulator", "", "make the bots and chats in the Telegram emulator at this address")
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "show what would change and change nothing")
	cmd.Flags().BoolVar(&opts.Prune, "prune", false, "remove bots, chats and memories that the file doesn't have; asks first")
	cmd.Flags().BoolVar(&opts.Yes, "yes", false, "do not ask")
	cfg.Bind(cmd.Flags(), sectionDatabase, sectionSecret, sectionTelegram)
	return cmd
}

// readable returns mistakes in cast files, before anything is started or connected. It
// skips the standard input, which can be read only once.
func readable(files ...string) error {
	var errs []error
	for _, file := range files {
		if file == "-" {
			continue
		}
		_, err := castfile.Load(file)
		errs = append(errs, err)
	}
	return ofFile(errors.Join(errs...))
}

// ofFile turns mistakes in a cast file into an error of usage, a line each.
func ofFile(err error) error {
	if mistake := (*castfile.Error)(nil); errors.As(err, &mistake) || errors.Is(err, fs.ErrNotExist) {
		return run.Usage(err)
	}
	return err
}

func exportCommand() *cobra.Command {
	cfg := newConfiguration()
	var person string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the roster as a cast file, or what is kept of a person",
		Long: `Writes the bots, personas, chats and cast as a file that chorus apply takes.
Tokens are never written; each bot refers to a variable such as
CHORUS_TOKEN_ANNA.

With --person it writes what is kept of somebody instead: name, messages,
memories and what bots said about them, as YAML.`,
		Example: "  chorus export > cast.yaml\n  chorus export --person @tom",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("person") {
				if err := people.Check(person); err != nil {
					return run.Usage(fmt.Errorf("--person: %w", err))
				}
				return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
					return exportPerson(ctx, pool, person, cmd.OutOrStdout())
				})
			}
			return withRoster(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool, keys secret.Keyring) error {
				return casting.Export(ctx, pool, keys, cmd.OutOrStdout())
			})
		},
	}
	cmd.Flags().StringVar(&person, "person", "", "person of whom to write what is kept: Telegram id or @username")
	cfg.Bind(cmd.Flags(), sectionDatabase, sectionSecret)
	return cmd
}

// exportPerson writes what is stored about a person.
func exportPerson(ctx context.Context, pool *pgxpool.Pool, who string, out io.Writer) error {
	id, err := people.Find(ctx, pool, who)
	if err != nil {
		return err
	}
	kept, err := people.Read(ctx, pool, id)
	if err != nil {
		return err
	}
	if err := yaml.NewEncoder(out).Encode(kept); err != nil {
		return fmt.Errorf("write what is kept of a person: %w", err)
	}
	return nil
}

func withRoster(cmd *cobra.Command, cfg *configuration, do func(context.Context, *pgxpool.Pool, secret.Keyring) error) error {
	return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
		keys, err := cfg.keyring()
		if err != nil {
			return run.Usage(err)
		}
		return do(ctx, pool, keys)
	})
}

// asker returns a function that asks on the terminal. Without a terminal it fails and
// requires --yes.
func asker(cmd *cobra.Command) func(ctx context.Context, question string) (bool, error) {
	if ask := casting.Terminal(os.Stdin, cmd.OutOrStdout()); ask != nil {
		return ask
	}
	return func(context.Context, string) (bool, error) {
		return false, run.Usage(errors.New("there is no terminal to ask on: give --yes to go on without"))
	}
}

// confirm returns nil if the person says yes.
func confirm(cmd *cobra.Command, question string) error {
	yes, err := asker(cmd)(cmd.Context(), question)
	if err != nil {
		return err
	}
	if !yes {
		return casting.ErrDeclined
	}
	return nil
}
