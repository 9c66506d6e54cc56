package cache

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Peeked is what Redis has for a key.
type Peeked struct {
	// Found is false if Redis has nothing that a process would use. None is true
	// if it has that the source has no such value.
	Found, None bool
	// Text is the value as JSON.
	Text []byte
	// Left is how long Redis keeps it.
	Left time.Duration
}

// Peek reads a value from Redis without loading it. It is for people.
func Peek(ctx context.Context, client *redis.Client, kind string, version int, id int64) (Peeked, error) {
	at := place(kind, version, id)
	pipe := client.Pipeline()
	both := pipe.MGet(ctx, generation(kind, version), at)
	left := pipe.PTTL(ctx, at)
	if _, err := pipe.Exec(ctx); err != nil {
		return Peeked{}, fmt.Errorf("ask Redis: %w", err)
	}
	value := current(both.Val(), 1)[0]
	if value == "" {
		return Peeked{}, nil
	}
	return Peeked{Found: true, None: value[0] == isNone, Text: []byte(value[1+tokenSize:]), Left: left.Val()}, nil
}
