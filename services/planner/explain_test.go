package planner

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// TestLatelyIsFoundByBotAndByChat has the database choose its plans when it
// knows of nothing that was planned lately, and of no open turn. The indexes of
// all turns look as good to it then, and cost more with every turn.
func TestLatelyIsFoundByBotAndByChat(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	var bots, chats []int64
	for _, name := range []string{"anna", "ben", "clara", "dora"} {
		bots = append(bots, journaltest.Bot(t, pool, name))
	}
	for _, name := range []string{"here", "there", "elsewhere"} {
		chats = append(chats, journaltest.Chat(t, pool, name, bots...))
	}
	exec(t, pool, `
INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at, outcome, closed_at)
SELECT c, n, bots[1 + n % 4], 'message', repeat('x', 300)::bytea, at, at, at + interval '1 minute', 'delivered', at
FROM (SELECT $2::bigint[] AS bots) b, unnest($1::bigint[]) c, generate_series(1, 3000) n, LATERAL (SELECT now() - interval '2 days' + n * interval '20 seconds' AS at) t`,
		chats, bots)
	exec(t, pool, `VACUUM (ANALYZE) turns`)
	index := regexp.MustCompile(`turns_[a-z_]+`)
	for name, c := range map[string]struct {
		sql  string
		args []any
		want []string
	}{
		"cast":   {castOf, []any{chats}, []string{"turns_bot"}},
		"load":   {loadOf, []any{chats}, []string{"turns_chat", "turns_open_chat"}},
		"answer": {answersTo, []any{chats[0], int64(7)}, []string{"turns_chat"}},
		"limits": {overLimit, []any{bots, []int{1, 1, 1, 1}}, []string{"turns_bot"}},
	} {
		rows, err := pool.Query(t.Context(), "EXPLAIN "+c.sql, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(lines, "\n")
		used := index.FindAllString(plan, -1)
		slices.Sort(used)
		if diff := cmp.Diff(c.want, slices.Compact(used)); diff != "" {
			t.Errorf("%s: indexes wanted (-), used (+):\n%s\n%s", name, diff, plan)
		}
	}
}
