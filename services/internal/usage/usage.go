// Package usage records the calls to text providers: a row for each call, and each provider's daily
// totals, which budgets limit.
package usage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/llm"
)

// Outcomes of calls; the others are the classes of package fail.
const (
	Written = "written"  // it returned a text
	GivenUp = "given_up" // the caller left
	Empty   = "empty"    // the answer had no text
	Thought = "thinking" // the answer had thoughts, and no text
)

// Call is one call to a provider.
type Call struct {
	llm.About

	At               time.Time
	Provider, Model  string
	PromptTokens     int
	CompletionTokens int
	// Cost is in the currency of the prices.
	Cost    float64
	Latency time.Duration
	// Outcome is Written, or one word for the failure.
	Outcome string
	// RestsUntil is the end of the provider's rest after the call; zero if it doesn't rest.
	RestsUntil time.Time
}

// Spent is a provider's use on a day.
type Spent struct {
	Calls  int64
	Tokens int64
	Cost   float64
}

func (s Spent) plus(c Call) Spent {
	return Spent{Calls: s.Calls + 1, Tokens: s.Tokens + int64(c.PromptTokens) + int64(c.CompletionTokens), Cost: s.Cost + c.Cost}
}

// Day returns the day of a time: budgets start again at midnight UTC.
func Day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// By is the property by which calls are summed.
type By string

// The properties.
const (
	ByDay      By = "day"
	ByChat     By = "chat"
	ByBot      By = "bot"
	ByProvider By = "provider"
	ByPurpose  By = "purpose"
)

// Ways returns all properties.
func Ways() []By { return []By{ByDay, ByChat, ByBot, ByProvider, ByPurpose} }

// Sum is the sum of the calls with one value of the property.
type Sum struct {
	// Name is the value for people, "-" for calls without one. Key is the value in the calls' rows.
	Name, Key        string
	Calls            int64
	Failed           int64
	PromptTokens     int64
	CompletionTokens int64
	Cost             float64
	// Latency is the mean of the calls that returned a text.
	Latency time.Duration
}

// total returns the kind of rows in llm_totals that calls are summed from.
func (b By) total() string {
	if b == ByDay {
		return string(ByPurpose) // each call is in one of these rows
	}
	return string(b)
}

// of returns SQL for the key of a row of totals, and of a call.
func (b By) of() (total, call string) {
	switch b {
	case ByChat:
		return `key`, `coalesce(chat_id::text, '')`
	case ByBot:
		return `key`, `coalesce(bot_id::text, '')`
	case ByProvider:
		const whole = ` || CASE WHEN model = '' THEN '' ELSE ' ' || model END`
		return `key` + whole, `provider` + whole
	case ByPurpose:
		return `key`, `purpose`
	case ByDay:
	}
	return `to_char(day, 'YYYY-MM-DD')`, `to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')`
}

// name returns SQL for the name of a key.
func (b By) name() string {
	switch b {
	case ByChat:
		return `coalesce((SELECT name FROM chats WHERE id = nullif(key, '')::bigint), nullif(key, ''), '-')`
	case ByBot:
		return `coalesce((SELECT name FROM bots WHERE id = nullif(key, '')::bigint), nullif(key, ''), '-')`
	case ByDay, ByProvider, ByPurpose:
	}
	return `key`
}

// Whole days are read from the totals; the calls of the day in which the time lies are summed
// singly.
const sums = `
SELECT %s, key, calls, failed, prompt_tokens, completion_tokens, cost, latency FROM (
    SELECT key, sum(calls)::bigint AS calls, sum(failed)::bigint AS failed, sum(prompt_tokens)::bigint AS prompt_tokens,
        sum(completion_tokens)::bigint AS completion_tokens, sum(cost)::float8 AS cost,
        coalesce(sum(latency) / nullif(sum(calls) - sum(failed), 0)::float8, '0') AS latency
    FROM (
        SELECT %s AS key, calls, failed, prompt_tokens, completion_tokens, cost, latency FROM llm_totals WHERE by = $1 AND day >= $2
        UNION ALL SELECT %s, 1, (outcome <> 'written')::integer, prompt_tokens, completion_tokens, cost, CASE outcome WHEN 'written' THEN latency ELSE '0' END
        FROM llm_calls WHERE at >= $3 AND at < $4) c GROUP BY key) s ORDER BY 1`

