package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/cache/cachepg"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
)

func cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Look at what is cached, and make it be read anew",
		Long: `What is read often and changed seldom (bots, personas, casts, chats) is cached, in
each process and in Redis. A change is known to every process a moment after it
is made, so none of these commands is ever needed to see one.`,
	}
	cmd.AddCommand(cacheStatsCommand(), cacheGetCommand(), cacheInvalidateCommand())
	return cmd
}

func cacheGetCommand() *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use:   "get KIND NAME",
		Short: "Show what Redis has of a bot or a chat, as JSON",
		Long: `Shows what the processes share of a bot or a chat, by its name in the cast file,
and for how long they do. Kinds are:

  ` + strings.Join(rostercache.Kinds(), "\n  "),
		Example: "  chorus cache get bot.persona anna\n  chorus cache get chat.cast book-club",
		Args:    arguments("KIND", "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind := args[0]
			if !slices.Contains(rostercache.Kinds(), kind) {
				return run.Usage(fmt.Errorf("%q is no kind, want one of %s", kind, strings.Join(rostercache.Kinds(), ", ")))
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				if cfg.redis.URL == "" {
					return run.Usage(errors.New("redis.url: is empty: without Redis, processes share nothing"))
				}
				id, err := keyOf(ctx, pool, kind, args[1])
				if err != nil {
					return err
				}
				return peek(ctx, cmd.OutOrStdout(), cfg.redis, kind, id)
			})
		},
	}
	cfg.Bind(cmd.Flags(), sectionDatabase, sectionRedis)
	return cmd
}

func peek(ctx context.Context, w io.Writer, c redisdb.Config, kind string, id int64) error {
	c.Timeout = max(c.Timeout, personTimeout/2) // a person waits longer than a service
	client, err := redisdb.Open(c)
	if err != nil {
		return run.Usage(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, personTimeout)
	defer cancel()
	found, err := cache.Peek(ctx, client, kind, rostercache.Version, id)
	switch {
	case err != nil:
		return err
	case !found.Found:
		_, err = fmt.Fprintln(w, "Redis does not have it: nobody asked lately, or it was just changed.")
	case found.None:
		_, err = fmt.Fprintf(w, "There is none, as Redis remembers for another %v.\n", found.Left.Round(time.Second))
	default:
		_, err = fmt.Fprintf(w, "%s  # for another %v\n", found.Text, found.Left.Round(time.Second))
	}
	return err
}

func cacheInvalidateCommand() *cobra.Command {
	cfg := newConfiguration()
	var all bool
	cmd := &cobra.Command{
		Use:   "invalidate [KIND [NAME]]",
		Short: "Make every process read something anew",
		Long: `Makes every process forget what it has cached of a bot or a chat, of all of a
kind, or with --all of everything. A kind stands for all that begin with it: bot
for everything about bots.

It is needed only after a change that went around the triggers of the database,
as the restoring of a backup does.`,
		Example: "  chorus cache invalidate bot anna\n  chorus cache invalidate chat.cast\n  chorus cache invalidate --all",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) != all {
				return run.Usage(errors.New("want a KIND, or --all"))
			}
			var tag cache.Tag
			if len(args) > 0 {
				var err error
				if tag, err = kindTag(args[0]); err != nil {
					return err
				}
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) (err error) {
				if len(args) > 1 {
					if tag.ID, err = keyOf(ctx, pool, args[0], args[1]); err != nil {
						return err
					}
				}
				return cachepg.Announce(ctx, pool, tag)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "everything that is cached")
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

// kindTag returns the tag of a kind, or of all kinds with this prefix.
func kindTag(kind string) (cache.Tag, error) {
	known := []string{"bot", "bot.token", "chat"}
	known = append(known, rostercache.Kinds()...)
	if !slices.Contains(known, kind) {
		slices.Sort(known)
		return cache.Tag{}, run.Usage(fmt.Errorf("%q is no kind, want one of %s", kind, strings.Join(known, ", ")))
	}
	return cache.Tag{Kind: kind}, nil
}

// keyOf returns the id of the bot or chat with this name, removed ones included.
func keyOf(ctx context.Context, pool *pgxpool.Pool, kind, name string) (id int64, err error) {
	what, sql := "bot", `SELECT id FROM bots WHERE name = $1`
	if !strings.HasPrefix(kind, what) {
		what, sql = "chat", `SELECT id FROM chats WHERE name = $1`
	}
	err = pool.QueryRow(ctx, sql, name).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, run.Usage(fmt.Errorf("%q is no %s in the roster", name, what))
	}
	return id, err
}
