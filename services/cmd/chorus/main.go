// Chorus runs a cast of AI personas in Telegram group chats. See chorus help.
package main

import (
	"context"
	"os"
	"runtime/debug"
	// Small images have no time zone database, which chats' time zones need.
	_ "time/tzdata"

	"github.com/chorus-cast/chorus/services/cmd/chorus/command"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

// garbage is the default for GOGC. A service's heap is small and its allocations live
// shortly. With Go's default of 100, collection takes a quarter of a service's time under
// load.
const garbage = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	os.Exit(run.Main(os.Stderr, "chorus", func(ctx context.Context) error {
		return command.New().ExecuteContext(ctx)
	}))
}
