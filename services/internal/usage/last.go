package usage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Failure is a call for a text that failed, after which none was made.
type Failure struct {
	At       time.Time
	Provider string
	// Outcome is how it failed, as in Call.
	Outcome string
	// Written is when the last text was written; zero if none is known.
	Written time.Time
}

const lastText = `
SELECT at, provider, outcome, (SELECT max(at) FROM llm_calls WHERE purpose IN ('text', 'rewrite') AND outcome = 'written')
FROM llm_calls WHERE purpose IN ('text', 'rewrite') ORDER BY at DESC, id DESC LIMIT 1`

// LastFailure is the last call for a text, if it failed; nil else. A few seconds' calls
// may not be written down yet.
func LastFailure(ctx context.Context, pool *pgxpool.Pool) (*Failure, error) {
	var f Failure
	var written *time.Time
	err := pool.QueryRow(ctx, lastText).Scan(&f.At, &f.Provider, &f.Outcome, &written)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil //nolint:nilnil // there is none
	case err != nil:
		return nil, fmt.Errorf("look for the last text: %w", err)
	case f.Outcome == Written:
		return nil, nil //nolint:nilnil // there is none
	}
	if written != nil {
		f.Written = *written
	}
	return &f, nil
}
