package planner_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/killpoint"
)

func TestABatchCostsTheSameQueriesWhateverItsSize(t *testing.T) {
	t.Parallel()
	var want []string
	for _, n := range []int{1, 10, 100} {
		s := newSerialStage(t, "anna", "ben", "clara", "dora")
		ids := chats(s, n)
		s.exec(`UPDATE chats SET mean_gap = '7 days', kind = 'group', telegram_id = -id`)
		for _, id := range ids {
			s.says(id, s.bots[0], "Has anybody read on?", time.Minute)
			s.says(id, 0, "I have", 30*time.Second)
		}
		// All kinds of turn and all limits are used.
		s.exec(`UPDATE bots SET hourly_max = 1`)
		s.exec(`UPDATE bots SET hourly_max = 1200 WHERE name <> 'anna'`)
		s.turns(ids[0], s.bots[0], 1, "message", 2*time.Minute, false)
		values := given(t, "short_reaction_probability", "0", "global_max_msgs_per_min", "1000000")

		var mu sync.Mutex
		var got []string
		deps := s.deps(values, nil)
		deps.Pool = killpoint.Watch(t, s.pool.Config().ConnString(), func(sql string) {
			mu.Lock()
			defer mu.Unlock()
			sql = strings.Join(strings.Fields(sql), " ")
			got = append(got, sql[:min(len(sql), 60)])
		}, func(string) {})
		_, stop := s.plan(deps)
		s.idle()
		stop()
		if planned := one[int](s, `SELECT count(*) - 1 FROM turns`); planned != n {
			t.Errorf("%d turns planned, want %d", planned, n)
		}
		// More statements belong to the next batch.
		mu.Lock()
		got = got[:min(len(got), 2)]
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the statements for %d chats differ from those for one (-):\n%s", n, diff)
		}
		mu.Unlock()
	}
}
