// Package redisdb opens the Redis that services share. Nothing that is only
// there is needed to go on: a service starts, and works, without it.
package redisdb

import (
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

// Config says where Redis is.
type Config struct {
	URL     string        `config:"url" doc:"Redis, as redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss:// with TLS; empty for none: then every sender keeps to its share of the limits, and nothing is cached between processes" secret:"true"`
	Timeout time.Duration `config:"timeout" min:"1ms" max:"5s" doc:"how long an answer of Redis is waited for; when it is over, a service goes on without"`
}

// DefaultConfig is no Redis.
func DefaultConfig() Config { return Config{Timeout: 50 * time.Millisecond} }

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	if c.URL != "" {
		if _, err := redis.ParseURL(c.URL); err != nil {
			// Its own message may repeat the password.
			errs = append(errs, errors.New("url: want redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss:// with TLS"))
		}
	}
	return errors.Join(append(errs, config.Check(c))...)
}

// Open makes a client that dials when it is first used, and again for ever. It
// keeps to the deadlines of its callers and never tries again by itself: whoever
// uses a cache has something better to do than to wait for it. It writes no log;
// whoever gets an error does. The configuration must be valid; its time-out bounds
// each step of a call, for callers without a deadline.
func Open(c Config) (*redis.Client, error) {
	opts, err := redis.ParseURL(c.URL)
	if err != nil {
		return nil, errors.New("redis.url: want redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss:// with TLS")
	}
	opts.ContextTimeoutEnabled = true // without it a deadline is not obeyed
	if c.Timeout > 0 {
		opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout, opts.PoolTimeout = c.Timeout, c.Timeout, c.Timeout, c.Timeout
	}
	opts.MaxRetries = -1
	opts.DialerRetries = 1
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	// The library writes plain text to stderr, between our lines of JSON.
	logging.Disable()
	return redis.NewClient(opts), nil
}
