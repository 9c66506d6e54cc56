package generator

import (
	"errors"
	"fmt"
	"time"
)

// Config is how the generator behaves.
type Config struct {
	Workers         int           `config:"workers" doc:"texts that are written at the same time"`
	Timeout         time.Duration `config:"timeout" doc:"longest time for one text"`
	History         int           `config:"history" doc:"messages of the chat that the prompt shows"`
	MaxTokens       int           `config:"max_tokens" doc:"longest answer, in the model's tokens"`
	Temperature     float64       `config:"temperature" doc:"how freely the model chooses its words"`
	TypingMost      time.Duration `config:"typing_most" doc:"longest time that a bot is seen typing, however long its text"`
	BreakerFailures int           `config:"breaker_failures" doc:"failures in a row that open the provider's breaker"`
	BreakerDelay    time.Duration `config:"breaker_delay" doc:"how long an open breaker stays open"`
}

// DefaultConfig suits a hosted model.
func DefaultConfig() Config {
	return Config{
		Workers: 16, Timeout: 30 * time.Second, History: 15, MaxTokens: 300, Temperature: 0.9, TypingMost: 6 * time.Second,
		BreakerFailures: 5, BreakerDelay: 2 * time.Minute,
	}
}

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Workers >= 1 && c.Workers <= 1000, "workers: %d, want 1 to 1000", c.Workers)
	check(c.Timeout >= time.Second && c.Timeout <= 10*time.Minute, "timeout: %v, want 1s to 10m", c.Timeout)
	check(c.History >= 0 && c.History <= 100, "history: %d, want 0 to 100", c.History)
	check(c.MaxTokens >= 16 && c.MaxTokens <= 4096, "max_tokens: %d, want 16 to 4096", c.MaxTokens)
	check(c.Temperature >= 0 && c.Temperature <= 2, "temperature: %v, want 0 to 2", c.Temperature)
	check(c.TypingMost >= 0 && c.TypingMost <= time.Minute, "typing_most: %v, want 0s to 1m", c.TypingMost)
	check(c.BreakerFailures >= 1, "breaker_failures: %d, want 1 or more", c.BreakerFailures)
	check(c.BreakerDelay > 0, "breaker_delay: %v, want more than 0s", c.BreakerDelay)
	return errors.Join(errs...)
}
