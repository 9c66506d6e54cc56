package usage

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

const (
	// flushEvery is how long a call may wait to be written down. A killed process
	// loses the calls of that time.
	flushEvery = 3 * time.Second
	// refreshEvery is how often what other replicas spent is looked at by one that
	// makes no calls itself.
	refreshEvery = time.Minute
	// maxWaiting bounds the calls that wait while the database is down. Beyond it
	// the oldest are forgotten; what they cost still counts in this process.
	maxWaiting = 20_000
	timeout    = 10 * time.Second
)

// Book writes calls down behind the back of whoever makes them, so that nobody
// waits for it. It is safe for concurrent use.
type Book struct {
	pool *pgxpool.Pool
	log  *zap.Logger
	// outages is of the database.
	outages *outage.Log
	wake    chan struct{}

	mu      sync.Mutex
	day     time.Time
	known   map[string]Spent // by all replicas, as far as the database has told
	waiting []Call
	writing []Call // being written: neither in known nor in waiting
}

// NewBook makes a book. It writes nothing down outside of Around.
func NewBook(pool *pgxpool.Pool, log *zap.Logger) *Book {
	return &Book{
		pool: pool, log: log, outages: outage.New(log, "usage can't be written down: it waits", "usage is written down again").Except(store.Away),
		wake: make(chan struct{}, 1), known: map[string]Spent{},
	}
}

// Record takes a call down.
func (b *Book) Record(c Call) {
	b.mu.Lock()
	if len(b.waiting) >= maxWaiting {
		b.log.Warn("the database takes no usage, so some is forgotten", zap.Int("calls", maxWaiting/10))
		b.waiting = slices.Delete(b.waiting, 0, maxWaiting/10)
	}
	b.waiting = append(b.waiting, c)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Spent returns what a provider was used for today, by all replicas, as far as is
// known here: others may have made calls in the last seconds.
func (b *Book) Spent(provider string, now time.Time) Spent {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s Spent
	day := Day(now)
	next := day.Add(24 * time.Hour)
	if b.day.Equal(day) {
		s = b.known[provider]
	}
	for _, calls := range [][]Call{b.waiting, b.writing} {
		for i := range calls {
			if at := calls[i].At; calls[i].Provider == provider && !at.Before(day) && at.Before(next) {
				s = s.plus(calls[i])
			}
		}
	}
	return s
}

func (b *Book) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return b.refresh(ctx)
}

// Around reads what was spent today, and then writes calls down while work runs;
// when that has returned, those that are left.
func (b *Book) Around(ctx context.Context, work func(context.Context) error) error {
	if err := b.open(ctx); err != nil {
		if ctx.Err() != nil { // asked to stop while starting
			return nil
		}
		return err
	}
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var writer sync.WaitGroup
	writer.Go(func() { b.write(writing) })
	defer writer.Wait()
	defer stop()
	return work(ctx)
}

// write writes calls down until the context ends, and then those that are left.
func (b *Book) write(ctx context.Context) {
	refresh := time.NewTicker(refreshEvery)
	defer refresh.Stop()
	for {
		select {
		case <-ctx.Done():
			b.flush(context.WithoutCancel(ctx))
			return
		case <-refresh.C:
			b.look(ctx)
			continue
		case <-b.wake:
		}
		// More will come soon, and one statement takes them all.
		pause := time.NewTimer(flushEvery)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
		if !b.flush(ctx) {
			b.again()
		}
	}
}

// again wakes the book after what it wrote was refused.
func (b *Book) again() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *Book) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := b.refresh(ctx); err != nil && ctx.Err() == nil {
		b.log.Debug("what was spent can't be read", zap.Error(err))
	}
}

const spentToday = `
SELECT today.day, coalesce(t.key, ''), coalesce(sum(t.calls), 0)::bigint, coalesce(sum(t.prompt_tokens + t.completion_tokens), 0)::bigint,
    coalesce(sum(t.cost), 0)::float8
FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS day) today LEFT JOIN llm_totals t ON t.by = 'provider' AND t.day = today.day GROUP BY 1, 2`

// SpentToday is the day that it is at the database, and what each provider was used for
// on it, by all replicas.
func SpentToday(ctx context.Context, pool *pgxpool.Pool) (day time.Time, known map[string]Spent, err error) {
	rows, _ := pool.Query(ctx, `-- spent today`+spentToday) // its error is that of the rows, too
	return spent(rows)
}

func spent(rows pgx.Rows) (day time.Time, known map[string]Spent, err error) {
	known = map[string]Spent{}
	var provider string
	var s Spent
	if _, err := pgx.ForEachRow(rows, []any{&day, &provider, &s.Calls, &s.Tokens, &s.Cost}, func() error {
		known[provider] = s
		return nil
	}); err != nil {
		return day, nil, fmt.Errorf("read what was spent: %w", err)
	}
	return day, known, nil
}

