package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/lab/load/sampling"
	"github.com/chorus-cast/chorus/services/lab/postgres"
)

const (
	pipelineChats = 2000
	// pipelineGap is the mean gap of a chat at scale_factor 1. With the limits of 0.01 and
	// 100, the offered load can be 1 to 10,000 turns/s.
	pipelineGap = 20 * time.Second
	// settling is the time between a new pace and the measurement.
	settling = 4 * time.Second
	// firstOffer in turns/s is multiplied by offerStep until less than the share carried of
	// it is delivered, or it exceeds maxOffer.
	firstOffer, offerStep, carried, maxOffer = 500, 1.3, 0.8, 10_000
	// warming is a rate in turns/s at which all chats talk soon.
	warming = 300
	// overload is the offered load divided by the carried one, overloadFor its duration. A
	// chat may have at most 60 messages in a minute.
	overload, overloadFor = 3, 12 * time.Second
	// maxSilence is the maximum time without a delivery during an overload.
	maxSilence = time.Second
	// sendBacklog is the number of texts that wait for the sender when it is measured
	// alone.
	sendBacklog = 10_000
)

// BenchmarkPipeline prints the throughput of the whole pipeline and the cost of a turn,
// with the cheapest writer. It runs a planner, a generator and a sender on NATS and on
// PostgreSQL with its defaults, all as separate processes, with a Bot API that answers at
// once.
func BenchmarkPipeline(b *testing.B) {
	for b.Loop() {
		p := newPipeline(b)
		p.renew("generator", "sender", "planner")
		// Each chat has talked, so that the roster is cached like in an installation that
		// has run for a while. The first load is small, because its vacuum would be
		// measured otherwise.
		p.offer(warming, 15*time.Second)
		p.drain()
		fmt.Printf("figure pipeline.cpu_us_per_turn_65 %.0f us\n", p.offer(65, 15*time.Second).microsPerTurn())
		fmt.Printf("figure pipeline.sql_per_turn_quiet %.1f statements\n", p.offer(1, 30*time.Second).sqlPerTurn())
		best := p.climb()
		p.renew("generator", "sender", "planner")
		over := p.offer(min(overload*best.rate(), maxOffer), overloadFor)
		if over.silence >= maxSilence {
			b.Errorf("in an overload nothing was delivered for %v", over.silence)
		}
		best = better(best, over)
		fmt.Printf("figure pipeline.turns_per_s %.0f 1/s\n", best.rate())
		fmt.Printf("figure pipeline.cpu_us_per_turn %.0f us\n", best.microsPerTurn())
		fmt.Printf("figure pipeline.sql_per_turn %.2f statements\n", best.sqlPerTurn())
		fmt.Printf("figure pipeline.overload_ratio %.2f ratio\n", over.rate()/best.rate())
		fmt.Printf("figure pipeline.overload_silence_ms %d ms\n", over.silence.Milliseconds())
		fmt.Printf("figure pipeline.send_per_s %.0f 1/s\n", p.send(best.rate()))
	}
}

// pipeline is a deployment whose database, bus and processes are new for each measurement.
type pipeline struct {
	*deployment

	b        *testing.B
	telegram *instantTelegram
	server   *postgres.Server
	db       *pgxpool.Pool
	nats     *natsProcess
	number   int
}

func newPipeline(b *testing.B) *pipeline {
	b.Helper()
	server, err := postgres.Start(b.Context(), postgres.Config{
		DataDir: b.TempDir(), Log: zap.NewNop(),
		Settings: map[string]string{"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "top"},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := server.Stop(); err != nil {
			b.Error(err)
		}
	})
	if err := server.CreateDatabase(b.Context(), "roster"); err != nil {
		b.Fatal(err)
	}
	p := &pipeline{b: b, server: server, telegram: startInstantTelegram(b)}
	p.deployment = deployOn(b, server.DSN("roster"), troupe{bots: 500, supergroups: pipelineChats, perChat: 5, gap: pipelineGap}.file(b))
	p.environment = append(
		p.environment, "CHORUS_TELEGRAM_URL="+p.telegram.url, "CHORUS_REDIS_URL=", "CHORUS_LOG_LEVEL=error",
		// Limits are raised, to measure the speed and not the waits for Telegram.
		"CHORUS_SENDER_TYPING=false", "CHORUS_SENDER_BOT_PER_SECOND=100000",
		"CHORUS_SENDER_SUPERGROUP_PER_SECOND=1000", "CHORUS_SENDER_SUPERGROUP_PER_MINUTE=10000",
	)
	p.prepare()
	return p
}

