package cache

import (
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// Place is where Redis has a value.
func Place(kind string, version int, id int64) string { return place(kind, version, id) }

// Forget forgets a value in this process.
func (k *Kind[K, V]) Forget(key K) { k.local.Invalidate(key) }

// NewHasty makes a cache that tries a Redis that failed again after the delay.
func NewHasty(cfg Config, client *redis.Client, delay time.Duration, metrics *Metrics, log *zap.Logger) *Cache {
	return newCache(cfg, client, delay, metrics, log)
}
