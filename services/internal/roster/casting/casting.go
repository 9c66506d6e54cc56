// Package casting applies cast files to the roster, and exports the roster to cast files. The
// command line and the console use it.
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

// TokenResolver returns the token of a bot, which is passed as its file describes it. Its errors
// must not contain the token. An empty token keeps the roster's token.
type TokenResolver func(ctx context.Context, bot roster.Bot) (secret.String, error)

// ChatResolver returns the Telegram id of a chat: the id in its file, if there is one, unless the
// chat has moved. All bots are resolved before it is called.
type ChatResolver func(ctx context.Context, chat roster.Chat, cast []roster.Bot) (int64, error)

// Options configures Apply.
type Options struct {
	// DryRun shows the plan and changes nothing.
	DryRun bool
	// Prune removes bots, chats and memories that the file doesn't have.
	Prune bool
	// By names the author for the history; "" means "chorus apply".
	By string
	// Yes skips the questions before a prune or a reseal of tokens.
	Yes bool
	// Confirm asks a person; nil if there is none to ask. See Terminal.
	Confirm func(ctx context.Context, question string) (bool, error)
	// Token defaults to References(the file's folder).
	Token TokenResolver
	// Chat is called for every chat. If it is nil, every new chat must have its id.
	Chat ChatResolver
}

// ErrDeclined reports that the person who was asked said no. Nothing was changed.
var ErrDeclined = errors.New("declined: nothing was changed")

// Apply changes the roster to a file's cast, and writes the changes to out. "-" is the standard
// input. It applies everything or nothing; applying a file again changes nothing. Errors in the
// file are joined *castfile.Error.
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

// Note records an apply in the audit log: "bot anna", or the number of changes.
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

// hint points to chorus check after new tokens, because Apply doesn't test them at Telegram.
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

// tryNow schedules an immediate retry of everything that Telegram refuses for this cast: its author
// may have fixed the cause, in the file or elsewhere.
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

// show writes the changes. Resealing tokens with a new first key is a change, too.
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

// Sealing says which key seals, and which services must have it first.
func Sealing(keys secret.Keyring) string {
	return fmt.Sprintf("Key %s seals them: all senders and listeners must have been restarted with it before, because without it they are not ready.",
		keys.Keys()[0].ID())
}

// HaveKey is the question before tokens are sealed with the first key.
const HaveKey = "Do all senders and listeners have this key?"

// askAll asks before changes that applying the old file can't undo.
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

// Export writes the roster to out as a file; applying it changes nothing. It writes references
// instead of tokens: put each bot's token into the environment variable that castfile.Variable
// names.
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
