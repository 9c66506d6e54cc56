package emulator_test

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Nobody can compute the tokens of somebody else's emulator. A folder keeps its own,
// also one from when all emulators had the same.
func TestTokensAreRandomAndStayTheSameInAFolder(t *testing.T) {
	t.Parallel()

	dir, former := t.TempDir(), t.TempDir()
	first, second := minted(t, dir, 0), minted(t, t.TempDir(), 0)

	third, fourth := minted(t, "", 0), minted(t, "", 0)
	if first == second || first == third || third == fourth {
		t.Error("two emulators made the same token")
	}

	if minted(t, dir, 0) != first {
		t.Error("a folder's tokens changed")
	}

	if info, err := os.Stat(filepath.Join(dir, "seed")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the seed is kept as %v, %v", info, err)
	}

	known := minted(t, former, 1)
	if known != minted(t, t.TempDir(), 1) {
		t.Error("a given seed made two tokens")
	}

	if minted(t, former, 0) != known {
		t.Error("the tokens of a folder without a seed changed")
	}
}

// minted is the token of a bot in an emulator with this folder and seed.
func minted(t *testing.T, dir string, seed int64) string {
	t.Helper()

	cfg := emulator.DefaultConfig()
	cfg.Dir = dir

	if seed != 0 {
		cfg.Seed = seed
	}

	e, err := emulator.New(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}

	_, token, err := e.World().RegisterBot(world.NewBot{Username: "ada_bot", Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}

	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	return token
}
