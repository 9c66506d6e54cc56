package redisdb_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*redisdb.Config)
		want   string // "" for none
	}{
		"the default":       {func(*redisdb.Config) {}, ""},
		"an address":        {func(c *redisdb.Config) { c.URL = "redis://127.0.0.1:6379/2" }, ""},
		"one with TLS":      {func(c *redisdb.Config) { c.URL = "rediss://user:hunter2@redis.example:6380" }, ""},
		"another scheme":    {func(c *redisdb.Config) { c.URL = "http://:hunter2@redis.example" }, "url: want redis://"},
		"a wrong number":    {func(c *redisdb.Config) { c.URL = "redis://:hunter2@redis.example/two" }, "url: want redis://"},
		"no time":           {func(c *redisdb.Config) { c.Timeout = 0 }, "timeout: 0s, want a duration from 1ms to 5s"},
		"too much time":     {func(c *redisdb.Config) { c.Timeout = time.Minute }, "timeout: 1m, want a duration from 1ms to 5s"},
		"several mistakes ": {func(c *redisdb.Config) { c.URL, c.Timeout = "redis", 0 }, "timeout: 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := redisdb.DefaultConfig()
			test.change(&cfg)
			err := cfg.Validate()
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v, want no complaint", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %s", err, test.want)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("%v tells the password", err)
			}
		})
	}
}

func TestOpenNeedsAnAddress(t *testing.T) {
	t.Parallel()
	if c, err := redisdb.Open(redisdb.Config{URL: "http://:hunter2@redis.example"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, %v; want an error without the password", c, err)
	}
}

// A call to a hanging server ends with the caller's deadline, without retries.
func TestDeadlinesAreKept(t *testing.T) {
	t.Parallel()
	server := testenv.RedisServer(t)
	c, err := redisdb.Open(redisdb.Config{URL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	defer server.Resume()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	err = c.Ping(ctx).Err()
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v, want a time-out", err)
	}
	// Without the deadline it would take four times the library's three seconds.
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v, want 20ms", took)
	}
}
