package testenv_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func client(t *testing.T, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	opts.ReadTimeout = 100 * time.Millisecond
	opts.MaxRetries = -1
	c := redis.NewClient(opts)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestRedisServersAreIsolated(t *testing.T) {
	a, b := client(t, testenv.Redis(t)), client(t, testenv.Redis(t))
	if err := a.Set(t.Context(), "key", "a", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := b.DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("a new server has %d keys, %v", n, err)
	}
}

func TestRedisOutages(t *testing.T) {
	server := testenv.RedisServer(t)
	url := server.URL()
	c := client(t, url)
	up := func(want bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := c.Ping(ctx).Err(); (err == nil) != want {
			t.Errorf("ping: %v, want up=%v", err, want)
		}
	}
	up(true)
	server.Pause()
	up(false)
	server.Resume()
	up(true)
	server.Kill()
	up(false)
	server.Restart()
	if server.URL() != url {
		t.Errorf("the address changed from %s to %s", url, server.URL())
	}
	up(true)
}
