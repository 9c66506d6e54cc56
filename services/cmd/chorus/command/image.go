//go:build image

package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

// loadCommand is a placeholder: images can't start and kill services.
func loadCommand() *cobra.Command { return absent("load", "Play a scenario of load and faults") }

// upCommand is a placeholder. The embedded servers (PostgreSQL, NATS) would be a tenth of
// the program, and need a system to be installed and run on.
func upCommand() *cobra.Command { return absent("up", "Run everything in one process") }

func absent(name, short string) *cobra.Command {
	return &cobra.Command{
		Use:    name,
		Short:  short + ": not in this image",
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			return run.Usage(fmt.Errorf("%s: is not in this image: make build makes a program that has it", name))
		},
	}
}
