package caching_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// maxStatements limits the statements of a delivered turn. Its own are nine or ten. The
// rest are those of a batch, which often has one turn here, and those that look for due
// chats.
const maxStatements = 25

// steady holds the cost of turns after everything was read once.
type steady struct {
	asked     map[string]int
	by        map[string]map[string]int // the same, by service
	delivered float64
	lookups   lookups
}

func (s steady) perTurn() float64 { return float64(total(s.asked)) / s.delivered }

// measure plays turns. The first ones are not measured.
func (fx *fixture) measure(first, turns float64) steady {
	fx.t.Helper()
	fx.play(first)
	fx.asked()
	delivered, looked := fx.number(turnsDelivered), fx.lookups()
	fx.play(turns)
	by := fx.asked()
	return steady{together(by), by, fx.number(turnsDelivered) - delivered, fx.lookups().since(looked)}
}

// joined returns the statements of a turn as if joins were used, like before there was a
// cache: the generator read bot, chat, cast and persona with one statement, the sender all
// its data with one.
func (s steady) joined() float64 {
	n := total(s.asked)
	for service, parts := range map[string][]string{
		"generator": {"FROM bots WHERE id", "FROM chats WHERE id", "FROM cast_members WHERE"},
		"sender":    {"token_sealed FROM bots WHERE id", "FROM chats WHERE id", "FROM cast_members WHERE", "JOIN message_ids"},
	} {
		for sql, times := range s.by[service] {
			if slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(sql, part) }) {
				n -= times
			}
		}
	}
	return float64(n) / s.delivered
}

// After everything was read once, turns need no statement for unchanged data, and at most
// maxStatements in all.
func TestTurnsAreMadeFromWhatIsCached(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, true)
	is := fx.measure(60, 60)
	// A bot may have its first turn only now.
	if read := ofRoster(is.asked); float64(total(read)) > is.delivered/10 {
		t.Errorf("in %.0f turns the roster was read:\n%s", is.delivered, listed(read))
	}
	if is.perTurn() > maxStatements {
		t.Errorf("a turn costs %.1f statements, want %d at most:\n%s", is.perTurn(), maxStatements, listed(is.asked))
	}
	if is.lookups.rate() < 0.95 {
		t.Errorf("%.1f %% of the lookups are hits, want 95 %%", 100*is.lookups.rate())
	}
	// A change is read once, and turns go on.
	fx.exec(`UPDATE personas SET hint = 'Changed.' WHERE bot_id = (SELECT min(bot_id) FROM cast_members)`)
	fx.play(20)
	fx.stop()
	if why := fx.whyFailed(); why != "" {
		t.Errorf("turns failed: %s", why)
	}
}

// BenchmarkStatements prints the statements of a delivered turn of the example casts,
// without the cache and with it.
func BenchmarkStatements(b *testing.B) {
	for b.Loop() {
		without := newFixture(b, false)
		before := without.measure(60, 100)
		without.stop()
		with := newFixture(b, true)
		after := with.measure(60, 100)
		with.stop()
		fmt.Printf("figure cache.sql_per_turn_before %.1f statements\n", before.joined())
		fmt.Printf("figure cache.sql_per_turn %.1f statements\n", after.perTurn())
		fmt.Printf("figure cache.hit_rate %.4f ratio\n", after.lookups.rate())
	}
}
