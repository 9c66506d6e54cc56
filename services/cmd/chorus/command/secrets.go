package command

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	consoleaccount "github.com/chorus-cast/chorus/services/console/account"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster/casting"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// These are the files of a folder of secrets.
const (
	keysFile     = "keys"
	passwordFile = "database_password"
	databaseFile = "database_url"
	metricsFile  = "metrics_token"
)

func secretsCommand() *cobra.Command {
	var dir, share, database string
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "Make the secrets that a new installation needs, as files",
		Long: `Writes into a folder what is missing of it: keys, which seal the bots' tokens
(CHORUS_SECRET_FILE), database_password, a random one, database_url, an address
with that password (CHORUS_DATABASE_URL_FILE), and metrics_token, which whoever
reads the metrics must show (CHORUS_OPS_METRICS_TOKEN_FILE). Only this user can
read the files. What is there stays, so that it may run at every start.

With --database-dir, what is about the database is copied into another folder, for
those who must not have the keys.`,
		Example: "  chorus secrets --dir /run/chorus --database postgres://chorus@postgres:5432/chorus",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for flag, path := range map[string]string{"--dir": dir, "--database-dir": cmp.Or(share, dir)} {
				if info, err := os.Stat(path); err != nil || !info.IsDir() {
					return run.Usage(fmt.Errorf("%s: %q is no folder", flag, path))
				}
			}
			address, err := url.Parse(database)
			if err != nil || address.Host == "" || address.User.Username() == "" {
				return run.Usage(errors.New("--database: want postgres://USER@HOST:PORT/DATABASE, without a password"))
			}
			if err := writeSecrets(dir, address); err != nil {
				return err
			}
			if share != "" {
				if err := copySecrets(share, dir, passwordFile, databaseFile); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The secrets are in", dir)
			return err
		},
	}
	cmd.AddCommand(
		rotateCommand(),
		keyFileCommand("add-key", "Put a new key before those in the file", secret.AddKey,
			"Key %s seals from now on. Restart senders, listeners and consoles; then: chorus secrets rotate\n"),
		keyFileCommand("drop-keys", "Leave only the first key in the file", secret.KeepFirstKey, "Only key %s is left. Restart senders, listeners and consoles.\n"),
	)
	cmd.Flags().StringVar(&dir, "dir", ".", "folder that gets them")
	cmd.Flags().StringVar(&share, "database-dir", "", "folder that gets database_password and database_url, too")
	cmd.Flags().StringVar(&database, "database", "postgres://chorus@127.0.0.1:5432/chorus", "the database's address, without a password")
	return cmd
}

func rotateCommand() *cobra.Command {
	cfg := newConfiguration()
	var yes bool
	cmd := bound(cfg, &cobra.Command{
		Use:   "rotate",
		Short: "Seal all tokens anew with the first key",
		Long: `Seals every bot's token anew with the first of the keys, while the services run,
and the secrets of the console's authenticators, and says whether the other keys
are needed any more. It asks first whether all senders, listeners and consoles have
that key: without it they are not ready. To replace a key:

  1. chorus secrets add-key puts a new one before the old one in the file of
     secret.file. Where the keys are in secret.keys, chorus key prints one to put
     there. All commands and services need it.
  2. Restart senders, listeners and consoles. From then on they open tokens of either key.
  3. chorus secrets rotate
  4. chorus secrets drop-keys takes the old key out of the file. Restart senders,
     listeners and consoles once more.

A backup of the database that is older than the rotation still needs the old key.`,
		Example: "  chorus secrets rotate --secret.file /run/chorus/keys",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRoster(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool, keys secret.Keyring) error {
				tokens := rosterpg.Tokens{Keyring: keys}
				if err := mayRotate(ctx, cmd, pool, tokens, yes); err != nil {
					return err
				}
				if err := consoleaccount.Reseal(ctx, pool, keys); err != nil {
					return err
				}
				resealed, states, err := tokens.Rotate(ctx, pool)
				if err != nil {
					return err
				}
				return tellRotation(cmd.OutOrStdout(), keys, resealed, states)
			})
		},
	}, sectionDatabase, sectionSecret)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// keyFileCommand returns a command that changes the file of keys and prints the id of the
