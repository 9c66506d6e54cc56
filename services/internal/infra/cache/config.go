package cache

import (
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

// Config says how much a cache may take, of memory and of time.
type Config struct {
	Size    int           `config:"size" min:"1" max:"4096" doc:"MiB that values of one kind may take in a process, as they are encoded; what is used least makes room"`
	Timeout time.Duration `config:"timeout" min:"1ms" max:"1s" doc:"how long a value from Redis is waited for before the database is asked"`
}

// DefaultConfig is good for some ten thousand bots.
func DefaultConfig() Config { return Config{Size: 32, Timeout: 10 * time.Millisecond} }

// Validate joins everything that is wrong.
func (c Config) Validate() error { return config.Check(c) }
