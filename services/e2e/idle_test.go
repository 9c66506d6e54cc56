package e2e_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	// idleFor is the time to settle, and then to measure.
	idleFor = time.Minute
	// maxIdleStatements limits the statements in that time.
	maxIdleStatements = 60
)

// BenchmarkIdle prints the cost of an installation whose cast sleeps: the statements of all
// services in a minute and their CPU time, with one chat and with 2,000. The worse of the
// two counts.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		var statements int
		var cpu float64
		for _, chats := range []int{1, 2000} {
			n, percent := idle(b, chats)
			statements, cpu = max(statements, n), max(cpu, percent)
		}
		fmt.Printf("figure idle.sql_per_min %d statements\nfigure idle.cpu_pct %.2f percent\n", statements, cpu)
		if statements > maxIdleStatements {
			b.Errorf("%d statements a minute, want %d at most", statements, maxIdleStatements)
		}
	}
}

// idle measures an installation without work.
func idle(b *testing.B, chats int) (statements int, cpu float64) {
	b.Helper()
	server := testenv.PostgresServer(b, map[string]string{"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "top"})
	d := deployOn(b, server.DSN("postgres"), troupe{bots: 10, supergroups: chats, perChat: 4, gap: time.Hour}.file(b))
	pool := d.pool()
	for _, sql := range []string{
		`CREATE EXTENSION pg_stat_statements`,
		`UPDATE bots SET active_hours = ARRAY[to_char(now() + interval '6 hours', 'HH24:MI') || '-' || to_char(now() + interval '7 hours', 'HH24:MI')]`,
	} {
		if _, err := pool.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	services := []string{"planner", "generator", "sender", "listener", "console"}
	d.start(services...)
	pass(b, idleFor)
	// Reading the metrics makes a service check its readiness. These statements aren't
	// counted.
	before, began := d.processorTime(services), time.Now()
	if _, err := pool.Exec(b.Context(), `SELECT pg_stat_statements_reset()`); err != nil {
		b.Fatal(err)
	}
	pass(b, idleFor)
	statements = d.statements(pool)
	took := time.Since(began)
	cpu = 100 * (d.processorTime(services) - before).Seconds() / took.Seconds()
	b.Logf("%d chats: %d statements in %v, %.2f %% of a core", chats, statements, took.Round(time.Second), cpu)
	return statements, cpu
}

// statements counts the services' statements since the last reset, and logs the most
// frequent ones.
func (d *deployment) statements(pool *pgxpool.Pool) (n int) {
	d.t.Helper()
	rows, err := pool.Query(d.t.Context(), `
SELECT calls, query FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query NOT LIKE '%pg_stat_statements%' ORDER BY 1 DESC`)
	if err != nil {
		d.t.Fatal(err)
	}
	var list strings.Builder
	var calls int
	var query string
	if _, err := pgx.ForEachRow(rows, []any{&calls, &query}, func() error {
		n += calls
		fmt.Fprintf(&list, "%4d  %.120s\n", calls, strings.Join(strings.Fields(query), " "))
		return nil
	}); err != nil {
		d.t.Fatal(err)
	}
	d.t.Logf("statements:\n%s", list.String())
	return n
}

// processorTime returns the CPU time that services have used.
func (d *deployment) processorTime(services []string) (sum time.Duration) {
	d.t.Helper()
	for _, s := range services {
		found := regexp.MustCompile(`(?m)^process_cpu_seconds_total (\S+)$`).FindStringSubmatch(d.scrape(s))
		if found == nil {
			d.t.Fatalf("the %s does not tell its processor time", s)
		}
		seconds, err := strconv.ParseFloat(found[1], 64)
		if err != nil {
			d.t.Fatal(err)
		}
		sum += time.Duration(seconds * float64(time.Second))
	}
	return sum
}
