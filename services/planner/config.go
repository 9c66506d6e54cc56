package planner

import (
	"errors"
	"fmt"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
)

// Config holds the planner's own configuration. The cast's behaviour is in the settings.
type Config struct {
	Batch int           `config:"batch" min:"1" max:"5000" doc:"due chats that are planned in one transaction at most"`
	Idle  time.Duration `config:"idle" min:"100ms" max:"1h" doc:"longest time between two looks for due chats, should a notification be lost"`
	Sweep time.Duration `config:"sweep" min:"100ms" max:"1h" doc:"how often turns whose time is over are looked for"`
	Grace time.Duration `config:"grace" min:"1s" max:"1h" doc:"how long an expired turn is left to the generator and the sender before the planner closes it"`
	Pace  time.Duration `config:"pace" doc:"mean time between two messages of a chat, in place of the cast's own rhythm and hourly limits; 0s for the cast's own; in chorus up with the emulator 9s"`
	Seed  int64         `config:"seed" doc:"seed of every random choice; the same seed, roster and chat give the same turns"`
}

// DefaultConfig returns a configuration for any number of chats.
func DefaultConfig() Config {
	return Config{Batch: 200, Idle: 30 * time.Second, Sweep: 5 * time.Second, Grace: 15 * time.Second, Seed: 18}
}

// Validate returns all mistakes, joined.
func (c Config) Validate() error {
	var pace error
	if c.Pace != 0 && (c.Pace < time.Second || c.Pace > time.Hour) {
		pace = fmt.Errorf("pace: %v, want 1s to 1h, or 0s for the cast's own", c.Pace)
	}
	return errors.Join(config.Check(c), pace)
}
