// Chorus runs a cast of AI personas in Telegram group chats. See chorus help.
package main

import (
	"context"
	"os"
	// Chats have time zones, and small images have no database of them.
	_ "time/tzdata"

	"github.com/chorus-cast/chorus/services/cmd/chorus/command"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

func main() {
	os.Exit(run.Main(os.Stderr, "chorus", func(ctx context.Context) error {
		return command.New().ExecuteContext(ctx)
	}))
}