// prepare creates the template database of the measurements. Its chats talk only when they
// get a pace.
func (p *pipeline) prepare() {
	p.b.Helper()
	pool := p.pool()
	defer pool.Close()
	for definition, value := range map[*settings.Definition]string{
		settings.PrimeHoursBoost.Definition: "false", settings.MinGap.Definition: "0s", settings.MaxMessagesPerMinute.Definition: "60",
		settings.ReactionProbability.Definition: "0", settings.LivelyGapFactor.Definition: "1", settings.MinNeed.Definition: "0",
	} {
		set(p.b, pool, definition, value)
	}
	for _, sql := range []string{`CREATE EXTENSION pg_stat_statements`, `UPDATE chat_clock SET next_turn_at = now() + interval '1 day'`, `VACUUM ANALYZE`} {
		p.exec(pool, sql)
	}
}

func (p *pipeline) exec(pool *pgxpool.Pool, sql string, args ...any) {
	p.b.Helper()
	if _, err := pool.Exec(p.b.Context(), sql, args...); err != nil {
		p.b.Fatalf("%s: %v", sql, err)
	}
}

// renew stops everything, and starts services on a new database and bus.
func (p *pipeline) renew(services ...string) {
	p.b.Helper()
	p.quit()
	p.number++
	name := fmt.Sprintf("round_%d", p.number)
	conn, err := pgx.Connect(p.b.Context(), p.server.DSN("postgres"))
	if err != nil {
		p.b.Fatal(err)
	}
	defer conn.Close(p.b.Context())
	if _, err := conn.Exec(p.b.Context(), "CREATE DATABASE "+name+" TEMPLATE roster"); err != nil {
		p.b.Fatal(err)
	}
	p.nats, p.dsn = startNATS(p.b), p.server.DSN(name)
	p.environment = append(p.environment, // the last value of a variable counts
		"CHORUS_NATS_URL="+p.nats.url(), "CHORUS_DATABASE_URL_FILE="+written(p.b, p.b.TempDir(), "database_url", p.dsn))
	p.run("migrate", "up")
	p.db = p.pool()
	p.start(services...)
}

// quit stops everything except PostgreSQL.
func (p *pipeline) quit() {
	p.b.Helper()
	for service := range p.running {
		p.stop(service)
	}
	if p.nats != nil {
		p.nats.stop()
		p.nats = nil
	}
}

func (p *pipeline) stop(service string) {
	p.b.Helper()
	p.running[service].interrupt()
	delete(p.running, service)
}

// pace makes the cast plan this many turns per second, evenly. The planner reads clocks
// that others move only after a change of a setting, so no chat is due before.
func (p *pipeline) pace(rate float64) {
	p.b.Helper()
	mean := time.Duration(pipelineChats / rate * float64(time.Second))
	p.exec(p.db, `UPDATE chat_clock SET next_turn_at = now() + interval '1 second' - ln(1 - random()) * $1::interval`, mean)
	set(p.b, p.db, settings.ScaleFactor.Definition, fmt.Sprintf("%.4f", pipelineGap.Seconds()/mean.Seconds()))
}

// cost holds the deliveries of a period and the resources that they took.
type cost struct {
	delivered  int
	took       time.Duration
	silence    time.Duration // the longest time between two deliveries
	cpu        float64       // seconds, of all processes of the system
	statements int
}

func (c cost) rate() float64          { return float64(c.delivered) / c.took.Seconds() }
func (c cost) microsPerTurn() float64 { return 1e6 * c.cpu / float64(c.delivered) }
func (c cost) sqlPerTurn() float64    { return float64(c.statements) / float64(c.delivered) }

