// Package casting applies cast files to the roster and exports the roster to
// cast files, for whoever has a database and somebody to talk to.
package casting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// TokenResolver finds the token of a bot. It is given the bot as its file
// describes it, and must not put the token into an error. An empty token keeps the one
// that the roster has.
type TokenResolver func(ctx context.Context, bot roster.Bot) (secret.String, error)

// ChatResolver finds the Telegram id of a chat, which is the one in its file, if
// that gives one, unless the chat has moved. All bots have been resolved by then.
type ChatResolver func(ctx context.Context, chat roster.Chat, cast []roster.Bot) (int64, error)

// Options is how a file is applied.
type Options struct {
	// DryRun shows the plan and changes nothing.
	DryRun bool
	// Prune removes bots, chats and memories that the file doesn't have.
	Prune bool
	// By is who applies it, for the history; "chorus apply" if it is empty.
	By string
	// Yes goes on without asking, where something is pruned or sealed anew.
	Yes bool
	// Confirm asks a person; nil if there is none to ask. See Terminal.
	Confirm func(ctx context.Context, question string) (bool, error)
	// Token is References(file's folder) if it is nil.
	Token TokenResolver
	// Chat may be nil: then every new chat must have its id. Otherwise it is asked
	// for every chat.
	Chat ChatResolver
}

// ErrDeclined says that whoever was asked said no. Nothing was changed.
var ErrDeclined = errors.New("declined: nothing was changed")

// Apply makes the roster what a file says, and writes what changes to out. "-"
// is the standard input. Either all of it is applied or nothing; applying it
// again changes nothing. Mistakes in the file come as *castfile.Error, joined.
func Apply(ctx context.Context, pool *pgxpool.Pool, keyring secret.Keyring, path string, opts Options, out io.Writer) error {
	file, err := castfile.Load(path)
	if err != nil {
		return err
	}
	if opts.Token == nil {
		opts.Token = References(filepath.Dir(path), nil)
	}
	tokens := rosterpg.Tokens{Keyring: keyring}
	current, err := rosterpg.Read(ctx, pool, tokens)
	if err != nil {
		return err
	}
	wanted, err := resolve(ctx, file, current, opts)
	if err != nil {
		return err
	}
	shown := roster.Diff(current, wanted, opts.Prune)
	stale, err := staleTokens(ctx, pool, tokens)
	if err != nil {
		return err
	}
	if err := show(out, shown, stale, keyring); err != nil {
		return err
	}
	if opts.DryRun {
		return nil
	}
	if err := opts.askAll(ctx, shown, stale); err != nil {
		return err
	}
	if !shown.Empty() {
		if _, err = rosterpg.Apply(ctx, pool, tokens, opts.request(wanted, func(_ roster.Cast, now roster.Plan) error {
			if !now.Equal(shown) {
				return rosterpg.ErrChanged
			}
			return nil
		})); err != nil {
			return err
		}
	}
	Note(ctx, shown)
	if stale > 0 {
		if _, _, err := tokens.Rotate(ctx, pool); err != nil {
			return err
		}
	}
	if err := tryNow(ctx, pool, wanted, out); err != nil {
		return err
	}
	return hint(out, shown)
}

// Note tells the audit log what an apply has changed: "bot anna", or how many there are.
func Note(ctx context.Context, plan roster.Plan) {
	shown := plan.Shown()
	object := fmt.Sprintf("cast (%d changes)", len(shown))
	if len(shown) == 1 {
		object = shown[0].Name
	}
	audit.Note(ctx, object, nil, shown)
}

func (o Options) request(wanted roster.Cast, approve func(roster.Cast, roster.Plan) error) rosterpg.Request {
	return rosterpg.Request{Wanted: wanted, Prune: o.Prune, By: cmp.Or(o.By, "chorus apply"), Approve: approve}
}

