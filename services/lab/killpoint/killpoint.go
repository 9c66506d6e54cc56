// Package killpoint lets a test kill a process at named points, before and after each step
// that has an effect: by SIGKILL (Killer), or by cutting it off from the database for good
// (Pool).
package killpoint

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// Name returns the name of a statement: its first line if that is a comment, or the whole statement
// if it is one word. Any other statement has no name.
func Name(sql string) string {
	if name, named := strings.CutPrefix(sql, "-- "); named {
		name, _, _ = strings.Cut(name, "\n")
		return name
	}
	if strings.ContainsAny(sql, " \n") {
		return ""
	}
	return sql
}

// writes matches statements with an effect.
var writes = regexp.MustCompile(`\b(INSERT INTO|UPDATE|DELETE FROM)\b`)

// Pool returns a pool that loses its database for good at a point. Reached fails the test if the
// point was not reached. A statement that writes and has no name fails it, too.
func Pool(t testing.TB, dsn, point string) (pool *pgxpool.Pool, reached func()) {
	t.Helper()
	link := testenv.Proxy(t, dsn)
	dead := make(chan struct{})
	var once sync.Once
	at := func(when string) func(string) {
		return func(sql string) {
			name := Name(sql)
			if name == "" && writes.MatchString(sql) {
				t.Errorf("no kill point is named for: %s", sql)
			}
			if when+name == point {
				once.Do(func() {
					link.Cut()
					close(dead)
				})
			}
		}
	}
	return Watch(t, link.URL(), at("before "), at("after ")), func() {
		t.Helper()
		select {
		case <-dead:
		case <-time.After(patience):
			t.Errorf("nobody came to die %s", point)
		}
	}
}

// patience limits the wait for a point.
const patience = 20 * time.Second

// Watch returns a pool that reports its statements, before and after each.
func Watch(t testing.TB, dsn string, before, after func(sql string)) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.ConnConfig.Tracer = tracer{before, after}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

type tracer struct{ before, after func(sql string) }

var (
	_ pgx.QueryTracer = tracer{}
	_ pgx.BatchTracer = tracer{}
)

type statement struct{}

func (r tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	r.before(q.SQL)
	return context.WithValue(ctx, statement{}, q.SQL)
}

func (r tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	sql, _ := ctx.Value(statement{}).(string)
	r.after(sql)
}

// The statements of a batch are sent together: each is reported when its result is read.
func (r tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (r tracer) TraceBatchQuery(_ context.Context, _ *pgx.Conn, q pgx.TraceBatchQueryData) {
	r.before(q.SQL)
	r.after(q.SQL)
}

func (r tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
