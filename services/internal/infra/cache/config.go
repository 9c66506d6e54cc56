package cache

import (
	"errors"
	"fmt"
	"time"
)

// Config says how much a cache may take, of memory and of time.
type Config struct {
	Size    int           `config:"size" doc:"MiB that values of one kind may take in a process, as they are encoded; what is used least makes room"`
	Timeout time.Duration `config:"timeout" doc:"how long a value from Redis is waited for before the database is asked"`
}

// DefaultConfig is good for some ten thousand bots.
func DefaultConfig() Config { return Config{Size: 32, Timeout: 10 * time.Millisecond} }

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	if c.Size < 1 || c.Size > 4096 {
		errs = append(errs, fmt.Errorf("size: %d, want 1 to 4096", c.Size))
	}
	if c.Timeout < time.Millisecond || c.Timeout > time.Second {
		errs = append(errs, fmt.Errorf("timeout: %v, want 1ms to 1s", c.Timeout))
	}
	return errors.Join(errs...)
}