// hint leads from new tokens to what Telegram says of them, which nobody has asked it.
func hint(out io.Writer, applied roster.Plan) error {
	if !slices.ContainsFunc(applied.Changes, func(c roster.Change) bool {
		return c.Bot != nil && (c.Op == roster.Restore || c.Edited(roster.TokenPath))
	}) {
		return nil
	}
	if _, err := fmt.Fprintln(out, "chorus check tells what Telegram thinks of the tokens"); err != nil {
		return fmt.Errorf("show what to do next: %w", err)
	}
	return nil
}

// tryNow lets what Telegram refuses the cast be tried at once: who applies a cast
// may have mended the cause, be it in the file or not.
func tryNow(ctx context.Context, pool *pgxpool.Pool, cast roster.Cast, out io.Writer) error {
	var bots, chats []string
	for _, b := range cast.Bots {
		bots = append(bots, b.Name)
	}
	for _, c := range cast.Chats {
		chats = append(chats, c.Name)
	}
	states, err := rosterpg.Refusals(ctx, pool)
	if err != nil {
		return err
	}
	for _, s := range states {
		if s.What() == "" || s.Trial || !slices.Contains(bots, s.Bot) && !slices.Contains(chats, s.Chat) {
			continue
		}
		if _, err := fmt.Fprintf(out, "%s is %s: it is tried again now\n", s.Subject(), s.Reason()); err != nil {
			return fmt.Errorf("show what is tried again: %w", err)
		}
	}
	return rosterpg.TryNow(ctx, pool, bots, chats)
}

func staleTokens(ctx context.Context, pool *pgxpool.Pool, tokens rosterpg.Tokens) (int, error) {
	states, err := tokens.States(ctx, pool)
	return rosterpg.StaleCount(states), err
}

// show writes what an apply changes. That a new first key seals the tokens anew is
// a change, too.
func show(out io.Writer, plan roster.Plan, stale int, keys secret.Keyring) error {
	text := plan.String()
	if stale > 0 {
		if plan.Empty() {
			text = ""
		}
		text += fmt.Sprintf("~ %d tokens are sealed anew. %s\n", stale, Sealing(keys))
	}
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("show the plan: %w", err)
	}
	return nil
}

// Sealing says which of the keys seals, and who must have it before it does.
func Sealing(keys secret.Keyring) string {
	return fmt.Sprintf("Key %s seals them: all senders and listeners must have been restarted with it before, because without it they are not ready.",
		keys.Keys()[0].ID())
}

// HaveKey asks whether tokens may be sealed with the first key.
const HaveKey = "Do all senders and listeners have this key?"

// askAll gets a yes for what can't be undone by applying the old file again.
func (o Options) askAll(ctx context.Context, plan roster.Plan, stale int) error {
	if removed, forgotten := plan.Count(roster.Remove), plan.Forgotten(); o.Prune && removed+forgotten > 0 {
		if err := o.ask(ctx, fmt.Sprintf("Remove %d bots and chats and %d memories?", removed, forgotten)); err != nil {
			return err
		}
	}
	if stale > 0 {
		return o.ask(ctx, HaveKey)
	}
	return nil
}

func (o Options) ask(ctx context.Context, question string) error {
	switch {
	case o.Yes:
		return nil
	case o.Confirm == nil:
		return fmt.Errorf("%s There is nobody to ask, because the input is no terminal: give --yes to go on without", question)
	}
	yes, err := o.Confirm(ctx, question)
	if err != nil {
		return err
	}
	if !yes {
		return ErrDeclined
	}
	return nil
}

// Export writes the roster to out as a file that Apply takes with nothing to
// change. Tokens become references: give each bot's token in the environment
// variable that castfile.Variable names.
func Export(ctx context.Context, pool *pgxpool.Pool, keyring secret.Keyring, out io.Writer) error {
	cast, err := rosterpg.Read(ctx, pool, rosterpg.Tokens{Keyring: keyring})
	if err != nil {
		return err
	}
	if _, err := out.Write(castfile.Format(cast.Present())); err != nil {
		return fmt.Errorf("export the roster: %w", err)
	}
	return nil
}
