package cast

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/roster/casting"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

type fileAnswer struct {
	Body struct {
		File string `json:"file" doc:"YAML, as chorus export writes it"`
		Tag  string `json:"tag" doc:"names the cast as it is now"`
	}
}

type planned struct {
	Body struct {
		File  string `json:"file" doc:"a cast file"`
		Prune bool   `json:"prune,omitempty" doc:"remove what the file does not name"`
		// Tokens are given once: the answer has them sealed.
		Tokens map[string]string `json:"tokens,omitempty" doc:"tokens of bots by their names, where the file has no reference"`
	}
}

// shownPlan holds the changes that a file would make.
type shownPlan struct {
	Changes []roster.Shown    `json:"changes"`
	Notes   []string          `json:"notes,omitempty"`
	Tag     string            `json:"tag,omitempty" doc:"of the roster that it was planned for; apply-cast wants it"`
	Sealed  map[string]string `json:"sealed,omitempty" doc:"the tokens that were given, sealed; apply-cast wants them"`
}

type planAnswer struct{ Body shownPlan }

type applied struct {
	Body struct {
		File   string            `json:"file" doc:"the file that was planned"`
		Prune  bool              `json:"prune,omitempty" doc:"as it was planned"`
		Tag    string            `json:"tag" doc:"as plan-cast gave it"`
		Sealed map[string]string `json:"sealed,omitempty" doc:"as plan-cast gave it"`
	}
}

func (a *Area) readCast(ctx context.Context, _ *struct{}) (*fileAnswer, error) {
	cast, err := a.roster(ctx)
	if err != nil {
		return nil, err
	}
	file, tag := casting.Tagged(cast)
	out := &fileAnswer{}
	out.Body.File, out.Body.Tag = string(file), tag
	return out, nil
}

// parse reads a cast file and returns its errors as errors of the request.
func parse(text string) (*castfile.File, error) {
	file, err := castfile.Parse("line ", []byte(text))
	if err != nil {
		return nil, operation.Invalid(tidy(err))
	}
	return file, nil
}

// tidy says "line 3:5" for the place of a mistake.
func tidy(err error) error { return errors.New(strings.ReplaceAll(err.Error(), "line :", "line ")) }

func (a *Area) planCast(ctx context.Context, in *planned) (*planAnswer, error) {
	file, err := parse(in.Body.File)
	if err != nil {
		return nil, err
	}
	tokens := rosterpg.Tokens{Keyring: a.Keys}
	sealed := map[string]string{}
	for bot, token := range in.Body.Tokens {
		given := secret.New(strings.TrimSpace(token))
		if _, err := rosterpg.AccountID(given); err != nil {
			return nil, operation.Invalid(fmt.Errorf("token of %s: %w", bot, err))
		}
		box, err := tokens.Seal(bot, given)
		if err != nil {
			return nil, err
		}
		sealed[bot] = base64.StdEncoding.EncodeToString(box)
	}
	opts, err := a.options(ctx, sealed, in.Body.Prune, a.notMade())
	if err != nil {
		return nil, err
	}
	draft, err := casting.Plan(ctx, a.Pool, a.Keys, file, opts)
	if err != nil {
		return nil, refused(err)
	}
	out := &planAnswer{shownPlan{Changes: a.shown(draft.Plan), Notes: draft.Plan.Notes, Tag: draft.Tag, Sealed: sealed}}
	return out, nil
}

func (a *Area) applyCast(ctx context.Context, in *applied) (*planAnswer, error) {
	file, err := parse(in.Body.File)
	if err != nil {
		return nil, err
	}
	opts, err := a.options(ctx, in.Body.Sealed, in.Body.Prune, a.Tools)
	if err != nil {
		return nil, err
	}
	plan, err := casting.ApplyShown(ctx, a.Pool, a.Keys, file, in.Body.Tag, opts)
	if errors.Is(err, rosterpg.ErrChanged) {
		return nil, fmt.Errorf("%w: somebody else changed the cast since this was shown; nothing was changed. Look at it again", operation.ErrConflict)
	}
	if err != nil {
		return nil, refused(err)
	}
	casting.Note(ctx, plan)
	if err := a.tryNow(ctx, plan); err != nil {
		return nil, err
	}
	return &planAnswer{shownPlan{Changes: plan.Shown(), Notes: plan.Notes}}, nil
}

// tryNow lets what Telegram refuses those who changed be tried at once: the change may
// have mended the cause.
func (a *Area) tryNow(ctx context.Context, plan roster.Plan) error {
	var bots, chats []string
	for _, c := range plan.Changes {
		switch {
		case c.Op == roster.Remove:
		case c.Bot != nil:
			bots = append(bots, c.Bot.Name)
		default:
			chats = append(chats, c.Chat.Name)
		}
	}
	return rosterpg.TryNow(ctx, a.Pool, bots, chats)
}

// refused tells mistakes of who asks from those of the machinery.
func refused(err error) error {
	if _, mistake := errors.AsType[*castfile.Error](err); mistake {
		return operation.Invalid(tidy(err))
	}
	if _, mistake := errors.AsType[schema.Problems](err); mistake || strings.Contains(err.Error(), "nothing was changed") {
		return operation.Invalid(err)
	}
	return err
}