func (b *Book) refresh(ctx context.Context) error {
	day, known, err := SpentToday(ctx, b.pool)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// What was written since is in the database, and what is being written comes
	// with the answer to that.
	b.day, b.known = day, known
	return nil
}

// A trigger adds the calls to llm_totals. The build before measures budgets by llm_spending.
// In the order of its key, so that replicas don't wait for each other in turn. What was spent
// is read as of before.
const writeCalls = `-- write calls
WITH calls AS (
    INSERT INTO llm_calls (at, purpose, chat_id, turn_no, bot_id, provider, model, prompt, prompt_tokens, completion_tokens, cost, latency, outcome,
        rests_until)
    SELECT at, purpose, nullif(chat, 0), nullif(turn, 0), nullif(bot, 0), provider, model, prompt, prompt_tokens, completion_tokens, cost, latency, outcome,
        rests_until
    FROM unnest($1::timestamptz[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[],
        $9::int[], $10::int[], $11::float8[], $12::interval[], $13::text[], $14::timestamptz[])
        AS c(at, purpose, chat, turn, bot, provider, model, prompt, prompt_tokens, completion_tokens, cost, latency, outcome, rests_until)
    RETURNING (at AT TIME ZONE 'UTC')::date AS day, provider, prompt_tokens + completion_tokens AS tokens, cost),
spending AS (
    INSERT INTO llm_spending (day, provider, calls, tokens, cost)
    SELECT day, provider, count(*), sum(tokens), sum(cost) FROM calls GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (day, provider) DO UPDATE SET
        calls = llm_spending.calls + excluded.calls, tokens = llm_spending.tokens + excluded.tokens, cost = llm_spending.cost + excluded.cost)` + spentToday

// flush writes what waits. It is false if the database took nothing.
func (b *Book) flush(ctx context.Context) bool {
	b.mu.Lock()
	b.writing, b.waiting = b.waiting, nil
	calls := b.writing
	b.mu.Unlock()
	if len(calls) == 0 {
		return true
	}
	// Given up half-way it might be written all the same, and then once more.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	day, known, err := b.insert(ctx, calls)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writing = nil
	b.outages.Note(err)
	if err != nil {
		b.waiting = append(calls, b.waiting...)
		return false
	}
	b.day, b.known = day, known
	return true
}

// insert writes calls down, and tells what was spent today, with them.
func (b *Book) insert(ctx context.Context, calls []Call) (day time.Time, known map[string]Spent, err error) {
	var c callColumns
	for _, call := range calls {
		c.add(call)
	}
	rows, _ := b.pool.Query(ctx, writeCalls, c.args()...) // its error is that of the rows, too
	day, known, err = spent(rows)
	if err != nil {
		return day, nil, fmt.Errorf("write calls down: %w", err)
	}
	for _, call := range calls {
		if Day(call.At).Equal(day) {
			known[call.Provider] = known[call.Provider].plus(call)
		}
	}
	return day, known, nil
}

// callColumns are calls turned by their side, as unnest wants them.
type callColumns struct {
	at                                        []time.Time
	purpose, provider, model, prompt, outcome []string
	chat, turn, bot                           []int64
	promptTokens, completionTokens            []int
	cost                                      []float64
	latency                                   []time.Duration
	rests                                     []*time.Time
}

func (c *callColumns) add(call Call) {
	c.at, c.purpose = append(c.at, call.At), append(c.purpose, string(call.Purpose))
	c.chat, c.turn, c.bot = append(c.chat, call.Chat), append(c.turn, call.Turn), append(c.bot, call.Bot)
	c.provider, c.model, c.prompt = append(c.provider, call.Provider), append(c.model, call.Model), append(c.prompt, call.Prompt)
	c.promptTokens, c.completionTokens = append(c.promptTokens, call.PromptTokens), append(c.completionTokens, call.CompletionTokens)
	c.cost, c.latency, c.outcome = append(c.cost, call.Cost), append(c.latency, call.Latency), append(c.outcome, call.Outcome)
	rests := new(call.RestsUntil)
	if call.RestsUntil.IsZero() {
		rests = nil
	}
	c.rests = append(c.rests, rests)
}

func (c *callColumns) args() []any {
	return []any{
		c.at, c.purpose, c.chat, c.turn, c.bot, c.provider, c.model, c.prompt, c.promptTokens, c.completionTokens, c.cost, c.latency, c.outcome, c.rests,
	}
}
