package planner

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// loaded returns the input of each due chat, by id.
func loaded(t *testing.T, pool *pgxpool.Pool, values *settings.Values) map[int64]decide.Input {
	t.Helper()
	found := map[int64]decide.Input{}
	chats, err := look(t.Context(), pool, claimDue, view{}, noLimit, 100)
	if err != nil {
		t.Fatal(err)
	}
	due, err := inputs(t.Context(), rostercache.New(pool, nil), values, chats)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range due {
		found[in.Chat.ID] = in
	}
	return found
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// The arguments after the chat are: number, bot, kind, age, open.
const insertTurn = `
INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, payload, planned_at, due_at, expires_at, outcome, closed_at, written_at)
SELECT $1, $2, $3, $4, CASE WHEN $4 <> 'message' THEN 1 END, '', now() - $5::interval, now() - $5::interval, now() + interval '1 hour',
    CASE WHEN NOT $6 THEN 'delivered' END, CASE WHEN NOT $6 THEN now() END, CASE WHEN NOT $6 OR $4 IN ('reaction', 'command') THEN now() END`

func TestWhatWasPlannedIsCounted(t *testing.T) {
	type turn struct {
		bot  int // 0 anna, 1 ben
		kind string
		ago  time.Duration
		open bool
	}
	type counts struct {
		Unwritten, Minute, Global, Anna, Ben int
		Last                                 int // 0 nobody, 1 anna, 2 ben
	}
	for name, c := range map[string]struct {
		here, there []turn // in the order of their numbers
		written     bool
		want        counts
	}{
		"nothing": {},
		"a closed message": {
			here: []turn{{0, "message", 10 * time.Second, false}},
			want: counts{Minute: 1, Global: 1, Anna: 1},
		},
		"an open message": {
			here: []turn{{0, "message", 10 * time.Second, true}},
			want: counts{Unwritten: 1, Minute: 1, Global: 1, Anna: 1, Last: 1},
		},
		"an open message that has its text": {
			here: []turn{{0, "message", 10 * time.Second, true}}, written: true,
			want: counts{Minute: 1, Global: 1, Anna: 1, Last: 1},
		},
		"the newest open one counts": {
			here: []turn{{0, "reply", 30 * time.Second, true}, {1, "message", 20 * time.Second, true}, {0, "message", 10 * time.Second, false}},
			want: counts{Unwritten: 2, Minute: 3, Global: 3, Anna: 2, Ben: 1, Last: 2},
		},
		"reactions don't count": {
			here: []turn{{1, "message", 20 * time.Second, true}, {0, "reaction", 10 * time.Second, true}},
			want: counts{Unwritten: 1, Minute: 1, Global: 1, Ben: 1, Last: 2},
		},
		"a minute and an hour end": {
			here: []turn{{0, "message", 61 * time.Minute, false}, {0, "message", 59 * time.Minute, false}, {0, "reply", 66 * time.Second, false}, {0, "reply", 59 * time.Second, false}},
			want: counts{Minute: 1, Global: 1, Anna: 3},
		},
		"other chats count for bots and in all": {
			here:  []turn{{0, "message", 10 * time.Second, false}},
			there: []turn{{0, "message", 10 * time.Second, true}, {1, "reply", 5 * time.Minute, true}, {1, "reaction", time.Second, true}},
			want:  counts{Minute: 1, Global: 2, Anna: 2, Ben: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := journaltest.Open(t)
			bots := []int64{journaltest.Bot(t, pool, "anna"), journaltest.Bot(t, pool, "ben")}
			here, there := journaltest.Chat(t, pool, "here", bots...), journaltest.Chat(t, pool, "there", bots...)
			for chat, turns := range map[int64][]turn{here: c.here, there: c.there} {
				for i, turn := range turns {
					exec(t, pool, insertTurn, chat, i+1, bots[turn.bot], turn.kind, turn.ago, turn.open)
				}
			}
			if c.written {
				exec(t, pool, `UPDATE turns SET written_at = now()`)
			}
			journaltest.CountTurns(t, pool)
			values, _ := settings.NewValues([]settings.Stored{{Key: "global_max_msgs_per_min", Scope: settings.Global, Value: []byte("100")}})
			in := loaded(t, pool, values)[here]
			got := counts{
				Unwritten: in.UnwrittenTurns, Minute: in.ChatLastMinute, Global: in.GlobalLastMinute,
				Anna: in.Cast[0].LastHour, Ben: in.Cast[1].LastHour,
			}
			for i, bot := range bots {
				if slices.Contains(in.Coming, bot) {
					got.Last = i + 1
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestOpenRepliesAreLoaded(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	anna, ben := journaltest.Bot(t, pool, "anna"), journaltest.Bot(t, pool, "ben")
	chat := journaltest.Chat(t, pool, "club", anna, ben)
	for i, turn := range []struct {
		bot  int64
		kind string
		open bool
	}{{anna, "reply", false}, {anna, "reply", true}, {ben, "message", true}, {ben, "reaction", true}, {ben, "reply", true}} {
		exec(t, pool, insertTurn, chat, i+1, turn.bot, turn.kind, time.Second, turn.open)
	}
	want := []decide.Answer{{Message: 1, BotID: anna}, {Message: 1, BotID: ben}}
	if diff := cmp.Diff(want, loaded(t, pool, nil)[chat].Answering); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// A text that waits for an operator counts as coming for two minutes. Its target counts as
// answered for longer.
func TestTextsThatWaitForLongAreNotOnTheirWay(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	anna, ben := journaltest.Bot(t, pool, "anna"), journaltest.Bot(t, pool, "ben")
	chat := journaltest.Chat(t, pool, "club", anna, ben)
	for i, turn := range []struct {
		bot  int64
		lane string
		ago  time.Duration
	}{{anna, "held", time.Hour}, {ben, "held", 119 * time.Second}, {anna, "message", time.Hour}, {ben, "held", 121 * time.Second}} {
		exec(t, pool, insertTurn, chat, i+1, turn.bot, "reply", turn.ago, true)
		exec(t, pool, `UPDATE turns SET written_at = planned_at WHERE turn_no = $1`, i+1)
		for part := range 2 {
			exec(t, pool, `
INSERT INTO deliveries (chat_id, turn_no, part, bot_id, action, lane, payload, expires_at, body)
VALUES ($1, $2, $3, $4, 'send_message', $5, '', now() + interval '1 hour', 'x')`, chat, i+1, part+1, turn.bot, turn.lane)
		}
	}
	in := loaded(t, pool, nil)[chat]
	if diff := cmp.Diff([]int64{ben, anna}, in.Coming); diff != "" || in.Held != 3 || len(in.Answering) != 4 {
		t.Errorf("%d are held, %d answers are on their way; coming: want (-), got (+):\n%s", in.Held, len(in.Answering), diff)
	}
}

func TestChatAndCastAreLoaded(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	anna, ben := journaltest.Bot(t, pool, "anna"), journaltest.Bot(t, pool, "ben")
	chat := journaltest.Chat(t, pool, "club", anna, ben)
	later := journaltest.Chat(t, pool, "later", anna)
	exec(t, pool, `UPDATE chat_clock SET turn_no = 6, next_turn_at = now() - interval '1 minute' WHERE chat_id = $1`, chat)
	exec(t, pool, `UPDATE chat_clock SET next_turn_at = now() + interval '1 minute' WHERE chat_id = $1`, later)
	exec(t, pool, `UPDATE chats SET time_zone = 'Europe/Vienna', mean_gap = '90 seconds', allowed_reactions = '{👍}' WHERE id = $1`, chat)
	exec(t, pool, `UPDATE bots SET tempo = 2, active_hours = '{22:00-06:00}', hourly_min = 3, hourly_max = 9 WHERE id = $1`, anna)
	exec(t, pool, `UPDATE personas SET display_name = 'Anna A.', interests = '{maps,tea}', empathy = 0.25, energy = 0.75 WHERE bot_id = $1`, anna)
	exec(t, pool, `UPDATE bots SET enabled = false WHERE id = $1`, ben)
	exec(t, pool, `INSERT INTO stances (bot_id, topic, stance, confidence) VALUES ($1, 'tea', 'hot', 0.5), ($1, 'maps', 'paper', 1)`, anna)
	exec(t, pool, `UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked' WHERE chat_id = $1 AND bot_id = $2`, chat, ben)
	exec(t, pool, `UPDATE cast_members SET refreshed_at = now() - interval '1 minute' WHERE chat_id = $1 AND bot_id = $2`, chat, anna)
	exec(t, pool, `INSERT INTO messages (chat_id, number, bot_id, turn_no, body, sent_at) SELECT $1, n, $2, n, 'Hello', now() - n * interval '14 seconds' FROM generate_series(1, 6) n`, chat, anna)

	inputs := loaded(t, pool, nil)
	if len(inputs) != 1 {
		t.Fatalf("%d chats are due, want 1", len(inputs))
	}
	in := inputs[chat]
	if in.TurnNumber != 7 || in.Now.Sub(in.Due) < time.Minute || !in.Chat.Enabled || in.Chat.Basic || in.Chat.TimeZone.String() != "Europe/Vienna" ||
		in.Chat.MeanGap != 90*time.Second || !cmp.Equal(in.Chat.Topics, []string{"books", "films"}) || !cmp.Equal(in.Chat.AllowedReactions, []string{"👍"}) {
		t.Errorf("turn %d of %+v", in.TurnNumber, in.Chat)
	}
	a, b := in.Cast[0], in.Cast[1]
	if a.Name != "anna" || a.Username != "anna_bot" || a.DisplayName != "Anna A." || !a.Enabled || a.Suspended || a.Tempo != 2 || len(a.ActiveHours) != 1 ||
		a.HourlyMin != 3 || a.HourlyMax != 9 || a.Empathy != 0.25 || a.Energy != 0.75 || a.SinceRefresh != 4 || a.LastRefresh.IsZero() || !cmp.Equal(a.Interests, []string{"maps", "tea"}) {
		t.Errorf("anna is %+v", a)
	}
	if len(a.Stances) != 2 || a.Stances[0].Topic != "maps" || a.Stances[0].Confidence != 1 || a.Stances[0].CooldownUntil.After(in.Now) {
		t.Errorf("anna's stances are %+v", a.Stances)
	}
	if b.Enabled || !b.Suspended || len(b.Stances) != 0 {
		t.Errorf("ben is %+v", b)
	}
}

func TestMessagesAreLoadedForWhoCanNameThem(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	anna, ben := journaltest.Bot(t, pool, "anna"), journaltest.Bot(t, pool, "ben")
	group, super := journaltest.Chat(t, pool, "group", anna, ben), journaltest.Chat(t, pool, "super", anna, ben)
	exec(t, pool, `UPDATE chats SET kind = 'group', telegram_id = -1 WHERE id = $1`, group)
	exec(t, pool, `INSERT INTO people (telegram_id, name) VALUES (1, 'Tom')`)
	for _, chat := range []int64{group, super} {
		// 55 messages of Tom, a second apart, and an answer to the last.
		exec(t, pool, `
INSERT INTO messages (chat_id, number, person_id, body, sent_at)
SELECT $1, i, 1, 'line ' || i, now() - interval '60 seconds' + i * interval '1 second' FROM generate_series(1, 55) i`, chat)
		exec(t, pool, `INSERT INTO messages (chat_id, number, bot_id, body, reply_to, sent_at) VALUES ($1, 56, $2, 'indeed', 55, now())`, chat, anna)
		exec(t, pool, `
INSERT INTO message_ids (chat_id, viewer, telegram_id, number)
VALUES ($1, $2, 11, 54), ($1, $3, 12, 54), ($1, $3, 13, 55), ($1, $2, 14, 56), ($1, $2, 15, 3)`, chat, anna, ben)
	}
	inputs := loaded(t, pool, nil)
	for chat, want := range map[int64][][]int64{group: {nil, {anna, ben}, {ben}, {anna}}, super: {nil, nil, nil, nil}} {
		recent := inputs[chat].Recent
		if len(recent) != 50 || recent[0].Number != 7 || recent[0].Author != "Tom" || recent[0].Text != "line 7" || recent[0].BotID != 0 {
			t.Fatalf("%d messages, the first %+v", len(recent), recent[0])
		}
		last := recent[49]
		if last.Number != 56 || last.BotID != anna || last.Author != "anna" || last.ReplyTo != 55 || !last.At.After(recent[48].At) {
			t.Errorf("the last message is %+v", last)
		}
		var usable [][]int64
		for _, m := range recent[46:] {
			usable = append(usable, m.Usable)
		}
		if diff := cmp.Diff(want, usable); diff != "" {
			t.Errorf("usable in chat %d (basic: %v), want (-), got (+):\n%s", chat, inputs[chat].Chat.Basic, diff)
		}
	}
}

// A bot on trial after Telegram suspended it gets one open message, and no more before its
// outcome is known.
func TestABotOnTrialHasOneOpenMessage(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "books", bot)
	suspended := func(want bool, what string) {
		t.Helper()
		if got := loaded(t, pool, nil)[chat].Cast[0].Suspended; got != want {
			t.Errorf("%s: suspended is %v, want %v", what, got, want)
		}
	}
	open := func(number int, kind string) {
		exec(t, pool, `
INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, payload, planned_at, due_at, expires_at)
VALUES ($1, $2, $3, $4, CASE WHEN $4 <> 'message' THEN 1 END, '', now(), now(), now() + interval '1 minute')`, chat, number, bot, kind)
	}
	open(1, "message")
	suspended(false, "an open message of a bot that had no pause")
	exec(t, pool, `UPDATE cast_members SET tries = 2, resumed_at = now()`)
	suspended(true, "an open message after a pause")
	exec(t, pool, `UPDATE turns SET outcome = 'expired', closed_at = now(), written_at = now()`)
	suspended(false, "the message has expired")
	open(2, "reaction")
	suspended(false, "an open reaction")
}

func TestCommandsAndTheirAnswersAreNoTalk(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	anna, ben := journaltest.Bot(t, pool, "anna"), journaltest.Bot(t, pool, "ben")
	chat := journaltest.Chat(t, pool, "group", anna, ben)
	exec(t, pool, `INSERT INTO people (telegram_id, name) VALUES (1, 'Tom')`)
	exec(t, pool, `
INSERT INTO messages (chat_id, number, person_id, bot_id, body, sent_at, talk)
VALUES ($1, 1, 1, NULL, 'Hello', now() - interval '9 s', true), ($1, 2, 1, NULL, '/status', now() - interval '8 s', false), ($1, 3, NULL, $2, 'The cast talks.', now(), false)`,
		chat, anna)
	exec(t, pool, insertTurn, chat, 1, anna, "command", 5*time.Second, true)
	exec(t, pool, insertTurn, chat, 2, ben, "command", 4*time.Second, false)
	in := loaded(t, pool, nil)[chat]
	if len(in.Recent) != 1 || in.Recent[0].Number != 1 {
		t.Errorf("the talk is %+v", in.Recent)
	}
	if in.UnwrittenTurns != 0 || in.ChatLastMinute != 0 || len(in.Coming) != 0 || len(in.Answering) != 0 || in.Cast[0].LastHour != 0 {
		t.Errorf("answers to commands count: %+v", in)
	}
}
