// Package cachepg announces changes to caches through PostgreSQL.
//
// Triggers write each change of a cached row to a log, in the transaction of the change,
// and notify. So every process learns of every change, whoever made it: a service, chorus
// apply, or a person with psql who disconnects right after it. Processes that were away
// learn of it later. Values are cached while the notified connection lives. The log is read
// after a notification, after a new connection, and once a minute in case a notification
// was missed.
package cachepg

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

const (
	// channel is the channel of the notifications.
	channel = "chorus_cache"
	timeout = 5 * time.Second
	// maxChanges limits the changes that are dropped one by one.
	maxChanges = 20_000
	pruneEvery = 10 * time.Minute
)

const (
	// A process that starts may find values in Redis that are up to ten minutes old (half
	// of cache.LongestTTL). Five more minutes are for long transactions.
	changesLately = `
SELECT pg_current_snapshot()::text, coalesce(array_agg(DISTINCT tag), '{}')
FROM cache_changes WHERE at > now() - interval '15 minutes'`
	changesSince = `
SELECT pg_current_snapshot()::text, coalesce(array_agg(DISTINCT tag), '{}')
FROM cache_changes WHERE xid >= pg_snapshot_xmin($1::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)`
	// No value is cached for an hour.
	pruneLog = `DELETE FROM cache_changes WHERE at < now() - interval '1 hour'`
	announce = `INSERT INTO cache_changes (tag) SELECT unnest($1::text[])`
)

// Feed reports changes to a cache.
type Feed struct {
	pool     *pgxpool.Pool
	cache    *cache.Cache
	log      *zap.Logger
	snapshot string // the log is read up to here
	pruned   time.Time
	told     func()
	kinds    []string // told is called for changes of these kinds
}

// New returns a feed. The caller must listen to its channel.
func New(pool *pgxpool.Pool, c *cache.Cache, log *zap.Logger) *Feed {
	return &Feed{pool: pool, cache: c, log: log}
}

// Tell sets a function that is called when rows of some kinds were changed or may have
// been, right after the cache knows of it. told must return at once.
func (f *Feed) Tell(told func(), kinds ...string) *Feed {
	f.told, f.kinds = told, kinds
	return f
}

// Channel returns the channel that reports changes to the cache. List it before channels
// whose listeners read through the cache.
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

// prune deletes old entries of the log every ten minutes. Any process may do it.
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
			// The zero tag covers everything, because it is safer to drop too much than too
			// little.
			f.log.Warn("a change that makes no sense makes the cache forget everything", zap.Error(err))
		}
	}
	return tags
}

// Announce tells every process, after the commit, that what the tags cover was changed. It
// is for cached values that aren't in tables with triggers.
func Announce(ctx context.Context, db store.DB, tags ...cache.Tag) error {
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
