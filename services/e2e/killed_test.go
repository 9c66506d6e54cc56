package e2e_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	kills = 5
	// shortest and longest limit the random time until a run is killed.
	shortest = time.Second
	longest  = 5 * time.Second
)

// slowly returns arguments that delay Telegram's answers. So a kill is likely to hit the
// time between a call's effect and its answer, when doubles can happen.
func slowly() []string {
	return []string{
		"--emulator.faults", "sendMessage:hang_after=150ms:rate=0.5:seed=1",
		"--emulator.faults", "setMessageReaction:hang_after=150ms:rate=0.5:seed=2",
		"--generator.max-typing", "200ms",
	}
}

func TestKilled(t *testing.T) {
	t.Parallel()
	dir := testenv.Folder(t)
	args := append(slowly(), "--cast", troupe{bots: 8, supergroups: 5, groups: 1, perChat: 4, gap: time.Second}.file(t))
	seed := uint64(time.Now().UnixNano())
	t.Logf("the moments follow from the seed %d", seed)
	moments := rand.New(rand.NewPCG(seed, 0))
	var last uint64
	for range kills {
		c := up(t, dir, args...)
		last = talksAfter(t, c, last)
		pass(t, shortest+time.Duration(moments.Int64N(int64(longest-shortest))))
		c.kill()
	}

	c := up(t, dir, args...)
	talksAfter(t, c, last)
	pool := database(t, dir)
	settle(t, pool)
	calls := callsOf(t, c.emulator(), control.Filter{})
	turns := accountFor(t, pool, calls)
	outcomes := map[string]int{}
	for _, v := range turns {
		outcomes[v.Outcome]++
	}
	t.Logf("%d messages sent for %d turns: %v", len(sent(calls)), len(turns), outcomes)
	pool.Close()
	stopped(t, c)
}

// talksAfter waits for a message after a call of the log, and returns the log's new
// position.
func talksAfter(t *testing.T, c *chorus, since uint64) uint64 {
	t.Helper()
	emulator := c.emulator()
	var said []control.Call
	eventually(t, "the cast talks", func() bool {
		said = sent(callsOf(t, emulator, control.Filter{Since: since}))
		return len(said) > 0
	})
	return said[len(said)-1].Seq
}

// settle stops planning, and waits until all planned turns have ended. An absence of open
// turns isn't sufficient, because the planner may plan until it receives the setting. So
// every chat is made due, and must then be found waiting for this setting.
func settle(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	set(t, pool, settings.SimulationActive.Definition, "false")
	if _, err := pool.Exec(t.Context(), `UPDATE chat_clock SET next_turn_at = clock_timestamp() WHERE waiting_for IS NULL`); err != nil {
		t.Fatal(err)
	}
	// A planner doesn't see clocks that others move, unless it is notified.
	if _, err := pool.Exec(t.Context(), `SELECT pg_notify('chorus_roster', 'test')`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing more is planned, and every turn has ended", func() bool {
		return one[bool](t, pool, `
SELECT NOT EXISTS (SELECT FROM chat_clock WHERE waiting_for IS DISTINCT FROM 'simulation_off')
   AND NOT EXISTS (SELECT FROM turns WHERE closed_at IS NULL)`)
	})
}

// set changes a global setting.
func set(t testing.TB, pool *pgxpool.Pool, d *settings.Definition, text string) {
	t.Helper()
	value, err := d.ParseText(text)
	if err == nil {
		err = settingspg.Set(t.Context(), pool, d.Key, settings.Global, 0, value)
	}
	if err != nil {
		t.Fatal(err)
	}
}
