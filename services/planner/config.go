package planner

import (
	"errors"
	"fmt"
	"time"
)

// Config is how the planner runs. How the cast behaves is in the settings.
type Config struct {
	Batch int           `config:"batch" doc:"due chats that are planned in one transaction at most"`
	Idle  time.Duration `config:"idle" doc:"longest time between two looks for due chats, should a notification be lost"`
	Sweep time.Duration `config:"sweep" doc:"how often turns whose time is over are looked for"`
	Grace time.Duration `config:"grace" doc:"how long an expired turn is left to the generator and the sender before the planner closes it"`
	Pace  time.Duration `config:"pace" doc:"mean time between two messages of a chat, in place of the cast's own rhythm and hourly limits; 0s for the cast's own; in chorus up with the emulator 9s"`
	Seed  int64         `config:"seed" doc:"seed of every random choice; the same seed, roster and chat give the same turns"`
}

// DefaultConfig suits any number of chats.
func DefaultConfig() Config {
	return Config{Batch: 200, Idle: 5 * time.Second, Sweep: 5 * time.Second, Grace: 15 * time.Second, Seed: 18}
}

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Batch >= 1 && c.Batch <= 5000, "batch: %d, want 1 to 5000", c.Batch)
	check(c.Idle >= 100*time.Millisecond && c.Idle <= time.Hour, "idle: %v, want 100ms to 1h", c.Idle)
	check(c.Sweep >= 100*time.Millisecond && c.Sweep <= time.Hour, "sweep: %v, want 100ms to 1h", c.Sweep)
	check(c.Grace >= time.Second && c.Grace <= time.Hour, "grace: %v, want 1s to 1h", c.Grace)
	check(c.Pace == 0 || c.Pace >= time.Second && c.Pace <= time.Hour, "pace: %v, want 1s to 1h, or 0s for the cast's own", c.Pace)
	return errors.Join(errs...)
}
