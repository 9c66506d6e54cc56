package limit_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func TestLocal(t *testing.T) {
	t.Parallel()
	conform(t, func(_ *testing.T, replicas int) []limit.Limiter {
		return same(limit.NewLocal(window, nil), replicas)
	})
}

func TestRedis(t *testing.T) {
	t.Parallel()
	conform(t, func(t *testing.T, replicas int) []limit.Limiter {
		t.Helper()
		url := testenv.Redis(t)
		ls := make([]limit.Limiter, replicas)
		for i := range ls {
			ls[i] = limit.NewRedis(client(t, url), window)
		}
		return ls
	})
}

func TestShared(t *testing.T) {
	t.Parallel()
	conform(t, func(t *testing.T, replicas int) []limit.Limiter {
		t.Helper()
		url := testenv.Redis(t)
		ls := make([]limit.Limiter, replicas)
		for i := range ls {
			ls[i] = shared(t, url, replicas)
		}
		return ls
	})
}

func same(l limit.Limiter, n int) []limit.Limiter {
	ls := make([]limit.Limiter, n)
	for i := range ls {
		ls[i] = l
	}
	return ls
}

// patience is a time-out that isn't reached on a busy machine by itself.
const patience = 10 * time.Second

func shared(t testing.TB, url string, replicas int) *limit.Shared {
	t.Helper()
	local := limit.NewLocal(window, func() int { return replicas })
	return limit.NewShared(limit.NewRedis(client(t, url), window), local, patience, nil, testenv.Logger(t))
}

func client(t testing.TB, url string) *redis.Client {
	t.Helper()
	c, err := redisdb.Open(redisdb.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
