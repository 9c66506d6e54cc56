package e2e_test

import (
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// A bot that is kicked from a chat leaves its cast. Within a second the planner stops
// choosing it there. It makes no more calls in that chat, and continues in others.
func TestAKickedBotLeavesTheCast(t *testing.T) {
	t.Parallel()
	dir := testenv.Folder(t)
	c := up(t, dir, "--sender.typing=false", "--cast", troupe{bots: 3, supergroups: 2, perChat: 3, gap: time.Second}.file(t))
	emulator, pool := c.emulator(), database(t, dir)
	const talks = `SELECT count(*) FROM turns WHERE chat_id = $1 AND bot_id = $2 AND outcome = 'delivered'`
	bot := one[int64](t, pool, `SELECT min(id) FROM bots`)
	chat, other := one[int64](t, pool, `SELECT min(id) FROM chats`), one[int64](t, pool, `SELECT max(id) FROM chats`)
	eventually(t, "the bot talks in the chat", func() bool { return one[int](t, pool, talks, chat, bot) > 0 })

	if err := emulator.Kick(t.Context(), one[int64](t, pool, `SELECT telegram_id FROM chats WHERE id = $1`, chat),
		one[string](t, pool, `SELECT username FROM bots WHERE id = $1`, bot)); err != nil {
		t.Fatal(err)
	}
	const suspended = `SELECT count(*) FROM cast_members WHERE chat_id = $1 AND bot_id = $2 AND suspended_at IS NOT NULL AND suspended_why <> ''`
	eventually(t, "the bot is suspended in the chat", func() bool { return one[int](t, pool, suspended, chat, bot) == 1 })
	const after = `
SELECT count(*) FROM turns t JOIN cast_members m ON m.chat_id = $1 AND m.bot_id = $2
WHERE t.chat_id = $3 AND (t.bot_id = $2) = $4 AND t.planned_at > m.suspended_at + interval '1 second'`
	eventually(t, "the others go on in the chat, and the bot elsewhere", func() bool {
		return one[int](t, pool, after, chat, bot, chat, false) >= 10 && one[int](t, pool, after, chat, bot, other, true) > 0
	})
	if n := one[int](t, pool, after, chat, bot, chat, true); n != 0 {
		t.Errorf("the bot was chosen %d times in the chat a second after it was suspended there", n)
	}
	if n := one[int](t, pool, `SELECT count(*) FROM cast_members WHERE suspended_at IS NOT NULL`); n != 1 {
		t.Errorf("%d memberships are suspended, want one", n)
	}
	pool.Close()
}
