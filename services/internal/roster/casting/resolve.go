package casting

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// References resolves tokens by the file's references. Relative paths start in dir. warn, which may
// be nil, gets a line about each token file that every user of the machine can read.
func References(dir string, warn func(message string)) TokenResolver {
	r := secret.Resolver{Dir: dir, Warn: warn}
	return func(_ context.Context, bot roster.Bot) (secret.String, error) { return r.Resolve(bot.Token) }
}

// resolve fills in tokens and ids. It reports all errors at once.
func resolve(ctx context.Context, file *castfile.File, current roster.Cast, opts Options) (roster.Cast, error) {
	cast := roster.Cast{Bots: slices.Clone(file.Cast.Bots), Chats: slices.Clone(file.Cast.Chats)}
	var errs []error
	accounts := map[int64]string{}
	for i := range cast.Bots {
		b := &cast.Bots[i]
		if err := resolveBot(ctx, b, current, accounts, opts); err != nil {
			errs = append(errs, file.Problem(fmt.Sprintf("bots[%d].token", i), b.Token.String()+": "+err.Error(), ""))
		}
	}
	if len(errs) > 0 {
		return roster.Cast{}, errors.Join(errs...)
	}
	for i := range cast.Chats {
		if err := resolveChat(ctx, &cast.Chats[i], cast.Bots, current, opts); err != nil {
			errs = append(errs, file.Problem(fmt.Sprintf("chats[%d].telegram_id", i), schema.Missing+": "+err.Error(), ""))
		}
	}
	// Generated ids may collide with ids in the file.
	if err := cast.Validate(); len(errs) == 0 && err != nil {
		errs = append(errs, err)
	}
	return cast, errors.Join(errs...)
}

func resolveBot(ctx context.Context, b *roster.Bot, current roster.Cast, accounts map[int64]string, opts Options) error {
	token, err := opts.Token(ctx, *b)
	if err != nil {
		return err
	}
	if token.Empty() && slices.ContainsFunc(current.Bots, func(old roster.Bot) bool { return old.Name == b.Name }) {
		return nil
	}
	id, err := rosterpg.AccountID(token)
	if err != nil {
		return err
	}
	if other, found := accounts[id]; found {
		return fmt.Errorf("is a token of the same Telegram bot as that of %s: every bot needs its own", other)
	}
	accounts[id] = b.Name
	b.Secret, b.AccountID = token, id
	return nil
}

func resolveChat(ctx context.Context, c *roster.Chat, bots []roster.Bot, current roster.Cast, opts Options) error {
	if opts.Chat == nil {
		if c.TelegramID != 0 {
			return nil
		}
		known := slices.ContainsFunc(current.Chats, func(old roster.Chat) bool { return old.Name == c.Name })
		if !known {
			return errors.New("want the group's id, such as -1001234567890: add a bot to the group and look into its updates; only the emulator can do without")
		}
		return nil // the roster keeps its id
	}
	cast := slices.DeleteFunc(slices.Clone(bots), func(b roster.Bot) bool { return !slices.Contains(c.Cast, b.Name) })
	id, err := opts.Chat(ctx, *c, cast)
	if err != nil {
		return fmt.Errorf("no group could be made for %s: %w", c.Name, err)
	}
	c.TelegramID, c.Kind = id, roster.KindOf(id)
	return nil
}
