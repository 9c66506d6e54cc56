package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
)

func settingsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Show and change how the cast behaves, while it runs",
		Long: `Shows and changes the settings: how often the cast talks, replies and reacts,
and within which limits. Every service takes a change over within a second.

The narrowest value that is set holds: that of the bot, of the chat, the global
one, the default.`,
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
		Long: `Lists every setting with its default, what it may be, and for what it is set
to what, such as global=0.8 or chat:book-club=0.5.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if markdown {
				return settings.WriteMarkdown(cmd.OutOrStdout())
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				stored, err := settingspg.Load(ctx, pool)
				if err != nil {
					return err
				}
				names, err := loadNames(ctx, pool)
				if err != nil {
					return err
				}
				table := newTable(cmd.OutOrStdout())
				table.linef("SETTING\tDEFAULT\tRANGE\tSET")
				for _, d := range settings.All() {
					table.linef("%s\t%s\t%s\t%s", d.Key, d.Default, d.Range, names.set(d, stored))
				}
				return table.end()
			})
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print the table of all settings for the documentation; needs no database")
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

// names holds the names of chats and bots in cast files, by id.
type names map[settings.Scope]map[int64]string

const allNames = `SELECT 'chat', id, name FROM chats UNION ALL SELECT 'bot', id, name FROM bots`

func loadNames(ctx context.Context, pool *pgxpool.Pool) (names, error) {
	all := names{settings.Chat: {}, settings.Bot: {}}
	var scope settings.Scope
	var id int64
	var name string
	if err := store.Each(ctx, pool, "load the names of chats and bots", []any{&scope, &id, &name}, func() error {
		all[scope][id] = name
		return nil
	}, allNames); err != nil {
		return nil, err
	}
	return all, nil
}

// set lists the values of a setting with their scopes.
func (n names) set(d *settings.Definition, stored []settings.Stored) string {
	var set []string
	for _, s := range stored {
		if s.Key != d.Key {
			continue
		}
		text := string(s.Value) // another version's value may be invalid here
		if values, wrong := settings.NewValues([]settings.Stored{s}); len(wrong) == 0 {
			ids := map[settings.Scope]int64{s.Scope: s.ScopeID}
			text, _ = values.Text(d, ids[settings.Chat], ids[settings.Bot])
		}
		set = append(set, n.place(s.Scope, s.ScopeID)+"="+text)
	}
	return strings.Join(set, " ")
}

// place returns the name of a scope.
func (n names) place(scope settings.Scope, id int64) string {
	switch name := n[scope][id]; {
	case scope == settings.Global:
		return string(scope)
	case name == "":
		return fmt.Sprintf("%s:%d", scope, id)
	default:
		return string(scope) + ":" + name
	}
}

// where selects the chat or bot of a setting.
type where struct{ chat, bot string }

func (w *where) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.chat, "chat", "", "for this chat, by its name in the cast file")
	cmd.Flags().StringVar(&w.bot, "bot", "", "for this bot, by its name in the cast file")
}

// resolve returns the chat or bot. The setting must be allowed for it.
func (w *where) resolve(ctx context.Context, pool *pgxpool.Pool, d *settings.Definition) (settings.Scope, int64, error) {
	scope, id, err := w.find(ctx, pool)
	if err != nil {
		return "", 0, err
	}
	return scope, id, run.Usage(d.Allows(scope))
}

// place returns the name of the selected scope.
func (w *where) place() string {
	switch {
	case w.chat != "":
		return "chat:" + w.chat
	case w.bot != "":
		return "bot:" + w.bot
	}
	return string(settings.Global)
}

func (w *where) find(ctx context.Context, pool *pgxpool.Pool) (settings.Scope, int64, error) {
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
		Long: `Prints the value that holds, and after it where it comes from and what is
allowed.`,
		Example: "  chorus settings get reply_probability --chat book-club",
		Args:    arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			definition, err := settings.Find(args[0])
			if err != nil {
				return run.Usage(err)
			}
			return withSetting(cmd, cfg, at, definition, func(ctx context.Context, pool *pgxpool.Pool, scope settings.Scope, id int64) error {
				values, err := settingspg.Values(ctx, pool)
				if err != nil {
					return err
				}
				ids := map[settings.Scope]int64{scope: id}
				value, found := values.Text(definition, ids[settings.Chat], ids[settings.Bot])
				from := "default"
				switch found {
				case settings.Global:
					from = string(settings.Global)
				case settings.Chat, settings.Bot:
					from = at.place()
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
		Long:    "Sets a setting for a chat or a bot, or without a flag for everything that has\nnone of its own.",
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
			return withSetting(cmd, cfg, at, definition, func(ctx context.Context, pool *pgxpool.Pool, scope settings.Scope, id int64) error {
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
		Long: `Takes back what was set for a chat, for a bot, or without a flag for everything.
Then the next wider value holds, or the default.`,
		Example: "  chorus settings unset reply_probability --chat book-club",
		Args:    arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			definition, err := settings.Find(args[0])
			if err != nil {
				return run.Usage(err)
			}
			return withSetting(cmd, cfg, at, definition, func(ctx context.Context, pool *pgxpool.Pool, scope settings.Scope, id int64) error {
				was, err := settingspg.Unset(ctx, pool, definition.Key, scope, id)
				if err == nil && !was {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s was not set for %s.\n", definition.Key, at.place())
				}
				return err
			})
		},
	}
	at.bind(cmd)
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

// withSetting opens the database, finds the chat or bot and calls do.
func withSetting(cmd *cobra.Command, cfg *configuration, at where, d *settings.Definition,
	do func(context.Context, *pgxpool.Pool, settings.Scope, int64) error,
) error {
	return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
		scope, id, err := at.resolve(ctx, pool, d)
		if err != nil {
			return err
		}
		audit.Note(ctx, strings.TrimSpace("setting "+d.Key+" "+at.chat+at.bot), nil, nil)
		return do(ctx, pool, scope, id)
	})
}

// arguments requires exactly these arguments.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return run.Usage(fmt.Errorf("got %d arguments, want %s (see %s --help)", len(args), strings.Join(names, " and "), cmd.CommandPath()))
	}
}

// personTimeout limits a person's wait for a server. A service waits longer at its start.
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
	return audited(cmd.Context(), cmd, pool, func(ctx context.Context) error { return do(ctx, pool) })
}
