package planner_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/cache/cachepg"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/planner"
)

// listening runs a planner that receives changes.
func (s *stage) listening() {
	s.t.Helper()
	log := testenv.Logger(s.t)
	watch, err := settingspg.Open(s.t.Context(), s.pool, log)
	if err != nil {
		s.t.Fatal(err)
	}
	p, _ := s.plan(s.deps(watch, nil))
	c := cache.New(cache.DefaultConfig(), nil, nil, log)
	s.t.Cleanup(c.Close)
	feed := cachepg.New(s.pool, c, log).Tell(p.Wake, rostercache.Rows()...)
	testenv.Background(s.t, listen.New(s.pool, log, watch.Channel(), feed.Channel()).Run)
	testenv.Background(s.t, func(ctx context.Context) error {
		for {
			next := watch.Changed()
			p.Wake()
			select {
			case <-next:
			case <-ctx.Done():
				return nil
			}
		}
	})
}

func (s *stage) talks(chat int64, within time.Duration) {
	s.t.Helper()
	began := time.Now()
	s.eventually("the chat talks", `SELECT EXISTS (SELECT FROM turns WHERE chat_id = $1)`, chat)
	if took := time.Since(began); took > within {
		s.t.Errorf("the chat talks after %v, want at most %v", took, within)
	}
}

func TestAChangeIsActedOnWithinASecond(t *testing.T) {
	tomorrow := `UPDATE bots SET active_hours = ARRAY[to_char(now() + interval '6 hours', 'HH24:MI') || '-' || to_char(now() + interval '7 hours', 'HH24:MI')]`
	for name, c := range map[string]struct {
		before, change []string
	}{
		"a chat is enabled":    {[]string{`UPDATE chats SET enabled = false`}, []string{`UPDATE chats SET enabled = true`}},
		"a bot is cast":        {[]string{`DELETE FROM cast_members`}, []string{`INSERT INTO cast_members (chat_id, bot_id) SELECT c.id, b.id FROM chats c, bots b`}},
		"a bot gets a token":   {[]string{`UPDATE bots SET stopped_at = now(), stopped_why = 'token'`}, []string{`UPDATE bots SET stopped_at = NULL, stopped_why = NULL`}},
		"a bot is let back in": {[]string{`UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked'`}, []string{`UPDATE cast_members SET suspended_at = NULL, suspended_why = NULL`}},
		"a bot is awake":       {[]string{tomorrow, `UPDATE bots SET updated_at = now() - interval '1 day'`}, []string{`UPDATE bots SET active_hours = '{}', updated_at = now()`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "anna")
			chat := s.chat("club")
			for _, sql := range c.before {
				s.exec(sql)
			}
			s.listening()
			s.eventually("the chat waits", `SELECT waiting_for IS NOT NULL AND next_turn_at > now() + interval '1 minute' FROM chat_clock`)
			for _, sql := range c.change {
				s.exec(sql)
			}
			s.talks(chat, time.Second)
		})
	}
	t.Run("the simulation is switched on", func(t *testing.T) {
		s := newStage(t, "anna")
		here, there := s.chat("here"), s.chat("there")
		s.set("simulation_active", settings.Global, 0, "false")
		s.listening()
		s.eventually("the chats wait", `SELECT count(*) = 2 FROM chat_clock WHERE waiting_for = 'simulation_off'`)
		s.set("simulation_active", settings.Chat, here, "false")
		s.set("simulation_active", settings.Global, 0, "true")
		s.talks(there, time.Second)
		if n := one[int](s, `SELECT count(*) FROM turns WHERE chat_id = $1`, here); n != 0 {
			t.Error("a chat talks that is switched off by itself")
		}
		s.set("simulation_active", settings.Chat, here, "true")
		s.talks(here, time.Second)
	})
	t.Run("the simulation is switched off", func(t *testing.T) {
		s := newStage(t, "anna")
		chat := s.chat("club")
		s.set("scale_factor", settings.Global, 0, "100")
		s.listening()
		s.talks(chat, patience)
		s.set("simulation_active", settings.Global, 0, "false")
		s.eventually("the chat waits", `SELECT coalesce(waiting_for, '') = 'simulation_off' FROM chat_clock`)
	})
}

