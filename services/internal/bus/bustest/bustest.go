// Package bustest opens the bus for tests.
package bustest

import (
	"testing"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/testenv"
)

// Open connects to the bus that the configuration names, and declares its
// streams and consumers. The test's end closes it.
func Open(t testing.TB, cfg bus.Config) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), cfg, testenv.Logger(t), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.Declare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}
