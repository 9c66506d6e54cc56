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
	// flushEvery is the longest time until a call is stored. A killed process loses the calls of
	// that time.
	flushEvery = 3 * time.Second
	// refreshEvery is the interval in which a process that makes no calls reads the others'
	// spending.
	refreshEvery = time.Minute
	// maxWaiting limits the calls that wait while the database is down. Beyond it the oldest are
	// dropped; this process no longer counts them either.
	maxWaiting = 20_000
	timeout    = 10 * time.Second
)

// Book stores calls in the background, so that callers don't wait. It is safe for concurrent use.
type Book struct {
	pool *pgxpool.Pool
	log  *zap.Logger
	// outages logs the database's outages.
	outages *outage.Log
	wake    chan struct{}

	mu      sync.Mutex
	day     time.Time
	known   map[string]Spent // by all replicas, as the database last told
	waiting []Call
	writing []Call // being stored: neither in known nor in waiting
}

// NewBook returns a Book. It stores calls only while Around runs.
func NewBook(pool *pgxpool.Pool, log *zap.Logger) *Book {
	return &Book{
		pool: pool, log: log, outages: outage.New(log, "usage can't be written down: it waits", "usage is written down again").Except(store.Away),
		wake: make(chan struct{}, 1), known: map[string]Spent{},
	}
}

// Record adds a call.
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

// Spent returns a provider's use today by all replicas, as far as this process knows: others may
// have made calls in the last seconds.
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

// Around reads today's spending, and then stores calls while work runs. When work has returned, it
// stores the rest.
func (b *Book) Around(ctx context.Context, work func(context.Context) error) error {
	if err := b.open(ctx); err != nil {
		if ctx.Err() != nil { // stopped while starting
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

// write stores calls until the context ends, and then the rest.
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
		// More calls will come soon, and one statement takes them all.
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

// again wakes the writer after the database refused calls.
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

// SpentToday returns the database's current day (UTC), and each provider's use on it, by all
// replicas.
func SpentToday(ctx context.Context, pool *pgxpool.Pool) (day time.Time, known map[string]Spent, err error) {
	rows, _ := pool.Query(ctx, `-- spent today`+spentToday) // the rows return the same error
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
	// Calls stored meanwhile are in the database; calls being stored come with the result of that
	// statement.
	b.day, b.known = day, known
	return nil
}

// A trigger adds the calls to llm_totals; the previous version measures budgets by llm_spending.
// Rows are inserted in order of the key, so that replicas don't deadlock. The spending is read from
// before the insert.
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

// flush stores the waiting calls. It returns false if the database refused them.
func (b *Book) flush(ctx context.Context) bool {
	b.mu.Lock()
	b.writing, b.waiting = b.waiting, nil
	calls := b.writing
	b.mu.Unlock()
	if len(calls) == 0 {
		return true
	}
	// A cancelled statement might have been committed, and the calls would then be stored twice.
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

// insert stores calls, and returns today's spending including them.
func (b *Book) insert(ctx context.Context, calls []Call) (day time.Time, known map[string]Spent, err error) {
	var c callColumns
	for _, call := range calls {
		c.add(call)
	}
	rows, _ := b.pool.Query(ctx, writeCalls, c.args()...) // the rows return the same error
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

// callColumns holds calls by column, for unnest.
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
