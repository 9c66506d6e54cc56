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

// Tag identifies the content of a cast, tokens aside: another cast has another tag.
func Tag(cast roster.Cast) string {
	_, tag := Tagged(cast)
	return tag
}

// Tagged returns a cast's file and its tag.
func Tagged(cast roster.Cast) (file []byte, tag string) {
	file = castfile.Format(cast.Present())
	sum := sha256.Sum256(file)
	return file, hex.EncodeToString(sum[:16])
}

// Draft is the plan of an apply, and the roster it was made for.
type Draft struct {
	Plan roster.Plan
	// Tag is the tag of the roster that the plan was made for.
	Tag string

	wanted roster.Cast
}

// Plan returns the changes that applying a file would make. It changes nothing itself; the
// resolvers in opts might.
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

// ApplyShown applies a file to the roster with this tag, so that exactly the shown changes are
// made. If the roster has changed, it returns rosterpg.ErrChanged and changes nothing.
func ApplyShown(ctx context.Context, pool *pgxpool.Pool, keyring secret.Keyring, file *castfile.File, tag string, opts Options) (roster.Plan, error) {
	tokens := rosterpg.Tokens{Keyring: keyring}
	current, err := rosterpg.Read(ctx, pool, tokens)
	if err != nil {
		return roster.Plan{}, err
	}
	if Tag(current) != tag { // before the resolvers create anything
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
