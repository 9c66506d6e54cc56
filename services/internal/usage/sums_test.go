package usage_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// ofCalls returns the keys by which single calls are summed.
func ofCalls() map[usage.By]string {
	return map[usage.By]string{
		usage.ByDay: `to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')`, usage.ByChat: `coalesce(chat_id::text, '')`, usage.ByBot: `coalesce(bot_id::text, '')`,
		usage.ByProvider: `trim(provider || ' ' || model)`, usage.ByPurpose: `purpose`,
	}
}

// anyCalls generates calls of some days, unordered.
func anyCalls(now time.Time) []usage.Call {
	pick := func(from ...string) string { return from[rand.IntN(len(from))] }
	all := make([]usage.Call, 300)
	for i := range all {
		at := now.Add(-rand.N(5 * 24 * time.Hour))
		if rand.IntN(10) == 0 {
			at = usage.Day(at) // midnight
		}
		c := &all[i]
		*c = usage.Call{
			About: llm.About{Purpose: llm.Purpose(pick("text", "rewrite", "memory")), Chat: rand.Int64N(4), Bot: rand.Int64N(3)},
			At:    at, Provider: pick("alpha", "alpha", "beta"), Model: pick("", "m", "n"), Outcome: pick(usage.Written, usage.Written, "transient"),
			PromptTokens: rand.IntN(1000), CompletionTokens: rand.IntN(100), Cost: float64(rand.IntN(1000)) / 512, Latency: rand.N(time.Minute).Round(time.Millisecond),
		}
	}
	return all
}

// TestSumsAreThoseOfTheCalls stores calls by several books at once, and by statements like the
// previous version's, which don't know totals, and compares every sum with that of the single
// calls.
func TestSumsAreThoseOfTheCalls(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	now := time.Now()
	one, stopOne := keep(t, pool)
	two, stopTwo := keep(t, pool)
	var all sync.WaitGroup
	for _, b := range []*usage.Book{one, two} {
		all.Go(func() {
			for _, c := range anyCalls(now) {
				b.Record(c)
			}
		})
	}
	all.Go(func() {
		for _, c := range anyCalls(now)[:50] {
			if _, err := pool.Exec(t.Context(), `
INSERT INTO llm_calls (at, purpose, chat_id, bot_id, provider, model, prompt_tokens, completion_tokens, cost, latency, outcome)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, c.At, string(c.Purpose), c.Chat, c.Bot, c.Provider, c.Model, c.PromptTokens, c.CompletionTokens, c.Cost, c.Latency, c.Outcome); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	stopOne()
	stopTwo()
	sameSums(t, pool, now)
	before := text(t, pool, `SELECT string_agg(t::text, '|' ORDER BY t) FROM llm_totals t`)
	for text(t, pool, `SELECT coalesce(to_regclass('llm_totals')::text, '')`) != "" {
		if err := migrations.Down(t.Context(), pool.Config().ConnString()); err != nil {
			t.Fatal(err)
		}
	}
	if err := migrations.Up(t.Context(), pool.Config().ConnString()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, text(t, pool, `SELECT string_agg(t::text, '|' ORDER BY t) FROM llm_totals t`)); diff != "" {
		t.Errorf("the migration adds the calls up otherwise (-book +migration): %s", diff)
	}
}

func sameSums(t *testing.T, pool *pgxpool.Pool, now time.Time) {
	t.Helper()
	near := cmp.Options{cmpopts.EquateApprox(0, 1e-6), cmpopts.IgnoreFields(usage.Sum{}, "Name"), cmpopts.SortSlices(func(a, b usage.Sum) bool { return a.Key < b.Key })}
	for by, key := range ofCalls() {
		for _, since := range []time.Time{now.Add(-rand.N(6 * 24 * time.Hour)), usage.Day(now), usage.Day(now).AddDate(0, 0, -2), now.Add(-time.Hour), now.Add(time.Hour)} {
			sums, err := usage.Sums(t.Context(), pool, since, by)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := store.Collect(t.Context(), pool, "add calls up", pgx.RowToStructByPos[usage.Sum], fmt.Sprintf(`
SELECT '', %s AS key, count(*), count(*) FILTER (WHERE outcome <> 'written'), sum(prompt_tokens), sum(completion_tokens), sum(cost)::float8,
    coalesce(avg(latency) FILTER (WHERE outcome = 'written'), '0') FROM llm_calls WHERE at >= $1 GROUP BY 2`, key), since)
			if err != nil {
				t.Fatal(err)
			}
			for _, list := range [][]usage.Sum{sums, raw} {
				for i := range list {
					list[i].Latency = list[i].Latency.Round(time.Millisecond)
				}
			}
			if diff := cmp.Diff(raw, sums, near); diff != "" {
				t.Errorf("by %s since %v (-calls +sums): %s", by, since, diff)
			}
			if by != usage.ByDay {
				sameDays(t, pool, by, key, sums, usage.Day(since))
			}
		}
	}
	_, spent, err := usage.SpentToday(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	var raw usage.Spent
	if err := pool.QueryRow(t.Context(), `
SELECT count(*), coalesce(sum(prompt_tokens + completion_tokens), 0), coalesce(sum(cost), 0)::float8 FROM llm_calls
WHERE provider = 'alpha' AND at >= date_trunc('day', now(), 'UTC')`).Scan(&raw.Calls, &raw.Tokens, &raw.Cost); err != nil || spent["alpha"] != raw {
		t.Errorf("spent today %+v, by the calls %+v, %v", spent["alpha"], raw, err)
	}
}

// sameDays compares the days of the two names with the highest cost, and of all others together.
func sameDays(t *testing.T, pool *pgxpool.Pool, by usage.By, key string, sums []usage.Sum, since time.Time) {
	t.Helper()
	const top = 2
	days, err := usage.Days(t.Context(), pool, since, by, sums, top)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for _, s := range sums {
		keys[s.Name] = s.Key
	}
	all := map[time.Time]int64{}
	for _, d := range days {
		all[d.Day] += d.Calls
		if d.Name == "" {
			continue
		}
		var raw usage.DaySum
		if err := pool.QueryRow(t.Context(), fmt.Sprintf(`
SELECT count(*), sum(prompt_tokens + completion_tokens), sum(cost)::float8 FROM llm_calls
WHERE %s = $1 AND (at AT TIME ZONE 'UTC')::date = $2`, key), keys[d.Name], d.Day).Scan(&raw.Calls, &raw.Tokens, &raw.Cost); err != nil || raw.Calls != d.Calls || raw.Tokens != d.Tokens || raw.Cost != d.Cost {
			t.Errorf("by %s: %+v, by the calls %+v, %v", by, d, raw, err)
		}
	}
	rows, err := store.Collect(t.Context(), pool, "count calls", pgx.RowToStructByPos[struct {
		Day   time.Time
		Calls int64
	}], `SELECT (at AT TIME ZONE 'UTC')::date, count(*) FROM llm_calls WHERE at >= $1 GROUP BY 1`, since)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if all[r.Day] != r.Calls {
			t.Errorf("by %s: %d calls on %v, want %d", by, all[r.Day], r.Day, r.Calls)
		}
	}
}