func better(a, b cost) cost {
	if a.delivered > 0 && a.rate() >= b.rate() {
		return a
	}
	return b
}

// offer makes the cast talk at a rate, and measures for d after the rate has settled.
func (p *pipeline) offer(rate float64, d time.Duration) cost {
	p.b.Helper()
	p.pace(rate)
	pass(p.b, settling)
	p.exec(p.db, `SELECT pg_stat_statements_reset()`)
	p.telegram.forget()
	began, before := time.Now(), p.cpu()
	pass(p.b, d)
	c := cost{took: time.Since(began), cpu: p.cpu() - before}
	arrivals := p.telegram.arrivals()
	c.delivered, c.silence = len(arrivals), longestSilence(began, arrivals, began.Add(c.took))
	c.statements = p.statements(p.db)
	if c.delivered == 0 {
		p.b.Fatalf("nothing is delivered at %.0f turns/s", rate)
	}
	p.b.Logf("offered %.0f/s, delivered %.0f/s, %.0f us and %.2f statements a turn, longest silence %v", rate, c.rate(), c.microsPerTurn(), c.sqlPerTurn(), c.silence)
	return c
}

// climb raises the offer until the pipeline doesn't carry it, and returns the best cost.
func (p *pipeline) climb() (best cost) {
	p.b.Helper()
	for rate := float64(firstOffer); rate <= maxOffer; rate *= offerStep {
		c := p.offer(rate, 8*time.Second)
		best = better(best, c)
		if c.rate() < carried*rate {
			break
		}
	}
	return best
}

// drain waits until the backlog is delivered.
func (p *pipeline) drain() {
	p.b.Helper()
	const few = 20
	p.pace(1)
	eventually(p.b, "the rest is delivered", func() bool { return one[int](p.b, p.db, openTurns) < few })
}

const openTurns = `SELECT count(*) FROM turns WHERE closed_at IS NULL`

// send returns the deliveries per second of the sender alone for a backlog, without its
// start. The texts are planned and written before, at the given rate.
func (p *pipeline) send(rate float64) float64 {
	p.b.Helper()
	p.renew("generator", "planner")
	p.pace(rate)
	const planned = `SELECT sum(turn_no) FROM chat_clock`
	eventually(p.b, "the backlog is planned", func() bool { return one[int](p.b, p.db, planned) >= sendBacklog })
	p.stop("planner")
	eventually(p.b, "all texts are written", func() bool {
		return one[bool](p.b, p.db, `
SELECT NOT EXISTS (SELECT FROM turns t WHERE closed_at IS NULL AND NOT EXISTS (
    SELECT FROM deliveries d WHERE (d.chat_id, d.turn_no) = (t.chat_id, t.turn_no)))`)
	})
	p.stop("generator")
	open := one[int](p.b, p.db, openTurns)
	p.telegram.forget()
	p.start("sender")
	eventually(p.b, "the backlog is delivered", func() bool { return len(p.telegram.arrivals()) >= open })
	return innerRate(p.telegram.arrivals())
}

// cpu returns the CPU time of all processes of the system so far, in seconds, user and
// system.
func (p *pipeline) cpu() (sum float64) {
	p.b.Helper()
	sources := []sampling.Source{
		{Service: "nats", Instance: "nats", Pid: p.nats.process.Pid()},
		{Service: "postgres", Instance: "postgres", Pid: p.server.Pid(), Tree: true},
	}
	for service, c := range p.running {
		sources = append(sources, sampling.Source{Service: service, Instance: service, Pid: c.process.Pid()})
	}
	sampler := sampling.New()
	sampler.Look(p.b.Context(), sources)
	if n := sampler.Failures(); n > 0 {
		p.b.Fatalf("%d of %d processes have ended", n, len(sources))
	}
	for _, sample := range sampler.Samples() {
		sum += sample.CPU
		p.b.Logf("  CPU %s %.3f", sample.Service, sample.CPU)
	}
	return sum
}
