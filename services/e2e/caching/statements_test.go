package caching_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// statements counts the statements of a pool.
type statements struct {
	mu    sync.Mutex
	count map[string]int
	// began holds the begin of open transactions, took the durations of committed ones.
	began map[*pgx.Conn]time.Time
	took  []time.Duration
}

func newStatements() *statements {
	return &statements{count: map[string]int{}, began: map[*pgx.Conn]time.Time{}}
}

var (
	_ pgx.QueryTracer = (*statements)(nil)
	_ pgx.BatchTracer = (*statements)(nil)
)

func (s *statements) add(sql string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rest, named := strings.CutPrefix(sql, "-- "); named {
		_, sql, _ = strings.Cut(rest, "\n")
	}
	s.count[strings.Join(strings.Fields(sql), " ")]++
}

// take returns how often each statement was executed since the last call.
func (s *statements) take() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.count
	s.count = map[string]int{}
	return was
}

// transactions returns the durations of the transactions since the last call, the shortest
// first.
func (s *statements) transactions() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.took
	s.took = nil
	slices.Sort(was)
	return was
}

// TraceQueryStart counts a statement.
func (s *statements) TraceQueryStart(ctx context.Context, c *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	s.add(d.SQL)
	if d.SQL == "begin" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.began[c] = time.Now()
	}
	return ctx
}

// TraceQueryEnd ends a transaction.
func (s *statements) TraceQueryEnd(_ context.Context, c *pgx.Conn, d pgx.TraceQueryEndData) {
	if d.CommandTag.String() == "COMMIT" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.took = append(s.took, time.Since(s.began[c]))
	}
}

// TraceBatchStart does nothing.
func (*statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery counts a statement of a batch.
func (s *statements) TraceBatchQuery(_ context.Context, _ *pgx.Conn, d pgx.TraceBatchQueryData) {
	s.add(d.SQL)
}

// TraceBatchEnd does nothing.
func (*statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// together sums the statements of all services.
func together(by map[string]map[string]int) map[string]int {
	all := map[string]int{}
	for _, asked := range by {
		for sql, n := range asked {
			all[sql] += n
		}
	}
	return all
}

func total(asked map[string]int) (n int) {
	for _, times := range asked {
		n += times
	}
	return n
}

// ofRoster returns the statements that read cached data.
func ofRoster(asked map[string]int) map[string]int {
	found := map[string]int{}
	for sql, n := range asked {
		if strings.Contains(sql, "= ANY($1)") && slices.ContainsFunc([]string{
			"FROM bots WHERE id", "FROM personas WHERE bot_id", "FROM stances WHERE bot_id", "FROM holdings WHERE bot_id",
			"FROM chats WHERE id", "FROM cast_members WHERE chat_id = ANY($1)",
		}, func(from string) bool { return strings.Contains(sql, from) && !strings.HasPrefix(sql, "WITH") }) {
			found[sql] = n
		}
	}
	return found
}

func listed(asked map[string]int) string {
	var b bytes.Buffer
	for _, sql := range slices.SortedFunc(maps.Keys(asked), func(a, b string) int { return asked[b] - asked[a] }) {
		fmt.Fprintf(&b, "%6d  %.150s\n", asked[sql], sql)
	}
	return b.String()
}
