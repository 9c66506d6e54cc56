// Package peopletest searches everything that an installation stores, to test erasures.
package peopletest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
)

const textColumns = `
SELECT c.table_name::text, c.column_name::text, c.data_type::text
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
  AND (c.data_type IN ('text', 'bytea', 'json', 'jsonb', 'ARRAY', 'character varying') OR c.data_type LIKE 'USER%')`

// fewest is the least number of text columns: with fewer, the search would be in the wrong
// database.
const fewest = 50

// Search returns each place that contains a text, ignoring case: columns of all tables, and
// messages of all streams.
func Search(t testing.TB, pool *pgxpool.Pool, js jetstream.JetStream, text string) []string {
	t.Helper()
	return append(Tables(t, pool, text), streams(t, js, text)...)
}

// Tables returns the columns of all tables that contain a text.
func Tables(t testing.TB, pool *pgxpool.Pool, text string) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), textColumns)
	if err != nil {
		t.Fatal(err)
	}
	var table, column, kind string
	var asked []string
	if _, err := pgx.ForEachRow(rows, []any{&table, &column, &kind}, func() error {
		holds := fmt.Sprintf(`%q::text ILIKE '%%' || $1 || '%%'`, column)
		if kind == "bytea" {
			holds = fmt.Sprintf(`position(lower($1) IN lower(encode(%q, 'escape'))) > 0`, column)
		}
		asked = append(asked, fmt.Sprintf(`SELECT '%s.%s', count(*) FROM %q WHERE %s HAVING count(*) > 0`, table, column, table, holds))
		return nil
	}); err != nil || len(asked) < fewest {
		t.Fatalf("%d columns hold texts: %v", len(asked), err)
	}
	found, err := pool.Query(t.Context(), strings.Join(asked, " UNION ALL "), text)
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	var n int
	if _, err := pgx.ForEachRow(found, []any{&table, &n}, func() error {
		places = append(places, fmt.Sprintf("%s %d", table, n))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return places
}

func streams(t testing.TB, js jetstream.JetStream, text string) (places []string) {
	t.Helper()
	for name := range js.StreamNames(t.Context()).Name() {
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		state := stream.CachedInfo().State
		for sequence := state.FirstSeq; sequence <= state.LastSeq; sequence++ {
			m, err := stream.GetMsg(t.Context(), sequence)
			if err != nil {
				continue // deleted
			}
			if bytes.Contains(bytes.ToLower(m.Data), []byte(strings.ToLower(text))) {
				places = append(places, fmt.Sprintf("stream %s message %d", name, sequence))
			}
		}
	}
	return places
}
