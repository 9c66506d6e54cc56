// Chorus runs a cast of AI personas in Telegram group chats. See chorus help.
package main

import (
	"context"
	"os"
	"runtime/debug"
	// Chats have time zones, and small images have no database of them.
	_ "time/tzdata"

	"github.com/chorus-cast/chorus/services/cmd/chorus/command"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

// garbage is the heap's growth, in percent, after which garbage is collected. Little of
// what a service allocates lives for long, and its heap is small: with Go's default of
// 100, collecting takes a quarter of the time of a service under load.
const garbage = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	os.Exit(run.Main(os.Stderr, "chorus", func(ctx context.Context) error {
		return command.New().ExecuteContext(ctx)
	}))
}
