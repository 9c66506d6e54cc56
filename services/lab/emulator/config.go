package emulator

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/flood"
	"github.com/chorus-cast/chorus/services/lab/emulator/journal"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Config says where the emulator listens and what it does to its callers.
type Config struct {
	Listen      string        `config:"listen" doc:"address of the emulated Bot API and everything that is mounted beside it; port 0 takes a free one"`
	AnyPort     bool          `config:"any_port" doc:"take a free port where the one of listen is in use"`
	AllowRemote bool          `config:"allow_remote" doc:"allow a listen address that other machines can reach; whoever reaches it can read and write everything"`
	Hosts       []string      `config:"hosts" doc:"names, besides those of this machine, under which the control interface may be asked for"`
	Dir         string        `config:"dir" doc:"folder that keeps the emulated accounts, chats and the log of calls; empty keeps them in memory only"`
	Faults      []string      `config:"faults" doc:"faults from the start, each METHOD:FAULT[:OPTION]..., for example setMessageReaction:400:REACTION_INVALID or sendMessage:429:retry_after=30:rate=0.1"`
	Unlimited   bool          `config:"unlimited" doc:"switch flood control off"`
	SilentWait  time.Duration `config:"silent_wait" min:"0s" max:"1h" doc:"how long flood control keeps a call waiting before it refuses it; Telegram does so for 8s, 0s refuses at once"`
	Seed        int64         `config:"seed" min:"0" doc:"decides the ids and tokens of emulated bots and chats; 0 for random ones, which stay the same in a folder"`
	MaxMessages int           `config:"max_messages" min:"1" doc:"messages of a chat that are kept"`
	MaxUpdates  int           `config:"max_updates" min:"1" doc:"updates that wait for a bot at most; the oldest go first"`
	MaxCalls    int           `config:"max_calls" min:"1" doc:"calls that the log keeps where it is in memory only"`

	// Now is Telegram's clock; that of the process if it is nil.
	Now func() time.Time
}

// DefaultConfig is Telegram's behaviour, in memory.
func DefaultConfig() Config {
	return Config{
		Listen:      "127.0.0.1:8080",
		SilentWait:  time.Duration(flood.Telegram().SilentWait),
		MaxMessages: 10_000,
		MaxUpdates:  10_000,
		MaxCalls:    100_000,
	}
}

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	errs := []error{c.checkListen(), config.Check(c)}
	if _, err := c.rules(); err != nil {
		errs = append(errs, fmt.Errorf("faults: %w", err))
	}
	return errors.Join(errs...)
}

// checkListen refuses what other machines can reach: there is no password.
func (c Config) checkListen() error {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen: %q, want HOST:PORT, for example 127.0.0.1:8080", c.Listen)
	}
	if !c.AllowRemote && !control.Local(c.Listen) {
		return fmt.Errorf("listen: %q can be reached by other machines, and the emulator has no password; want 127.0.0.1:PORT, or set allow_remote", c.Listen)
	}
	return nil
}

func (c Config) rules() ([]fault.Rule, error) {
	rules := make([]fault.Rule, 0, len(c.Faults))
	for _, short := range c.Faults {
		rule, err := fault.Parse(short)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func (c Config) limits() flood.Limits {
	limits := flood.Telegram()
	limits.Unlimited = c.Unlimited
	limits.SilentWait = jsontime.Duration(c.SilentWait)
	return limits
}

const (
	seedFile = "seed"
	// formerSeed is the seed of folders from the time when all emulators shared one: the tokens of
	// their bots are in use.
	formerSeed = 1
)

// seed returns the configured seed. Without one it makes a random seed, so that nobody can compute
// the tokens of another user's bots, and keeps it in the folder.
func (c Config) seed() (uint64, error) {
	if c.Seed != 0 {
		return uint64(c.Seed), nil //nolint:gosec // Validate keeps it positive
	}
	if c.Dir == "" {
		return randomSeed(), nil
	}
	path := filepath.Join(c.Dir, seedFile)
	text, err := os.ReadFile(path)
	if err == nil {
		seed, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: want a whole number, as the emulator wrote it: %w", path, err)
		}
		return seed, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("read the seed: %w", err)
	}
	seed := randomSeed()
	if world.Stored(c.Dir) {
		seed = formerSeed
	}
	return seed, journal.Replace(path, []byte(strconv.FormatUint(seed, 10)+"\n"))
}

func randomSeed() uint64 {
	var bytes [8]byte
	_, _ = rand.Read(bytes[:]) // never fails
	return binary.BigEndian.Uint64(bytes[:])
}
