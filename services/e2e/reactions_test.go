package e2e_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/reaction"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/load/accounting"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// This test compares rates, so it runs before the parallel tests.
func TestReactionsHoldNothingUp(t *testing.T) {
	dir := testenv.Folder(t)
	c := up(t, dir, "--cast", troupe{bots: 24, supergroups: 48, perChat: 4, gap: 2 * time.Second}.file(t),
		// Rates are compared, so all chats talk evenly. Calls that hang time out within the window.
		"--planner.pace", "2s", "--sender.typing=false", "--telegram.timeout", "3s", "--sender.breaker-delay", "5s")
	emulator, pool := c.emulator(), database(t, dir)
	set(t, pool, settings.ReactionProbability.Definition, "0.4")
	set(t, pool, settings.MaxMessagesPerMinute.Definition, "60")
	// With this limit, a reaction that counted as waiting would stop its chat.
	set(t, pool, settings.MaxUnwrittenTurns.Definition, "1")
	set(t, pool, settings.PrimeHoursBoost.Definition, "false")
	// Chats keep their rate, because rates are compared. By default all would begin lively.
	set(t, pool, settings.LivelyGapFactor.Definition, "1")
	set(t, pool, settings.MinNeed.Definition, "0")
	eventually(t, "there is enough to react to", func() bool {
		return len(sent(callsOf(t, emulator, control.Filter{}))) > 240
	})

	windows := watch(t, emulator, 10*time.Second)
	calls := callsOf(t, emulator, control.Filter{})
	for what, events := range map[string][]time.Time{"planned turns": planned(t, pool), "delivered messages": spoken(t, calls)} {
		for fault, how := range changed(windows, events) {
			t.Errorf("reactions that are %s change the rate of %s: %s", fault, what, how)
		}
		for _, w := range windows {
			t.Logf("%s, %q: %v", what, w.fault, w.count(events))
		}
	}

	settle(t, pool)
	calls = callsOf(t, emulator, control.Filter{})
	turns := accountFor(t, pool, calls)
	rejectedOnce(t, calls, turns)
	pool.Close()
	ends(t, c) // the log rightly reports a breaker that has opened
}

// planned returns the times at which turns were planned.
func planned(t *testing.T, pool *pgxpool.Pool) []time.Time {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT planned_at FROM turns`)
	if err != nil {
		t.Fatal(err)
	}
	times, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		t.Fatal(err)
	}
	return times
}

// spoken returns the times at which messages were delivered, without those that replace a
// reaction.
func spoken(t *testing.T, calls []control.Call) []time.Time {
	t.Helper()
	var times []time.Time
	for _, c := range sent(calls) {
		if !reaction.Valid(textOf(t, c)) {
			times = append(times, c.Time)
		}
	}
	return times
}

// rejectedOnce checks that each rejected reaction was called for once, and became a
// message. accountFor checks that it became no more than one.
func rejectedOnce(t *testing.T, calls []control.Call, turns []accounting.Turn) {
	t.Helper()
	type place struct {
		chat    int64
		bot     string
		message int64
	}
	made, meant := map[place]int{}, map[place]int{}
	total := 0
	for _, c := range calls {
		if c.Method == setReaction && c.Status == 400 {
			made[place{c.Chat, c.Bot, target(t, c)}]++
			total++
		}
	}
	for _, v := range turns {
		if v.Kind == accounting.Reaction && v.Outcome == accounting.FellBack {
			meant[place{v.Chat, v.Bot, v.Target}]++
		}
	}
	for at, n := range made {
		if n != meant[at] {
			t.Errorf("%s was refused a reaction to message %d of chat %d %d times, for %d turns that fell back", at.bot, at.message, at.chat, n, meant[at])
		}
	}
	if total < 50 {
		t.Errorf("only %d reactions were rejected: that proves nothing", total)
	}
}
