package e2e_test

import (
	"strconv"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// The bus loses its disk: streams, consumers and all rings. This only costs time: sweeps
// find the open rows, and the services declare the streams again.
func TestTheBusIsWipedUnderLoad(t *testing.T) {
	t.Parallel()
	cast := troupe{bots: 8, supergroups: 5, groups: 1, perChat: 4, gap: 1e9}
	d := deploy(t, cast.file(t))
	pool := d.pool()
	// A full chat plans nothing, so not all chats may be full before the bus is back.
	const most = 10
	set(t, pool, settings.MaxUnwrittenTurns.Definition, strconv.Itoa(most))
	half := (cast.supergroups + cast.groups) * most / 2
	d.start("planner", "generator", "sender")
	talked := func(since uint64) uint64 {
		calls := sent(callsOf(t, d.telegram, control.Filter{Since: since}))
		if len(calls) < 10 {
			return 0
		}
		return calls[len(calls)-1].Seq
	}
	var last uint64
	for range 2 {
		var now uint64
		eventually(t, "the cast talks, and has room for more turns", func() bool {
			now = talked(last)
			return now > 0 && one[int](t, pool, `SELECT count(*) FROM turns WHERE closed_at IS NULL`) < half
		})
		last = now
		d.bus.Stop()
		before := one[int](t, pool, `SELECT count(*) FROM turns`)
		eventually(t, "turns are planned, written and sent without a bus", func() bool {
			return one[int](t, pool, `SELECT count(*) FROM (SELECT outcome FROM turns ORDER BY planned_at OFFSET $1) t WHERE outcome = 'delivered'`, before) > 5
		})
		d.bus.Wipe()
		d.bus.Start()
	}
	eventually(t, "the cast talks again", func() bool { return talked(last) > 0 })
	settle(t, pool)

	calls := callsOf(t, d.telegram, control.Filter{})
	turns := accountFor(t, pool, calls)
	outcomes := map[string]int{}
	for _, v := range turns {
		outcomes[v.Outcome]++
	}
	t.Logf("%d messages sent for %d turns: %v", len(sent(calls)), len(turns), outcomes)
}
