// Package killpoint lets a test kill a process at named points: before and after each of
// its statements, by cutting it off from the database for good.
package killpoint

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// Each gives the points of statements: before and after each of them.
func Each(statements ...string) (points []string) {
	for _, name := range statements {
		points = append(points, "before "+name, "after "+name)
	}
	return points
}

// Pool is a pool on a database that is lost for good at a point. Name tells the name of a
// statement. Reached fails the test where nobody comes to the point.
func Pool(t testing.TB, dsn, point string, name func(sql string) string) (pool *pgxpool.Pool, reached func()) {
	t.Helper()
	link := testenv.Proxy(t, dsn)
	dead := make(chan struct{})
	var once sync.Once
	at := func(when string) func(string) {
		return func(sql string) {
			if when+name(sql) == point {
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

// patience is how long a point is waited for.
const patience = 20 * time.Second

// Watch is a pool on a database whose statements are told, before and after each.
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

// The statements of a batch are sent together: each is told of when its result is read.
func (r tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (r tracer) TraceBatchQuery(_ context.Context, _ *pgx.Conn, q pgx.TraceBatchQueryData) {
	r.before(q.SQL)
	r.after(q.SQL)
}

func (r tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
