// Package news fetches headlines from feeds and deals them to turns, so that bots don't all quote
// the same one. Replicas share the work: only one of them asks a feed at a time.
package news

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/mmcdole/gofeed"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/publicnet"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/names"
)

const (
	lookEvery = 10 * time.Second
	// maxItems limits the headlines that are read of one feed.
	maxItems = 50
	maxTitle = 300
	maxGUID  = 500
	// worst limits the wait for a failing feed, in periods.
	worst     = 16
	userAgent = "Chorus (a cast of bots; reads headlines)"
)

// News fetches and deals headlines. It is safe for concurrent use.
type News struct {
	cfg    Config
	pool   *pgxpool.Pool
	client *http.Client
	now    func() time.Time
	log    *zap.Logger
}

// New returns a News. now returns the time of the pool's database.
func New(cfg Config, pool *pgxpool.Pool, now func() time.Time, log *zap.Logger) *News {
	return &News{cfg: cfg, pool: pool, client: publicnet.Client(cfg.Timeout, cfg.Private), now: now, log: log}
}

const (
	knowFeeds = `INSERT INTO feeds (url) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`
	dropOld   = `DELETE FROM headlines WHERE published_at < now() - $1::interval`
	claimFeed = `
UPDATE feeds SET next_at = now() + $2::interval
WHERE url = (SELECT url FROM feeds WHERE url = ANY($1) AND next_at <= now() ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING url, etag, last_modified, failures`
	feedRead = `UPDATE feeds SET etag = $2, last_modified = $3, failures = 0, trouble = '' WHERE url = $1`
	feedLost = `UPDATE feeds SET failures = failures + 1, trouble = $2, next_at = now() + $3::interval * least(power(2, failures), $4) WHERE url = $1`
	putItems = `
INSERT INTO headlines (feed, guid, title, published_at)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS t(guid, title, published_at)
ON CONFLICT DO NOTHING`
)

// Run fetches due feeds until the context ends.
func (n *News) Run(ctx context.Context) {
	defer n.client.CloseIdleConnections()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if len(n.cfg.Feeds) > 0 {
			if err := n.fetchDue(ctx); err != nil && ctx.Err() == nil {
				n.log.Warn("news can't be fetched", zap.Error(err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// fetchDue fetches every due feed. It stores a feed's error with the feed.
func (n *News) fetchDue(ctx context.Context) error {
	all := n.cfg.feeds("")
	if err := n.exec(ctx, knowFeeds, all); err != nil {
		return err
	}
	for ctx.Err() == nil {
		f, err := n.claim(ctx, all)
		if err != nil || f == nil {
			return errors.Join(err, n.exec(ctx, dropOld, n.cfg.MaxAge))
		}
		if err := n.fetch(ctx, f); err != nil && ctx.Err() == nil {
			n.log.Info("a feed can't be read", zap.String("feed", f.url), zap.Error(err))
			if err := n.exec(ctx, feedLost, f.url, names.Title(err.Error(), maxTitle), n.cfg.Every, worst); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *News) exec(ctx context.Context, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	if _, err := n.pool.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("keep news: %w", err)
	}
	return nil
}

type feed struct {
	url, etag, modified string
	failures            int
}

func (n *News) claim(ctx context.Context, all []string) (*feed, error) {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	var f feed
	err := n.pool.QueryRow(ctx, claimFeed, all, n.cfg.Every).Scan(&f.url, &f.etag, &f.modified, &f.failures)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // none is due
	}
	if err != nil {
		return nil, fmt.Errorf("find feeds that are due: %w", err)
	}
	return &f, nil
}

// fetch reads one feed, if it has changed.
func (n *News) fetch(ctx context.Context, f *feed) error {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return fmt.Errorf("ask for a feed: %w", err)
	}
	r.Header.Set("User-Agent", userAgent)
	r.Header.Set("Accept", "application/rss+xml, application/atom+xml, application/feed+json, application/xml, text/xml")
	if f.etag != "" {
		r.Header.Set("If-None-Match", f.etag)
	}
	if f.modified != "" {
		r.Header.Set("If-Modified-Since", f.modified)
	}
	answer, err := n.client.Do(r)
	if err != nil {
		return fmt.Errorf("ask for a feed: %w", err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusNotModified:
		return n.exec(ctx, feedRead, f.url, f.etag, f.modified)
	case http.StatusOK:
	default:
		return fmt.Errorf("it answers %s", answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, n.cfg.MaxSize+1))
	if err != nil {
		return fmt.Errorf("read a feed: %w", err)
	}
	if int64(len(body)) > n.cfg.MaxSize {
		return fmt.Errorf("it is longer than %d bytes", n.cfg.MaxSize)
	}
	parsed, err := gofeed.NewParser().ParseString(decode(body, answer.Header.Get("Content-Type")))
	if err != nil {
		return fmt.Errorf("read a feed: %w", err)
	}
	guids, titles, times := headlines(parsed, n.now())
	if err := n.exec(ctx, putItems, f.url, guids, titles, times); err != nil {
		return err
	}
	return n.exec(ctx, feedRead, f.url, names.Title(answer.Header.Get("ETag"), maxTitle), names.Title(answer.Header.Get("Last-Modified"), maxTitle))
}

// headlines returns a feed's headlines with their times; now for those without.
func headlines(f *gofeed.Feed, now time.Time) (guids, titles []string, times []time.Time) {
	for _, item := range f.Items[:min(len(f.Items), maxItems)] {
		title := names.Title(item.Title, maxTitle)
		if title == "" {
			continue
		}
		at := now
		for _, t := range []*time.Time{item.PublishedParsed, item.UpdatedParsed} {
			if t != nil && t.Before(now) {
				at = *t
				break
			}
		}
		guid := item.GUID
		if guid == "" {
			guid = item.Link + " " + title
		}
		guids, titles, times = append(guids, names.Title(guid, maxGUID)), append(titles, title), append(times, at)
	}
	return guids, titles, times
}

// deal selects the headline that was dealt least often, the newest of those. Concurrent calls get
// different headlines.
const deal = `
UPDATE headlines SET uses = uses + 1
WHERE id = (
    SELECT id FROM headlines WHERE feed = ANY($1) AND published_at > now() - $2::interval
    ORDER BY uses, published_at DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING title`

// Deal returns a headline on a topic; "" if there is none.
func (n *News) Deal(ctx context.Context, topic string) (string, error) {
	urls := n.cfg.feeds(topic)
	if topic == "" || len(urls) == 0 {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	var title string
	err := n.pool.QueryRow(ctx, deal, urls, n.cfg.MaxAge).Scan(&title)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("deal out a headline: %w", err)
	}
	return title, nil
}
