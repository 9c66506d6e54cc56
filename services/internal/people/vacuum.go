package people

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

const (
	// unvacuumed finds tables that were not vacuumed since the last erasure; a partitioned table,
	// if one of its partitions was not. An erasure ends some time after the request, and a vacuum
	// can't remove rows that an open transaction may see; the next one does.
	unvacuumed = `
SELECT root::text FROM (
    SELECT coalesce(pg_partition_root(s.relid), s.relid)::regclass AS root, coalesce(s.last_vacuum, '-infinity') AS vacuumed
    FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE c.relkind = 'r') parts
WHERE root IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)
GROUP BY root HAVING min(vacuumed) < (SELECT max(at) + $2::interval FROM forgotten WHERE marks IS NULL)
ORDER BY root::text`

	// erasureEnds is the time after the request within which an erasure may delete.
	erasureEnds = time.Hour
	// vacuumTimeout limits the vacuum of one table.
	vacuumTimeout = 5 * time.Minute
)

// erasedTables returns the tables that an erasure deletes from or writes to.
func erasedTables() []string {
	tables := []string{"dead_letters", "deliveries", "drafts", "memories", "turns"}
	for _, place := range Places() {
		table, _, _ := strings.Cut(place, ".")
		tables = append(tables, table)
	}
	return tables
}

// Vacuum makes PostgreSQL free the space of erased rows, and replace the samples of them that it
// keeps for planning queries. It does nothing if that was done since the last erasure.
func Vacuum(ctx context.Context, pool *pgxpool.Pool) error {
	tables, err := store.Collect(ctx, pool, "find tables to vacuum", pgx.RowTo[string], unvacuumed, erasedTables(), erasureEnds)
	if err != nil {
		return err
	}
	if len(tables) == 0 {
		return nil
	}
	for _, table := range tables {
		if err := vacuum(ctx, pool, "VACUUM (ANALYZE) "+table); err != nil {
			return err
		}
	}
	return vacuum(ctx, pool, "VACUUM pg_catalog.pg_statistic") // it holds the old samples
}

func vacuum(ctx context.Context, pool *pgxpool.Pool, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, vacuumTimeout)
	defer cancel()
	if _, err := pool.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}
