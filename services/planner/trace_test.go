package planner_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// watched is a pool on a database whose statements are told one by one, before
// and after each round trip.
func watched(t testing.TB, dsn string, before, after func(sql string)) *pgxpool.Pool {
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

func (r tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	r.before(q.SQL)
	return ctx
}

func (r tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) { r.after("") }

func (r tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (r tracer) TraceBatchQuery(_ context.Context, _ *pgx.Conn, q pgx.TraceBatchQueryData) {
	r.before(q.SQL)
}

func (r tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) { r.after("") }

func TestABatchCostsTheSameQueriesWhateverItsSize(t *testing.T) {
	t.Parallel()
	var want []string
	for _, n := range []int{1, 10, 100} {
		s := newSerialStage(t, "anna", "ben", "clara", "dora")
		ids := chats(s, n)
		s.exec(`UPDATE chats SET mean_gap = '7 days', kind = 'group', telegram_id = -id`)
		for _, id := range ids {
			s.says(id, s.bots[0], "Has anybody read on?", time.Minute)
			s.says(id, 0, "I have", 30*time.Second)
		}
		// Every kind of turn takes part, and every limit.
		s.exec(`UPDATE bots SET hourly_max = 1`)
		s.exec(`UPDATE bots SET hourly_max = 1200 WHERE name <> 'anna'`)
		s.turns(ids[0], s.bots[0], 1, "message", 2*time.Minute, false)
		values := given(t, "short_reaction_probability", "0", "global_max_msgs_per_min", "1000000")

		var mu sync.Mutex
		var got []string
		deps := s.deps(values, nil)
		deps.Pool = watched(t, s.pool.Config().ConnString(), func(sql string) {
			mu.Lock()
			defer mu.Unlock()
			sql = strings.Join(strings.Fields(sql), " ")
			got = append(got, sql[:min(len(sql), 60)])
		}, func(string) {})
		_, stop := s.plan(deps)
		s.idle()
		stop()
		if planned := one[int](s, `SELECT count(*) - 1 FROM turns`); planned != n {
			t.Errorf("%d turns planned, want %d", planned, n)
		}
		// What follows the first commit is the look at the clocks.
		mu.Lock()
		for i, sql := range got {
			if sql == "commit" {
				got = got[:i+1]
				break
			}
		}
		if want == nil {
			want = got
			if len(want) < 8 || len(want) > 20 {
				t.Errorf("a batch takes %d statements: %q", len(want), want)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the statements for %d chats differ from those for one (-):\n%s", n, diff)
		}
		mu.Unlock()
	}
}
