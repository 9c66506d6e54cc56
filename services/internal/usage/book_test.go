package usage_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// keep runs a book until the test ends or stop is called.
func keep(t *testing.T, pool *pgxpool.Pool) (b *usage.Book, stop func()) {
	t.Helper()
	b = usage.NewBook(pool, testenv.Logger(t))
	kept := make(chan struct{})
	stop = testenv.Background(t, func(ctx context.Context) error {
		return b.Around(ctx, func(ctx context.Context) error {
			close(kept)
			<-ctx.Done()
			return nil
		})
	})
	<-kept
	return b, stop
}

func call(provider string, at time.Time) usage.Call {
	return usage.Call{
		About: llm.About{Purpose: llm.PurposeText, Chat: 1, Turn: 2, Bot: 3, Prompt: "v2"}, At: at, Provider: provider, Model: "m",
		PromptTokens: 100, CompletionTokens: 10, Cost: 0.5, Latency: time.Second, Outcome: usage.Written,
	}
}

func text(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (got string) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

const (
	calls    = `SELECT count(*)::text FROM llm_calls`
	spending = `SELECT coalesce(string_agg(provider || ' ' || tokens || ' ' || cost::float8, ', ' ORDER BY provider), '') FROM llm_spending`
)

// TestNothingIsLostOrDoubledByAnOutage records calls while the database is away: the budget counts
// them at once, the tables when it is back.
func TestNothingIsLostOrDoubledByAnOutage(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	link := testenv.Proxy(t, pool.Config().ConnString())
	cfg := store.DefaultConfig()
	cfg.URL = link.URL()
	over, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(over.Close)
	b, stop := keep(t, over)
	now := time.Now()
	b.Record(call("p", now))
	testenv.Eventually(t, "the first call is written down", func() (string, bool) {
		n := text(t, pool, calls)
		return n, n == "1"
	})
	link.Cut()
	for range 5 {
		b.Record(call("p", now))
	}
	if got := b.Spent("p", now); got.Tokens != 660 || got.Cost != 3 {
		t.Errorf("during the outage %+v is spent", got)
	}
	link.Restore()
	testenv.Eventually(t, "all are written down", func() (string, bool) {
		n := text(t, pool, calls)
		return n, n == "6"
	})
	b.Record(call("p", now)) // calls at the end are stored, too
	stop()
	if got, want := text(t, pool, calls)+": "+text(t, pool, spending), "7: p 770 3.5"; got != want {
		t.Errorf("the database has %q, want %q", got, want)
	}
}

// TestReplicasCountTogether has two replicas, which read each other's calls when they store their
// own.
func TestReplicasCountTogether(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	one, stopOne := keep(t, pool)
	two, stopTwo := keep(t, pool)
	now := time.Now()
	var all sync.WaitGroup
	for _, b := range []*usage.Book{one, two} {
		all.Go(func() {
			for range 50 {
				b.Record(call("p", now))
				b.Record(call("q", now))
			}
		})
	}
	all.Wait()
	testenv.Eventually(t, "all is written down", func() (string, bool) {
		n := text(t, pool, calls)
		return n, n == "200"
	})
	one.Record(call("p", now))
	two.Record(call("p", now))
	testenv.Eventually(t, "both know what both spent", func() (string, bool) {
		a, b := one.Spent("p", now).Tokens, two.Spent("p", now).Tokens
		return fmt.Sprint(a, b), a >= 101*110 && b >= 101*110 && text(t, pool, calls) == "202"
	})
	stopOne()
	stopTwo()
	if got, want := text(t, pool, spending), "p 11220 51, q 11000 50"; got != want {
		t.Errorf("the day's account is %q, want %q", got, want)
	}
	third, _ := keep(t, pool)
	testenv.Eventually(t, "one that starts knows it", func() (string, bool) {
		got := third.Spent("p", now)
		return fmt.Sprint(got), got.Tokens == 11220 && got.Cost == 51
	})
	if got := third.Spent("p", now.Add(24*time.Hour)); got != (usage.Spent{}) {
		t.Errorf("tomorrow %+v is spent", got)
	}
}

func TestOldCallsGoAndTheirDaysStay(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	b, stop := keep(t, pool)
	now := time.Now()
	for _, days := range []int{0, 1, 89, 91, 400, 402} {
		b.Record(call("p", now.AddDate(0, 0, -days)))
	}
	stop()
	if err := usage.Prune(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if n, days := text(t, pool, calls), text(t, pool, `SELECT count(*)::text FROM llm_spending`); n != "3" || days != "6" {
		t.Errorf("%s calls and %s days are left, want 3 and 6", n, days)
	}
	const totals = `SELECT string_agg(by || ' ' || n, ', ' ORDER BY by) FROM (SELECT by, count(*) AS n FROM llm_totals GROUP BY by) t`
	if got, want := text(t, pool, totals), "bot 5, chat 5, provider 6, purpose 6"; got != want {
		t.Errorf("of totals %s are left, want %s", got, want)
	}
	// Before the time for which single calls are kept, sums are by whole days.
	sums, err := usage.Sums(t.Context(), pool, now.AddDate(0, 0, -400).Add(time.Minute), usage.ByProvider)
	if err != nil || len(sums) != 1 || sums[0].Calls != 5 {
		t.Errorf("sums %+v, %v", sums, err)
	}
}

func TestSums(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "club", bot)
	b, stop := keep(t, pool)
	now := time.Now()
	c := call("p", now)
	c.Chat, c.Bot = chat, bot
	b.Record(c)
	c.Outcome, c.Latency, c.PromptTokens, c.CompletionTokens, c.Cost = "transient", time.Minute, 0, 0, 0
	b.Record(c)
	c = call("q", now.AddDate(0, 0, -2))
	c.Chat, c.Bot, c.Purpose = 0, 0, llm.PurposeMemory
	b.Record(c)
	stop()
	for by, want := range map[usage.By]string{
		usage.ByChat: "- 1/0, club 2/1", usage.ByBot: "- 1/0, anna 2/1", usage.ByProvider: "p m 2/1, q m 1/0", usage.ByPurpose: "memory 1/0, text 2/1",
		usage.ByDay: now.UTC().AddDate(0, 0, -2).Format(time.DateOnly) + " 1/0, " + now.UTC().Format(time.DateOnly) + " 2/1",
	} {
		list, err := usage.Sums(t.Context(), pool, now.AddDate(0, 0, -3), by)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range list {
			got = append(got, fmt.Sprintf("%s %d/%d", s.Name, s.Calls, s.Failed))
			if s.PromptTokens != 100 || s.CompletionTokens != 10 || s.Cost != 0.5 || s.Latency != time.Second {
				t.Errorf("by %s: %+v", by, s)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("by %s: %q, want %q", by, got, want)
		}
	}
}
