package command

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/controlapi"
	"github.com/chorus-cast/chorus/services/lab/emulator/page"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
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

// newEmulator returns an emulator that listens, with its page and its control interface.
func newEmulator(cfg *configuration, log *zap.Logger, offline bool) (*emulator.Emulator, error) {
	e, err := emulator.New(cfg.emulator, log.Named("emulator"))
	if err != nil {
		return nil, fmt.Errorf("emulator.%w", err)
	}
	if err := e.Listen(); err != nil {
		_ = e.Close()                              // it has no state yet
		return nil, fmt.Errorf("emulator.%w", err) // the error begins with "listen"
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

// emulated creates the bots and chats of a cast file in an emulator of another process. A
// repetition changes nothing.
type emulated struct {
	control *control.Client
	// dry returns made-up ids and tokens instead of creating anything.
	dry bool
}

// token registers a bot and returns the token from the emulator.
func (e emulated) token(ctx context.Context, b roster.Bot) (secret.String, error) {
	token, err := e.register(ctx, control.NewBot{Username: usernameOf(b), Name: b.Persona.DisplayName})
	if err != nil {
		return secret.String{}, fmt.Errorf("make bot %s in the emulator: %w", b.Name, err)
	}
	return token, nil
}

func (e emulated) register(ctx context.Context, b control.NewBot) (secret.String, error) {
	bots, err := e.control.Bots(ctx)
	if err != nil {
		return secret.String{}, err
	}
	i := slices.IndexFunc(bots, func(known control.Bot) bool { return strings.EqualFold(known.Username, b.Username) })
	switch {
	case i >= 0:
		b.Privacy, b.BotToBot = bots[i].Privacy, bots[i].BotToBot
	case e.dry:
		return secret.New(fmt.Sprintf("%d:not-made", madeUp(b.Username))), nil
	}
	made, err := e.control.AddBot(ctx, b)
	return made.Token, err
}

// madeUp returns an id for something that a dry run doesn't create.
func madeUp(name string) int64 {
	const digits = 1_000_000_000_000
	sum := sha256.Sum256([]byte(name))
	return int64(binary.BigEndian.Uint64(sum[:])%digits) + digits
}

// chat creates a group with its cast, unless there is one with its id, or for a chat
// without an id, with its title and kind.
func (e emulated) chat(ctx context.Context, c roster.Chat, cast []roster.Bot) (int64, error) {
	want := emulatedChat(c, cast)
	id, err := e.ensure(ctx, want)
	if err != nil {
		return 0, fmt.Errorf("make chat %s in the emulator: %w", c.Name, err)
	}
	return id, nil
}

func (e emulated) ensure(ctx context.Context, want control.NewChat) (int64, error) {
	chats, err := e.control.Chats(ctx)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(chats, func(c control.Chat) bool {
		return c.ID == want.ID || want.ID == 0 && c.Title == want.Title && c.Kind == want.Kind
	})
	switch {
	case i < 0 && e.dry && want.ID == 0 && want.Kind == world.Group:
		return -madeUp(want.Title) / 1000, nil
	case i < 0 && e.dry && want.ID == 0:
		return -madeUp(want.Title), nil
	case i < 0 && e.dry:
		return want.ID, nil
	case i < 0:
		made, err := e.control.PutChat(ctx, want)
		return made.ID, err
	}
	if next := chats[i].MigratedTo; next != 0 {
		i = slices.IndexFunc(chats, func(c control.Chat) bool { return c.ID == next })
	}
	if e.dry {
		return chats[i].ID, nil
	}
	for _, who := range want.Members {
		was := func(m world.Member) bool { return m.Username == who }
		if slices.ContainsFunc(chats[i].Members, was) {
			continue
		}
		if _, err := e.control.SetRole(ctx, chats[i].ID, control.NewRole{Who: who}); err != nil {
			return 0, err
		}
	}
	return chats[i].ID, nil
}

// emulatedChat converts a chat of a cast file for the emulator.
func emulatedChat(c roster.Chat, cast []roster.Bot) world.NewChat {
	members := make([]string, 0, len(cast))
	for _, b := range cast {
		members = append(members, usernameOf(b))
	}
	title, kind := c.Title, c.Kind
	if title == "" {
		title = c.Name
	}
	if kind == "" {
		kind = world.Supergroup
	}
	return world.NewChat{Chat: world.Chat{ID: c.TelegramID, Title: title, Kind: kind, Note: c.Purpose}, Members: members}
}

// longestUsername is Telegram's limit.
const longestUsername = 32

// usernameOf returns a bot's username in an emulator. A bot without one gets a name that is
// derived from its name in the cast file.
func usernameOf(b roster.Bot) string {
	if b.Username != "" {
		return b.Username
	}
	const suffix = "_bot"
	name := strings.ReplaceAll(b.Name, "-", "_")
	if name[0] >= '0' && name[0] <= '9' || name[0] == '_' {
		name = "b" + name
	}
	if name != b.Name || len(name)+len(suffix) > longestUsername { // different names may give the same result, so a hash is added
		sum := sha256.Sum256([]byte(b.Name))
		name = fmt.Sprintf("%s_%x", name[:min(len(name), longestUsername-len(suffix)-9)], sum[:4])
	}
	return name + suffix
}
