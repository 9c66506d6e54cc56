package rosterpg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
)

// Version is a cast as it was applied.
type Version struct {
	ID int64     `json:"id"`
	At time.Time `json:"at"`
	By string    `json:"by"`
	// Changes is what it changed; empty for the first version, which holds the cast before the
	// history.
	Changes []roster.Shown `json:"changes"`
	// File is the whole cast, without tokens. Lists of versions leave it out.
	File string `json:"file,omitempty"`
}

// keptVersions limits the stored versions: the oldest are deleted.
const keptVersions = 500

const (
	// The first version of a roster that is older than its history is the cast before the change.
	firstVersion = `
INSERT INTO cast_versions (actor, file, changes) SELECT '', $1, '[]' WHERE NOT EXISTS (SELECT FROM cast_versions)`
	addVersion  = `INSERT INTO cast_versions (actor, file, changes) VALUES ($1, $2, $3)`
	dropVersion = `DELETE FROM cast_versions WHERE id <= (SELECT id FROM cast_versions ORDER BY id DESC OFFSET $1 LIMIT 1)`

	listVersions = `SELECT id, at, actor, changes, '' FROM cast_versions WHERE id < $1 ORDER BY id DESC LIMIT $2`
	readVersion  = `SELECT id, at, actor, changes, file FROM cast_versions WHERE id = $1`
)

// keepVersion stores the cast after a transaction's changes.
func keepVersion(ctx context.Context, tx pgx.Tx, tokens Tokens, by string, before roster.Cast, plan roster.Plan) error {
	after, err := Read(ctx, tx, tokens)
	if err != nil {
		return err
	}
	changes, err := json.Marshal(plan.Shown())
	if err != nil {
		return fmt.Errorf("keep the version: %w", err)
	}
	var b pgx.Batch
	if before = before.Present(); len(before.Bots)+len(before.Chats) > 0 {
		b.Queue(firstVersion, string(castfile.Format(before)))
	}
	b.Queue(addVersion, by, string(castfile.Format(after.Present())), changes)
	b.Queue(dropVersion, keptVersions)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("keep the version: %w", err)
	}
	return nil
}

// Versions lists the versions before a version, the newest first; 0 starts with the newest.
func Versions(ctx context.Context, db store.Querier, before int64, limit int) ([]Version, error) {
	const newest = 1<<63 - 1
	if before == 0 {
		before = newest
	}
	return store.Collect(ctx, db, "list versions of the cast", pgx.RowToStructByPos[Version], listVersions, before, limit)
}

// ErrNoVersion reports that there is no version of that number.
var ErrNoVersion = errors.New("there is no such version")

// ReadVersion returns a version with its file.
func ReadVersion(ctx context.Context, db store.Querier, id int64) (Version, error) {
	found, err := store.Collect(ctx, db, "read a version of the cast", pgx.RowToStructByPos[Version], readVersion, id)
	if err != nil {
		return Version{}, err
	}
	if len(found) == 0 {
		return Version{}, ErrNoVersion
	}
	return found[0], nil
}