// options returns how a file is applied: known bots keep their tokens, unless the file refers
// to another token or one was given. The tools make accounts and groups where that is
// possible.
func (a *Area) options(ctx context.Context, sealed map[string]string, prune bool, tools Tools) (casting.Options, error) {
	current, err := a.roster(ctx)
	if err != nil {
		return casting.Options{}, err
	}
	known := map[string]secret.Ref{}
	for _, b := range castfile.WithReferences(current.Present().Bots) {
		known[b.Name] = b.Token
	}
	for _, b := range current.Bots {
		if b.Removed {
			known[b.Name] = secret.Ref{Env: castfile.Variable(b.Name)}
		}
	}
	tokens := rosterpg.Tokens{Keyring: a.Keys}
	who := access.From(ctx)
	by := ""
	if who != nil {
		by = who.Name
	}
	opts := casting.Options{Prune: prune, By: by, Token: func(ctx context.Context, b roster.Bot) (secret.String, error) {
		if text, given := sealed[b.Name]; given {
			box, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return secret.String{}, errors.New("the sealed token is damaged: give the token again")
			}
			return tokens.Open(b.Name, box)
		}
		if ref, is := known[b.Name]; is && (b.Token == ref || tools.Token != nil) {
			return secret.String{}, nil
		}
		if tools.Token != nil {
			return tools.Token(ctx, b)
		}
		return resolve(b.Token, who)
	}}
	if tools.Chat != nil {
		opts.Chat = func(ctx context.Context, c roster.Chat, cast []roster.Bot) (int64, error) {
			for _, old := range current.Chats {
				if old.Name == c.Name && c.TelegramID == 0 {
					c.TelegramID = old.TelegramID
				}
			}
			return tools.Chat(ctx, c, cast)
		}
	}
	return opts, nil
}

// tokenVariables are the variables that may be referred to: others hold other secrets.
const tokenVariables = "CHORUS_TOKEN_"

// resolve finds a token on the console's machine, where who may not read its secrets may
// not look around either.
func resolve(ref secret.Ref, who *access.Principal) (secret.String, error) {
	if who.May(access.Admin, true) != nil && !strings.HasPrefix(ref.Env, tokenVariables) {
		return secret.String{}, fmt.Errorf("only an admin may refer to files and to variables that don't begin with %s: paste the token instead", tokenVariables)
	}
	return secret.Resolve(ref)
}

// notMade returns tools that make nothing: they return placeholders for the accounts and
// groups that applying the file would make in the emulator.
func (a *Area) notMade() Tools {
	if a.Token == nil {
		return Tools{}
	}
	number := func(name string) int64 {
		const digits = 1_000_000_000_000
		h := fnv.New64a()
		_, _ = h.Write([]byte(name)) // it never fails
		return int64(h.Sum64()%digits) + digits
	}
	return Tools{
		Token: func(_ context.Context, b roster.Bot) (secret.String, error) {
			return secret.New(fmt.Sprintf("%d:not-made", number(b.Name))), nil
		},
		Chat: func(_ context.Context, c roster.Chat, _ []roster.Bot) (int64, error) {
			return cmp.Or(c.TelegramID, -number(c.Name)), nil
		},
	}
}

// shown is a plan without what was made up for it.
func (a *Area) shown(plan roster.Plan) []roster.Shown {
	all := plan.Shown()
	for i, c := range plan.Changes {
		if a.Token == nil || c.Op != roster.Create {
			continue
		}
		for j, e := range all[i].Edits {
			if e.Path == roster.TokenPath || e.Path == "telegram_id" {
				all[i].Edits[j].After = "(made by the emulator)"
			}
		}
	}
	return all
}

type versionsAsked struct {
	Before int64 `query:"before" doc:"only older ones than this number"`
}

type versionsAnswer struct {
	Body struct {
		Versions []rosterpg.Version `json:"versions"`
		Next     int64              `json:"next,omitempty" doc:"give it as before to go on"`
	}
}

type versionAsked struct {
	ID int64 `path:"id"`
}

type versionAnswer struct{ Body rosterpg.Version }

func (a *Area) listVersions(ctx context.Context, in *versionsAsked) (*versionsAnswer, error) {
	found, err := rosterpg.Versions(ctx, a.Pool, in.Before, perPage+1)
	if err != nil {
		return nil, err
	}
	out := &versionsAnswer{}
	if len(found) > perPage {
		found = found[:perPage]
		out.Body.Next = found[perPage-1].ID
	}
	out.Body.Versions = found
	return out, nil
}

func (a *Area) readVersion(ctx context.Context, in *versionAsked) (*versionAnswer, error) {
	found, err := rosterpg.ReadVersion(ctx, a.Pool, in.ID)
	if errors.Is(err, rosterpg.ErrNoVersion) {
		return nil, fmt.Errorf("version %d: %w", in.ID, operation.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return &versionAnswer{found}, nil
}
