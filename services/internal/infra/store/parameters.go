package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// options is the one start-up parameter that has no other way: it is a command line.
const options = "options"

// parameters are the server's parameters of each session.
func (c Config) parameters() map[string]string {
	all := map[string]string{
		"application_name":  cmp.Or(c.Name, "chorus"),
		"statement_timeout": strconv.FormatInt(c.StatementTimeout.Milliseconds(), 10),
		// A transaction whose owner is gone must not hold its locks for ever.
		"idle_in_transaction_session_timeout": "30000",
		// All statements are short. One over the many partitions of the messages looks
		// expensive all the same, and would be compiled for a tenth of a second, each
		// time anew.
		"jit": "off",
		// Statements name the rows that they want by keys. PostgreSQL plans a prepared
		// one while the tables are young, would take reading all of one for the cheapest,
		// and keep to that while they grow: until it next looks at them, minutes later,
		// each costs as much more as there are more rows.
		"enable_seqscan": "off",
		// So what they are asked for changes nothing about the best way to it, and they
		// are planned once for a connection. Else PostgreSQL plans most of them anew each
		// time, because it knows better then how many rows there will be: over the many
		// partitions of the messages that takes milliseconds, to run them a tenth of one.
		"plan_cache_mode": "force_generic_plan",
	}
	if c.byKey {
		// While a table is tiny, reading all of an index looks as cheap as a look into it,
		// and the plan stays. A bitmap scan is only possible with a condition on the index.
		all["enable_indexscan"], all["enable_indexonlyscan"] = "off", "off"
	}
	return all
}

// prepare lets connections set their parameters after they are made, those of the
// URL too, rather than ask for them while they are: PgBouncer refuses a connection
// that asks for parameters that it does not know. What is set holds for the session,
// which a pooler by session gives to nobody else, and resets afterwards.
func (c Config) prepare(conn *pgx.ConnConfig) {
	wanted := conn.RuntimeParams
	conn.RuntimeParams = map[string]string{}
	if value, given := wanted[options]; given {
		conn.RuntimeParams[options] = value
		delete(wanted, options)
	}
	maps.Copy(wanted, c.parameters())
	before := conn.AfterConnect
	conn.AfterConnect = func(ctx context.Context, pc *pgconn.PgConn) error {
		if before != nil {
			if err := before(ctx, pc); err != nil {
				return err
			}
		}
		return set(ctx, pc, wanted)
	}
}

// set sets parameters of the session in one statement.
func set(ctx context.Context, conn *pgconn.PgConn, parameters map[string]string) error {
	var calls []string
	var values [][]byte
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		values = append(values, []byte(name), []byte(parameters[name]))
		calls = append(calls, fmt.Sprintf("set_config($%d, $%d, false)", len(values)-1, len(values)))
	}
	if _, err := conn.ExecParams(ctx, "SELECT "+strings.Join(calls, ", "), values, nil, nil, nil).Close(); err != nil {
		return fmt.Errorf("set the session's parameters: %w", err)
	}
	return nil
}