// Of a thousand chats, those that talk and those whose reason to wait still holds are not
// touched. The others don't begin at the same time.
func TestOnlyWhoWaitedForItIsWoken(t *testing.T) {
	s := newStage(t, "anna")
	s.exec(`
WITH c AS (
    INSERT INTO chats (name, telegram_id, kind, enabled, mean_gap)
    SELECT 'chat-' || i, -1000000000000 - i, 'supergroup', i <= 900, '1 day' FROM generate_series(1, 1000) i RETURNING id),
k AS (INSERT INTO chat_clock (chat_id, next_turn_at) SELECT id, now() + interval '1 hour' FROM c)
INSERT INTO cast_members (chat_id, bot_id) SELECT id, $1 FROM c`, s.bots[0])
	s.exec(`
UPDATE chat_clock SET waiting_for = 'chat_disabled', waiting_since = now() - interval '1 day'
WHERE chat_id > (SELECT min(id) + 499 FROM chats)`)
	before := one[string](s, `SELECT string_agg(next_turn_at::text, ',' ORDER BY chat_id) FROM chat_clock WHERE chat_id <= (SELECT min(id) + 499 FROM chats)`)
	p, _ := s.plan(s.deps(given(t, "simulation_active", "false"), nil))
	p.Wake()
	s.eventually("the chats that are enabled now no longer wait for that", `SELECT count(*) = 100 FROM chat_clock WHERE waiting_for = 'chat_disabled'`)
	after := one[string](s, `SELECT string_agg(next_turn_at::text, ',' ORDER BY chat_id) FROM chat_clock WHERE chat_id <= (SELECT min(id) + 499 FROM chats)`)
	if before != after {
		t.Error("chats that did not wait were woken")
	}
	if n := one[int](s, `SELECT count(*) FROM chat_clock k JOIN chats c ON c.id = k.chat_id WHERE c.enabled AND k.waiting_for IS NULL AND next_turn_at BETWEEN now() + interval '100 ms' AND now() + interval '3 seconds'`); n < 200 {
		t.Errorf("%d of 400 woken chats have yet to begin, want them spread over two seconds", n)
	}
}

// Chats with a sleeping cast are planned once, however often others change, and logged in
// one line.
func TestSleepingChatsAreLeftAlone(t *testing.T) {
	s := newStage(t, "anna")
	s.exec(`UPDATE bots SET active_hours = ARRAY[to_char(now() + interval '6 hours', 'HH24:MI') || '-' || to_char(now() + interval '7 hours', 'HH24:MI')], updated_at = now()`)
	chats(s, 300)
	ben := journaltest.Bot(t, s.pool, "ben")
	others := []int64{journaltest.Chat(t, s.pool, "one", ben), journaltest.Chat(t, s.pool, "two", ben)}
	s.exec(`UPDATE chats SET enabled = false WHERE id = ANY($1)`, others)
	deps := s.deps(given(t), nil)
	core, logs := observer.New(zap.InfoLevel)
	deps.Log = zap.New(core)
	p, _ := s.plan(deps, func(cfg *planner.Config) { cfg.Batch = 20 })
	s.eventually("all chats wait", `SELECT count(*) = 302 FROM chat_clock WHERE waiting_for IS NOT NULL`)

	const state = `SELECT string_agg(waiting_since::text, ',' ORDER BY chat_id) FROM chat_clock WHERE waiting_for = 'asleep'`
	before := one[string](s, state)
	for _, chat := range others {
		s.exec(`UPDATE chats SET enabled = true, updated_at = now() WHERE id = $1`, chat)
		p.Wake()
		s.talks(chat, patience)
	}
	if one[string](s, state) != before {
		t.Error("sleeping chats were planned again")
	}
	s.exec(`UPDATE bots SET active_hours = '{}', updated_at = now() WHERE name = 'anna'`)
	p.Wake()
	s.eventually("they talk once their bot is awake", `SELECT NOT EXISTS (SELECT FROM chat_clock WHERE waiting_for = 'asleep')`)
	if n := logs.Len(); n != 1 {
		t.Errorf("%d lines were logged, want one: %v", n, logs.All())
	}
}

func TestLimitsHoldOverBatchesAndPlanners(t *testing.T) {
	const (
		everywhere = 37
		ofABot     = 7
	)
	for name, c := range map[string]struct {
		sql, count string
		settings   []string
		most       int
	}{
		"of a bot":           {fmt.Sprintf(`UPDATE bots SET hourly_max = %d`, ofABot), `SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM turns GROUP BY bot_id) t`, nil, ofABot},
		"of all chats":       {`UPDATE bots SET hourly_max = 1200`, `SELECT count(*) FROM turns`, []string{"global_max_msgs_per_min", fmt.Sprint(everywhere)}, everywhere},
		"of each chat":       {`UPDATE bots SET hourly_max = 1200`, `SELECT max(turn_no) FROM chat_clock`, []string{"max_msgs_per_min", "3"}, 3},
		"of unwritten turns": {`UPDATE bots SET hourly_max = 1200`, `SELECT max(turn_no) FROM chat_clock`, []string{"max_unwritten_turns", "2"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "anna", "ben")
			chats(s, 60)
			s.exec(c.sql)
			values := given(t, append([]string{"scale_factor", "20", "min_gap", `"0s"`, "short_reaction_probability", "0"}, c.settings...)...)
			for range 3 {
				s.plan(s.deps(values, nil), func(cfg *planner.Config) { cfg.Batch = 15 })
			}
			s.until("the limit is reached", func() bool { return one[int](s, c.count) >= c.most })
			reached := one[time.Time](s, `SELECT clock_timestamp() + interval '300 ms'`)
			s.eventually("every chat was due several times more", `SELECT min(next_turn_at) > $1 FROM chat_clock`, reached)
			if got := one[int](s, c.count); got > c.most {
				t.Errorf("%d messages planned, want at most %d", got, c.most)
			}
		})
	}
}
