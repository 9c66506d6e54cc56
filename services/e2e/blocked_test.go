package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

const (
	// disturbed is the duration of each fault, and of the healthy time before and after it.
	disturbed = 30 * time.Second
	// recovery is the time in which a backlog may still have an effect.
	recovery = 15 * time.Second
)

// BenchmarkBlocked prints how much later turns are planned while all calls to Telegram
// hang, while NATS is down and while Redis is down, compared to healthy times. It prints
// the 99th percentile of the planning delay, the worst of the three, and the delay while
// the backlog is worked off. The services are separate processes, like in production.
func BenchmarkBlocked(b *testing.B) {
	d := deploy(b, troupe{bots: 40, supergroups: 40, perChat: 4, gap: time.Second}.file(b), "--emulator.unlimited")
	d.environment = append(d.environment, "CHORUS_SENDER_TYPING=false", "CHORUS_SENDER_SUPERGROUP_PER_MINUTE=600",
		"CHORUS_SENDER_SUPERGROUP_PER_SECOND=10", "CHORUS_LOG_LEVEL=error")
	pool := d.pool()
	for definition, value := range map[*settings.Definition]string{
		settings.PrimeHoursBoost.Definition: "false", settings.MinGap.Definition: "0s",
		// Calls that hang and lost rings must not make the chats silent.
		settings.MaxMessagesPerMinute.Definition: "60", settings.MaxUnwrittenTurns.Definition: "100",
	} {
		set(b, pool, definition, value)
	}
	m := &blocked{b: b, pool: pool}
	hang := control.Fault{ID: "hanging", Kind: fault.Hang, Duration: jsontime.Duration(disturbed)}
	faults := func(faults ...control.Fault) {
		if _, err := d.telegram.SetFaults(b.Context(), faults...); err != nil {
			b.Fatal(err)
		}
	}
	d.start("planner", "generator", "sender")
	pass(b, disturbed)
	for b.Loop() {
		m.well()
		m.disturb("all calls to Telegram hang", func() { faults(hang) }, func() { faults() })
		m.well()
		m.disturb("NATS is gone", d.bus.Stop, d.bus.Start)
		m.well()
		m.disturb("Redis is gone", d.redis.Kill, d.redis.Restart)
		m.well()
	}
	m.report()
}

// blocked measures the planning of a running Chorus.
type blocked struct {
	b     *testing.B
	pool  *pgxpool.Pool
	spans []span
}

// span is a period with one fault or none.
type span struct {
	fault    string
	from, to time.Time
}

func (m *blocked) well() {
	from := time.Now()
	pass(m.b, disturbed)
	m.spans = append(m.spans, span{"", from, time.Now()})
}

// disturb causes a fault and ends it. The time in which the backlog is worked off is a span
// of its own.
func (m *blocked) disturb(fault string, lose, back func()) {
	from := time.Now()
	lose()
	pass(m.b, disturbed)
	gone := span{fault, from, time.Now()}
	back()
	pass(m.b, recovery)
	m.spans = append(m.spans, gone, span{"catching up", gone.to, time.Now()})
}

// report compares each fault with the spans before and after it, because the machine's
// speed varies.
func (m *blocked) report() {
	worst, slowest := 0.0, 0.0
	for i, s := range m.spans {
		switch s.fault {
		case "":
		case "catching up":
			slowest = max(slowest, m.late(s))
		default:
			well, late := m.late(m.spans[i-1], m.spans[i+2]), m.late(s)
			m.b.Logf("while %s, turns are planned %.1f ms late, else %.1f ms; in the %v after it %.1f ms", s.fault, late, well, recovery, m.late(m.spans[i+1]))
			worst = max(worst, late/well)
		}
	}
	fmt.Printf("figure planner.blocked_p99_ratio %.2f ratio\n", worst)
	fmt.Printf("figure planner.catching_up_p99_ms %.1f ms\n", slowest)
}

// minTurns is the minimum of turns for a meaningful percentile.
const minTurns = 400

// late returns the 99th percentile of the planning delay in some spans, in milliseconds.
func (m *blocked) late(spans ...span) float64 {
	var from, to []time.Time
	for _, s := range spans {
		from, to = append(from, s.from), append(to, s.to)
	}
	const turns = ` FROM turns, unnest($1::timestamptz[], $2::timestamptz[]) AS span(began, ended) WHERE planned_at BETWEEN began AND ended`
	if n := one[int](m.b, m.pool, `SELECT count(*)`+turns, from, to); n < minTurns {
		m.b.Fatalf("%d turns were planned, want %d at least", n, minTurns)
	}
	return one[float64](m.b, m.pool, `
SELECT 1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM planned_at - due_at))::float8`+turns, from, to)
}