// Sums returns the sums of the calls since a time. If single calls from then are already deleted,
// it sums whole days.
func Sums(ctx context.Context, pool *pgxpool.Pool, since time.Time, by By) ([]Sum, error) {
	day := Day(since)
	if !day.Equal(since) && time.Since(since) < keep {
		day = day.Add(24 * time.Hour)
	} else {
		since = day
	}
	total, call := by.of()
	return store.Collect(ctx, pool, "sum the usage", pgx.RowToStructByPos[Sum], fmt.Sprintf(sums, by.name(), total, call), by.total(), day, since, day)
}

// DaySum is the sum of the calls of a day.
type DaySum struct {
	Day time.Time
	// Name is one of those with the highest sums; empty for all others together.
	Name   string
	Calls  int64
	Tokens int64
	Cost   float64
}

const sumDays = `
SELECT day, %[1]s AS key, sum(calls)::bigint, sum(prompt_tokens + completion_tokens)::bigint, sum(cost)::float8
FROM llm_totals WHERE by = $1 AND day >= $2 AND %[1]s = ANY($3) GROUP BY 1, 2
UNION ALL SELECT day, NULL, sum(calls)::bigint, sum(prompt_tokens + completion_tokens)::bigint, sum(cost)::float8
FROM llm_totals WHERE by = 'purpose' AND day >= $2 GROUP BY 1
ORDER BY 1, 2`

// Days returns the sums of each day since a time: those of the first of sums, up to top, and one
// for all others together.
func Days(ctx context.Context, pool *pgxpool.Pool, since time.Time, by By, sums []Sum, top int) ([]DaySum, error) {
	first := slices.SortedFunc(slices.Values(sums), func(a, b Sum) int {
		return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(b.PromptTokens+b.CompletionTokens, a.PromptTokens+a.CompletionTokens), cmp.Compare(b.Calls, a.Calls))
	})
	names, keys := map[string]string{}, []string{}
	for _, s := range first[:min(top, len(first))] {
		names[s.Key], keys = s.Name, append(keys, s.Key)
	}
	total, _ := by.of()
	var found []DaySum
	var d DaySum
	var of *string
	var topOfDay DaySum
	err := store.Each(ctx, pool, "sum the usage of days", []any{&d.Day, &of, &d.Calls, &d.Tokens, &d.Cost}, func() error {
		if !d.Day.Equal(topOfDay.Day) {
			topOfDay = DaySum{Day: d.Day}
		}
		if of != nil {
			d.Name = names[*of]
			found = append(found, d)
			topOfDay.Calls, topOfDay.Tokens, topOfDay.Cost = topOfDay.Calls+d.Calls, topOfDay.Tokens+d.Tokens, topOfDay.Cost+d.Cost
			return nil
		}
		// The total of the day comes last.
		if others := d.Calls - topOfDay.Calls; others > 0 {
			found = append(found, DaySum{d.Day, "", others, max(d.Tokens-topOfDay.Tokens, 0), max(d.Cost-topOfDay.Cost, 0)})
		}
		return nil
	}, fmt.Sprintf(sumDays, total), by.total(), since, keys)
	return found, err
}

const (
	// keep is the lifetime of single calls, keepTotals that of the totals of chats and bots. The
	// totals of providers and purposes are never deleted.
	keep       = 90 * 24 * time.Hour
	keepTotals = 400 * 24 * time.Hour
)

const (
	deleteCalls    = `DELETE FROM llm_calls WHERE id IN (SELECT id FROM llm_calls WHERE at < now() - $1::interval ORDER BY at LIMIT $2)`
	deleteTotals   = `DELETE FROM llm_totals WHERE by IN ('chat', 'bot') AND day < (now() AT TIME ZONE 'UTC' - $1::interval)::date`
	deletedAtATime = 10_000
)

// Prune deletes some of the calls that are older than keep, and the totals older than keepTotals.
func Prune(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if _, err := pool.Exec(ctx, deleteCalls, keep, deletedAtATime); err != nil {
		return fmt.Errorf("delete old usage: %w", err)
	}
	if _, err := pool.Exec(ctx, deleteTotals, keepTotals); err != nil {
		return fmt.Errorf("delete old totals of usage: %w", err)
	}
	return nil
}
