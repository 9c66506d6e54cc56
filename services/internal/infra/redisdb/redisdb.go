// Package redisdb opens the Redis that services share. Services start and work without it,
// so it must not hold anything indispensable.
package redisdb

import (
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

// Config holds Redis' address.
type Config struct {
	URL     string        `config:"url" doc:"Redis, as redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss:// with TLS; empty for none: then every sender keeps to its share of the limits, and nothing is cached between processes" secret:"true"`
	Timeout time.Duration `config:"timeout" min:"1ms" max:"5s" doc:"how long an answer of Redis is waited for; when it is over, a service goes on without"`
}

// DefaultConfig returns the settings without Redis.
func DefaultConfig() Config { return Config{Timeout: 50 * time.Millisecond} }

// Validate returns all mistakes, joined.
func (c Config) Validate() error {
	var errs []error
	if c.URL != "" {
		if _, err := redis.ParseURL(c.URL); err != nil {
			// The library's message may repeat the password.
			errs = append(errs, errors.New("url: want redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss:// with TLS"))
		}
	}
	return errors.Join(append(errs, config.Check(c))...)
}

// Open returns a client that dials at the first use, and again for ever. It respects its
// callers' deadlines and never retries, because callers go on without Redis. It doesn't
// log; callers log the errors. c must be valid. Its time-out limits each step of a call
// without a deadline.
func Open(c Config) (*redis.Client, error) {
	opts, err := redis.ParseURL(c.URL)
	if err != nil {
		return nil, errors.New("redis.url: want redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss:// with TLS")
	}
	opts.ContextTimeoutEnabled = true // otherwise deadlines are ignored
	if c.Timeout > 0 {
		opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout, opts.PoolTimeout = c.Timeout, c.Timeout, c.Timeout, c.Timeout
	}
	opts.MaxRetries = -1
	opts.DialerRetries = 1
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	// The library logs plain text to stderr, among our lines of JSON.
	logging.Disable()
	return redis.NewClient(opts), nil
}