// first key.
func keyFileCommand(name, short string, change func(path string) (secret.Keyring, error), told string) *cobra.Command {
	cfg := newConfiguration()
	return bound(cfg, &cobra.Command{
		Use:     name,
		Short:   short,
		Long:    short + ".\n\nIt is a step of replacing a key, see chorus secrets rotate --help.",
		Example: "  chorus secrets " + name + " --secret.file /run/chorus/keys",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.load(cmd); err != nil {
				return err
			}
			if cfg.secret.File == "" {
				return run.Usage(errors.New("secret.file: is empty: give the file of keys"))
			}
			keys, err := change(cfg.secret.File)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), told, keys.Keys()[0].ID())
			return err
		},
	}, sectionSecret)
}

// mayRotate prints the key that will seal the tokens, and asks whether the services have
// it.
func mayRotate(ctx context.Context, cmd *cobra.Command, pool *pgxpool.Pool, tokens rosterpg.Tokens, yes bool) error {
	states, err := tokens.States(ctx, pool)
	if err != nil {
		return err
	}
	stale := rosterpg.StaleCount(states)
	if stale == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%d tokens are to be sealed anew. %s\n", stale, casting.Sealing(tokens.Keyring)); err != nil || yes {
		return err
	}
	return confirm(cmd, casting.HaveKey)
}

func bound(cfg *configuration, cmd *cobra.Command, sections ...string) *cobra.Command {
	cfg.Bind(cmd.Flags(), sections...)
	return cmd
}

// tellRotation prints how many tokens were sealed again, and which keys can be removed.
func tellRotation(out io.Writer, keys secret.Keyring, resealed int, states []rosterpg.TokenState) error {
	var closed []error
	for _, s := range states {
		if s.Err != nil {
			closed = append(closed, s.Err)
		}
	}
	all := keys.Keys()
	text := fmt.Sprintf("%d of %d tokens were sealed anew; key %s now seals %d.\n", resealed, len(states), all[0].ID(), len(states)-len(closed))
	if resealed == 0 && len(closed) == 0 {
		text = fmt.Sprintf("All %d tokens are sealed with key %s already.\n", len(states), all[0].ID())
	}
	if len(closed) == 0 && len(all) > 1 {
		var old []string
		for _, k := range all[1:] {
			old = append(old, k.ID())
		}
		text += fmt.Sprintf("No token needs %s any more: once every sender, listener and console has been restarted with key %s,"+
			" take it out (chorus secrets drop-keys).\n"+
			"Keep it for as long as you keep backups of today and before.\n", strings.Join(old, ", "), all[0].ID())
	}
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if len(closed) > 0 {
		return fmt.Errorf("%d tokens can't be opened with these keys, so no key may go; add the missing one, or apply these bots with their tokens:\n%w",
			len(closed), errors.Join(closed...))
	}
	return nil
}

func writeSecrets(dir string, database *url.URL) error {
	if _, err := secret.LoadOrCreateKeyFile(filepath.Join(dir, keysFile)); err != nil {
		return err
	}
	for _, name := range []string{passwordFile, metricsFile} {
		if err := secret.WriteOnce(filepath.Join(dir, name), rand.Text()); err != nil {
			return err
		}
	}
	// The password in the file is valid, even if it wasn't written just now.
	password, err := secret.Resolve(secret.Ref{File: filepath.Join(dir, passwordFile)})
	if err != nil {
		return err
	}
	database.User = url.UserPassword(database.User.Username(), password.Reveal())
	return secret.WriteOnce(filepath.Join(dir, databaseFile), database.String())
}

// copySecrets copies the current files of one folder to another.
func copySecrets(to, from string, names ...string) error {
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return fmt.Errorf("copy a secret: %w", err)
		}
		path := filepath.Join(to, name)
		if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, text) {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("copy a secret: %w", err)
		}
		if err := secret.WriteOnce(path, strings.TrimSuffix(string(text), "\n")); err != nil {
			return err
		}
	}
	return nil
}
