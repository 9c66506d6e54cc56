package cache

import (
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// Place returns the Redis key of a value.
func Place(kind string, version int, id int64) string { return place(kind, version, id) }

// Forget drops a value from this process.
func (k *Kind[K, V]) Forget(key K) { k.local.Invalidate(key) }

// NewHasty returns a cache that tries a failed Redis again after delay.
func NewHasty(cfg Config, client *redis.Client, delay time.Duration, metrics *Metrics, log *zap.Logger) *Cache {
	return newCache(cfg, client, delay, metrics, log)
}
