package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/run"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/internal/store"
)

func settingsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Show and change how the cast behaves, while it runs",
		Long: `Shows and changes the settings: how often the cast talks, replies and reacts,
and within which limits. Every service takes a change over within a second.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(settingsListCommand(), settingsGetCommand(), settingsSetCommand(), settingsUnsetCommand())
	return cmd
}

func settingsListCommand() *cobra.Command {
	cfg := newConfiguration()
	var markdown bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what is set, and every setting with its default and range",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if markdown {
				return settings.WriteMarkdown(cmd.OutOrStdout())
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				stored, err := settingspg.Load(ctx, pool)
				if err != nil {
					return err
				}
				set := map[string][]string{}
				for _, s := range stored {
					set[s.Key] = append(set[s.Key], fmt.Sprintf("%s=%s", place(s.Scope, s.ScopeID), s.Value))
				}
				table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				_, _ = fmt.Fprintln(table, "SETTING\tDEFAULT\tRANGE\tSET") // written by Flush
				for _, d := range settings.All() {
					_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", d.Key, d.Default, d.Range, strings.Join(set[d.Key], " "))
				}
				return table.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print the table of all settings for the documentation; needs no database")
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

func place(scope settings.Scope, id int64) string {
	if scope == settings.Global {
		return string(scope)
	}
	return fmt.Sprintf("%s:%d", scope, id)
}

// where is for what a setting is read or changed.
type where struct{ chat, bot string }

func (w *where) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.chat, "chat", "", "for this chat, by its name in the cast file")
	cmd.Flags().StringVar(&w.bot, "bot", "", "for this bot, by its name in the cast file")
}

// resolve finds the chat or bot.
func (w *where) resolve(ctx context.Context, pool *pgxpool.Pool) (settings.Scope, int64, error) {
	find := func(scope settings.Scope, sql, name string) (settings.Scope, int64, error) {
		var id int64
		err := pool.QueryRow(ctx, sql, name).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return "", 0, run.Usage(fmt.Errorf("--%s: %q is not in the roster", scope, name))
		}
		return scope, id, err
	}
	switch {
	case w.chat != "" && w.bot != "":
		return "", 0, run.Usage(errors.New("--chat and --bot: want one of them"))
	case w.chat != "":
		return find(settings.Chat, `SELECT id FROM chats WHERE name = $1 AND removed_at IS NULL`, w.chat)
	case w.bot != "":
		return find(settings.Bot, `SELECT id FROM bots WHERE name = $1 AND removed_at IS NULL`, w.bot)
	}
	return settings.Global, 0, nil
}

func settingsGetCommand() *cobra.Command {
	cfg := newConfiguration()
	var at where
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the value that a setting has",
		Args:  arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			definition, err := settings.Find(args[0])
			if err != nil {
				return run.Usage(err)
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				scope, id, err := at.resolve(ctx, pool)
				if err != nil {
					return err
				}
				stored, err := settingspg.Load(ctx, pool)
				if err != nil {
					return err
				}
				value, from := definition.Default, "default"
				for _, s := range stored {
					switch {
					case s.Key != definition.Key:
					case s.Scope == scope && s.ScopeID == id:
						value, from = string(s.Value), place(s.Scope, s.ScopeID)
					case s.Scope == settings.Global && from == "default":
						value, from = string(s.Value), string(settings.Global)
					}
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  # %s; %s\n", value, from, definition.Range)
				return err
			})
		},
	}
	at.bind(cmd)
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

func settingsSetCommand() *cobra.Command {
	cfg := newConfiguration()
	var at where
	cmd := &cobra.Command{
		Use:     "set KEY VALUE",
		Short:   "Change a setting for everything, a chat or a bot",
		Example: "  chorus settings set reply_probability 0.8 --chat book-club",
		Args:    arguments("KEY", "VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			definition, err := settings.Find(args[0])
			if err != nil {
				return run.Usage(err)
			}
			value, err := definition.ParseText(args[1])
			if err != nil {
				return run.Usage(err)
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				scope, id, err := at.resolve(ctx, pool)
				if err != nil {
					return err
				}
				return settingspg.Set(ctx, pool, definition.Key, scope, id, value)
			})
		},
	}
	at.bind(cmd)
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

func settingsUnsetCommand() *cobra.Command {
	cfg := newConfiguration()
	var at where
	cmd := &cobra.Command{
		Use:   "unset KEY",
		Short: "Take a setting back, so that the next wider one or the default holds",
		Args:  arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				scope, id, err := at.resolve(ctx, pool)
				if err != nil {
					return err
				}
				was, err := settingspg.Unset(ctx, pool, args[0], scope, id)
				if err == nil && !was {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s was not set for %s.\n", args[0], place(scope, id))
				}
				return err
			})
		},
	}
	at.bind(cmd)
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

// arguments takes exactly these.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return run.Usage(fmt.Errorf("got %d arguments, want %s (see %s --help)", len(args), strings.Join(names, " and "), cmd.CommandPath()))
	}
}

// personTimeout is how long a person waits for a database; a service that starts
// waits longer.
const personTimeout = 3 * time.Second

func withDatabase(cmd *cobra.Command, cfg *configuration, do func(context.Context, *pgxpool.Pool) error) error {
	if err := cfg.load(cmd, databaseURL); err != nil {
		return err
	}
	if !cfg.given(databaseConnectTimeout) {
		cfg.database.ConnectTimeout = personTimeout
	}
	pool, err := store.Open(cmd.Context(), cfg.database)
	if err != nil {
		return err
	}
	defer pool.Close()
	return do(cmd.Context(), pool)
}
