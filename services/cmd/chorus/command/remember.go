package command

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/cache/cachepg"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
)

// remember makes the cache that the services of this process share. Its Redis
// client is its own, so that limits don't wait for it, nor it for them.
//
// It reads by connections of its own: a planner reads while it holds one of the
// others, and many that did so at once would wait for each other.
func (p *process) remember(ctx context.Context) (err error) {
	_, reading, _ := p.cfg.database.Split()
	if p.reading, err = store.Open(ctx, reading); err != nil {
		return err
	}
	var client *redis.Client
	if p.cfg.redis.URL != "" {
		if client, err = redisdb.Open(redisdb.Config{URL: p.cfg.redis.URL, Timeout: p.cfg.cache.Timeout}); err != nil {
			return run.Usage(err)
		}
		p.redis = append(p.redis, client)
	}
	p.cache = cache.New(p.cfg.cache, client, cache.NewMetrics(p.metrics), p.log.Named("cache"))
	p.rostered = rostercache.New(p.reading, p.cache)
	return nil
}

// changes is where changes of the roster are announced: to the cache, and then to the
// services that act on those of bots, chats and casts.
func (p *process) changes() listen.Channel {
	feed := cachepg.New(p.reading, p.cache, p.log.Named("cache"))
	return feed.Tell(func() { call(p.changed) }, rostercache.Rows()...).Channel()
}
