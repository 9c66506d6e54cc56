// Package cachepg announces changes to caches by way of PostgreSQL.
//
// Triggers write down in a log what was changed, with the change itself, and
// notify. So whatever changes a row, be it a service, an apply or a person with
// psql, and dies right after it, is heard of by every process, and by one that
// was away. Values are held for as long as the connection that is notified lives;
// the log is read when it is, or was new, and once a minute in any case, should a
// notification be missed.
package cachepg

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
)

const (
	// channel is where the log's growth is announced.
	channel = "chorus_cache"
	timeout = 5 * time.Second
	// maxChanges bounds what is dropped one by one.
	maxChanges = 20_000
	pruneEvery = 10 * time.Minute
)

const (
	// A process that starts may find in Redis what was put there in the last ten
	// minutes (half of cache.LongestTTL); five more are for transactions that were
	// open for long.
	changesLately = `
SELECT pg_current_snapshot()::text, coalesce(array_agg(DISTINCT tag), '{}')
FROM cache_changes WHERE at > now() - interval '15 minutes'`
	changesSince = `
SELECT pg_current_snapshot()::text, coalesce(array_agg(DISTINCT tag), '{}')
FROM cache_changes WHERE xid >= pg_snapshot_xmin($1::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)`
	// Nothing is cached for an hour.
	pruneLog = `DELETE FROM cache_changes WHERE at < now() - interval '1 hour'`
	announce = `INSERT INTO cache_changes (tag) SELECT unnest($1::text[])`
)

// Feed tells a cache what was changed.
type Feed struct {
	pool     *pgxpool.Pool
	cache    *cache.Cache
	log      *zap.Logger
	snapshot string // up to where the log was read
	pruned   time.Time
	told     func()
	kinds    []string // of which told is told
}

// New makes a feed. Its channel has to be listened to.
func New(pool *pgxpool.Pool, c *cache.Cache, log *zap.Logger) *Feed {
	return &Feed{pool: pool, cache: c, log: log}
}

// Tell has a function called when rows of some kinds were
// changed or may have been, as soon as the cache knows of it. It is to return at once.
func (f *Feed) Tell(told func(), kinds ...string) *Feed {
	f.told, f.kinds = told, kinds
	return f
}

// Channel tells the cache of changes when it is listened to. It comes before
// channels whose listeners read through the cache.
func (f *Feed) Channel() listen.Channel {
	return listen.Channel{Name: channel, Look: f.look, Current: func(ctx context.Context, at time.Time) { f.cache.Heard(ctx, at) }}
}

func (f *Feed) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	at := time.Now()
	sql, args := changesSince, []any{f.snapshot}
	if f.snapshot == "" {
		sql, args = changesLately, nil
	}
	var snapshot string
	var texts []string
	if err := f.pool.QueryRow(ctx, sql, args...).Scan(&snapshot, &texts); err != nil {
		return fmt.Errorf("read what was changed: %w", err)
	}
	tags := f.tags(texts)
	f.cache.Heard(ctx, at, tags...)
	if f.told != nil && (f.snapshot == "" || slices.ContainsFunc(tags, func(t cache.Tag) bool { return t == cache.Tag{} || slices.Contains(f.kinds, t.Kind) })) {
		f.told()
	}
	f.snapshot = snapshot
	return f.prune(ctx)
}

// prune shortens the log now and then. Any process may do it.
func (f *Feed) prune(ctx context.Context) error {
	if time.Since(f.pruned) < pruneEvery {
		return nil
	}
	f.pruned = time.Now()
	if _, err := f.pool.Exec(ctx, pruneLog); err != nil {
		return fmt.Errorf("shorten the log of changes: %w", err)
	}
	return nil
}

func (f *Feed) tags(texts []string) []cache.Tag {
	if len(texts) > maxChanges {
		return []cache.Tag{{}}
	}
	tags := make([]cache.Tag, len(texts))
	for i, text := range texts {
		var err error
		if tags[i], err = cache.ParseTag(text); err != nil {
			// The zero tag is everything: rather too much than too little.
			f.log.Warn("a change that makes no sense makes the cache forget everything", zap.Error(err))
		}
	}
	return tags
}

// Execer runs a statement; a pgx pool, connection or transaction does.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

var _ Execer = pgx.Tx(nil)

// Announce tells every process that what the tags are about was changed, once it
// is committed. It is for what is cached and is not in the tables with triggers.
func Announce(ctx context.Context, db Execer, tags ...cache.Tag) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	texts := make([]string, len(tags))
	for i, t := range tags {
		texts[i] = t.String()
	}
	if _, err := db.Exec(ctx, announce, texts); err != nil {
		return fmt.Errorf("announce a change: %w", err)
	}
	return nil
}
