package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// fillPage inserts a row that leaves no room for another one on its page.
const fillPage = `INSERT INTO write_probes (filler) VALUES (repeat('x', 6000))`

var errTakeBack = errors.New("the probe is taken back")

// Writable is an error unless the database takes what is written: it may answer
// and be read-only, or its disk may be full. It inserts a row and rolls it back.
func Writable(ctx context.Context, pool *pgxpool.Pool) error {
	err := InTx(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fillPage); err != nil {
			return fmt.Errorf("the database takes no writes: %w", err)
		}
		return errTakeBack
	})
	if errors.Is(err, errTakeBack) {
		return nil
	}
	return err
}
