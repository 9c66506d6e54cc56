package command

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/chorus-cast/chorus/services/emulator/control"
	"github.com/chorus-cast/chorus/services/emulator/world"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/secret"
)

// emulated makes what a cast file needs in an emulator that runs elsewhere. To
// make it twice changes nothing.
type emulated struct{ control *control.Client }

// token registers a bot. An emulator tells a token once only, so the bot gets one
// that can be computed again: whoever reaches an emulator can do everything in it
// anyway.
func (e emulated) token(ctx context.Context, b roster.Bot) (secret.String, error) {
	sum := sha256.Sum256([]byte("an emulated bot: " + usernameOf(b)))
	const ids = 9_000_000_000
	id := binary.BigEndian.Uint64(sum[:])%ids + ids/9
	token := secret.New(fmt.Sprintf("%d:%s", id, base64.RawURLEncoding.EncodeToString(sum[8:])))
	if _, err := e.control.AddBot(ctx, control.NewBot{Username: usernameOf(b), Name: b.Persona.DisplayName, Token: token}); err != nil {
		return secret.String{}, fmt.Errorf("make bot %s in the emulator: %w", b.Name, err)
	}
	return token, nil
}

// chat makes a group with its cast, unless there is one of its title and kind.
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
	i := slices.IndexFunc(chats, func(c control.Chat) bool { return c.Title == want.Title && c.Kind == want.Kind })
	if i < 0 {
		made, err := e.control.PutChat(ctx, want)
		return made.ID, err
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

// emulatedChat is a chat of a cast file as the emulator takes it.
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
	return world.NewChat{Chat: world.Chat{Title: title, Kind: kind, Note: c.Purpose}, Members: members}
}
