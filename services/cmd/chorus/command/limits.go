package command

import (
	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
)

// limits are those that the senders share through Redis, or without one this
// process' fair share of them among so many replicas.
func (p *process) limits(replicas func() int) (limit.Limiter, error) {
	window := p.cfg.sender.FloodWindow
	local := limit.NewLocal(window, replicas)
	if p.cfg.redis.URL == "" {
		return local, nil
	}
	client, err := redisdb.Open(p.cfg.redis)
	if err != nil {
		return nil, err
	}
	p.redis = append(p.redis, client)
	return limit.NewShared(limit.NewRedis(client, window), local, p.cfg.redis.Timeout,
		limit.NewMetrics(p.metrics), p.log.Named("limits")), nil
}
