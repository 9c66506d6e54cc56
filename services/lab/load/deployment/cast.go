package deployment

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/casting"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

// ApplyCast makes a cast in the emulator and in the roster, always with the same ids. enabled
// lets its chats talk. Applying it again changes only differences.
func ApplyCast(ctx context.Context, pool *pgxpool.Pool, emulator *control.Client, keys secret.Keyring, c scenario.Cast, enabled bool) error {
	dir, err := os.MkdirTemp("", "chorus-load-cast-")
	if err != nil {
		return fmt.Errorf("write the cast: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "cast.yaml")
	if err := os.WriteFile(file, []byte(castFile(c, enabled)), 0o600); err != nil {
		return fmt.Errorf("write the cast: %w", err)
	}
	for i := range c.Bots {
		if _, err := emulator.AddBot(ctx, control.NewBot{Username: Username(i), Name: displayName(i), Token: token(i)}); err != nil {
			return fmt.Errorf("make bot %s in the emulator: %w", BotName(i), err)
		}
	}
	for i := range c.Chats {
		if _, err := emulator.PutChat(ctx, chat(c, i)); err != nil {
			return fmt.Errorf("make chat %s in the emulator: %w", chatName(i), err)
		}
	}
	known := func(_ context.Context, b roster.Bot) (secret.String, error) {
		for i := range c.Bots {
			if BotName(i) == b.Name {
				return token(i), nil
			}
		}
		return secret.String{}, fmt.Errorf("%s is no bot of the lab's", b.Name)
	}
	return casting.Apply(ctx, pool, keys, file, casting.Options{Token: known}, io.Discard)
}

// castFile has plain personas: what is measured is Chorus, not its prompts.
func castFile(c scenario.Cast, enabled bool) string {
	var b strings.Builder
	b.WriteString("bots:\n")
	for i := range c.Bots {
		fmt.Fprintf(&b, `  - name: %s
    token: env:NOT_NEEDED_IN_THE_EMULATOR
    username: %s
    typing_wpm: 400
    hourly_max: 1200
    persona:
      display_name: %s
      summary: Someone who is here to be measured, and says that it is a bot.
`, BotName(i), Username(i), displayName(i))
	}
	b.WriteString("chats:\n")
	for i := range c.Chats {
		made := chat(c, i)
		fmt.Fprintf(&b, "  - name: %s\n    telegram_id: %d\n    title: %s\n    kind: %s\n    enabled: %t\n    mean_gap: %s\n"+
			"    purpose: %s\n    topics: [characters, endings, pacing, dialogue]\n    cast:\n",
			chatName(i), made.ID, made.Title, made.Kind, enabled, c.MeanGap, made.Note)
		for k := range c.PerChat {
			fmt.Fprintf(&b, "      - %s\n", BotName(member(c, i, k)))
		}
	}
	return b.String()
}

// member is the bot that plays as the k-th in a chat.
func member(c scenario.Cast, chat, k int) int { return (chat*c.PerChat + k) % c.Bots }

// The first ids of the lab's chats and bots, each in Telegram's range for its kind.
const (
	firstSupergroup = -1_007_000_000_000
	firstGroup      = -7_000_000
	firstBot        = 7_000_000_000
)

// chat is a chat of the emulator. The last ones are the basic groups.
func chat(c scenario.Cast, i int) control.NewChat {
	made := world.Chat{ID: firstSupergroup - int64(i), Kind: world.Supergroup}
	if i >= c.Chats-int(c.Groups*float64(c.Chats)) {
		made = world.Chat{ID: firstGroup - int64(i), Kind: world.Group}
	}
	made.Title, made.Note = fmt.Sprintf("Load %d", i+1), "A group of bots in which the load lab measures."
	n := control.NewChat{Chat: made}
	for k := range c.PerChat {
		n.Members = append(n.Members, Username(member(c, i, k)))
	}
	return n
}

// Chats are the Telegram ids of the lab's chats in a cast.
func Chats(c scenario.Cast) map[int64]bool {
	ids := make(map[int64]bool, c.Chats)
	for i := range c.Chats {
		ids[chat(c, i).ID] = true
	}
	return ids
}

// token is no secret: it opens an emulator only.
func token(i int) secret.String {
	return secret.New(fmt.Sprintf("%d:the-load-labs-bot-%04d", firstBot+i, i+1))
}

func chatName(i int) string    { return fmt.Sprintf("load-%05d", i+1) }
func displayName(i int) string { return fmt.Sprintf("Persona %d", i+1) }

// BotName is the name of a bot of the lab's casts in the roster, counted from 0.
func BotName(i int) string { return fmt.Sprintf("load-%04d", i+1) }

// Username is its name on Telegram.
func Username(i int) string { return fmt.Sprintf("load_%04d_bot", i+1) }
