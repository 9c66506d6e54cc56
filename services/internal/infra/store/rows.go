package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Querier runs a query; a pgx pool, connection or transaction does.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Collect reads all rows of a query. An error begins with what the query is for.
func Collect[T any](ctx context.Context, db Querier, what string, row pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, _ := db.Query(ctx, sql, args...) // its error is that of the rows, too
	all, err := pgx.CollectRows(rows, row)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return all, nil
}

// Each reads the rows of a query one by one into the same places.
func Each(ctx context.Context, db Querier, what string, into []any, do func() error, sql string, args ...any) error {
	rows, _ := db.Query(ctx, sql, args...) // as above
	if _, err := pgx.ForEachRow(rows, into, do); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
