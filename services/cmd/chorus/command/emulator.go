package command

import (
	"fmt"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/controlapi"
	"github.com/chorus-cast/chorus/services/lab/emulator/page"
)

func emulatorCommand() *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use:   "emulator",
		Short: "Run the Telegram emulator alone",
		Long: `Runs a server that speaks Telegram's Bot API, with a page to watch and join its
chats, and an interface under /_emulator/ that makes bots and chats, switches
faults on and shows a log of every call. Any bot library can be tested on it.`,
		Example: `  chorus emulator --emulator.listen 127.0.0.1:8080
  curl -N 'http://127.0.0.1:8080/_emulator/calls?follow=1'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.load(cmd); err != nil {
				return err
			}
			log, err := telemetry.NewLogger(cfg.log, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			e, err := newEmulator(cfg, log, false)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "The emulator is at %s/ (Ctrl-C stops it)\n", e.URL()); err != nil {
				return err
			}
			return e.Run(cmd.Context())
		},
	}
	cfg.Bind(cmd.Flags(), sectionEmulator, sectionLog)
	return cmd
}

// newEmulator makes an emulator that listens, with its page and its control
// interface.
func newEmulator(cfg *configuration, log *zap.Logger, offline bool) (*emulator.Emulator, error) {
	e, err := emulator.New(cfg.emulator, log.Named("emulator"))
	if err != nil {
		return nil, fmt.Errorf("emulator.%w", err)
	}
	if err := e.Listen(); err != nil {
		_ = e.Close()                              // nothing has happened in it yet
		return nil, fmt.Errorf("emulator.%w", err) // it begins with listen
	}
	opts := page.Options{Title: "Chorus", Banner: "A simulated Telegram: every persona here is a bot.", Log: log}
	if offline {
		opts.Banner = "A simulated Telegram: every persona here is a bot, and its texts come from templates, without a model."
	}
	e.Mount("/", page.New(page.Of(e.World()), opts))
	e.Mount(control.Prefix+"/", controlapi.New(controlapi.Config{
		World: e.World(), Calls: e.Calls(), Faults: e.Faults(), Flood: e.Flood(), Log: log, Hosts: cfg.emulator.Hosts,
	}))
	return e, nil
}
