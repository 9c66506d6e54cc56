package emulator

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

const (
	seedFile = "seed"
	// formerSeed is that of folders from when everyone had the same: their bots'
	// tokens are in use.
	formerSeed = 1
)

// seed is the configured one. Without one it is random, so that nobody can compute
// the tokens of somebody else's bots, and kept in the folder.
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
	if err := writeSeed(path, seed); err != nil {
		return 0, fmt.Errorf("keep the seed: %w", err)
	}
	return seed, nil
}

// writeSeed writes the file as a whole or not at all.
func writeSeed(path string, seed uint64) error {
	const private = 0o600
	next := path + ".next"
	if err := os.WriteFile(next, []byte(strconv.FormatUint(seed, 10)+"\n"), private); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func randomSeed() uint64 {
	var bytes [8]byte
	_, _ = rand.Read(bytes[:]) // never fails
	return binary.BigEndian.Uint64(bytes[:])
}
