package casting

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// Tag names a cast as it is, without its tokens: another one has another tag.
func Tag(cast roster.Cast) string {
	_, tag := Tagged(cast)
	return tag
}

// Tagged is the file of a cast as it is, and its tag.
func Tagged(cast roster.Cast) (file []byte, tag string) {
	file = castfile.Format(cast.Present())
	sum := sha256.Sum256(file)
	return file, hex.EncodeToString(sum[:16])
}

// Draft is what a file would change of the roster, and of which roster.
type Draft struct {
	Plan roster.Plan
	// Tag is that of the roster that the plan is made for.
	Tag string

	wanted roster.Cast
}

// Plan tells what applying a file would change. It changes nothing, if the resolvers of
// the options don't.
func Plan(ctx context.Context, pool *pgxpool.Pool, keyring secret.Keyring, file *castfile.File, opts Options) (Draft, error) {
	current, err := rosterpg.Read(ctx, pool, rosterpg.Tokens{Keyring: keyring})
	if err != nil {
		return Draft{}, err
	}
	wanted, err := resolve(ctx, file, current, opts)
	if err != nil {
		return Draft{}, err
	}
	return Draft{Plan: roster.Diff(current, wanted, opts.Prune), Tag: Tag(current), wanted: wanted}, nil
}

// ApplyShown applies a file to the roster of a tag, so that what changes is what somebody
// was shown. rosterpg.ErrChanged says that the roster is another one by now; then nothing
// is changed.
func ApplyShown(ctx context.Context, pool *pgxpool.Pool, keyring secret.Keyring, file *castfile.File, tag string, opts Options) (roster.Plan, error) {
	tokens := rosterpg.Tokens{Keyring: keyring}
	current, err := rosterpg.Read(ctx, pool, tokens)
	if err != nil {
		return roster.Plan{}, err
	}
	if Tag(current) != tag { // before the resolvers make anything
		return roster.Plan{}, rosterpg.ErrChanged
	}
	wanted, err := resolve(ctx, file, current, opts)
	if err != nil {
		return roster.Plan{}, err
	}
	return rosterpg.Apply(ctx, pool, tokens, opts.request(wanted, func(now roster.Cast, _ roster.Plan) error {
		if Tag(now) != tag {
			return rosterpg.ErrChanged
		}
		return nil
	}))
}
