package planner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// ErrNone says that there is no such chat.
var ErrNone = errors.New("there is none")

// Outlook is how things stand in a chat.
type Outlook struct {
	// Input is what a decision depends on now; its Due is when the chat is due.
	Input decide.Input
	// Decision is what would be decided now.
	Decision decide.Decision
	// Unanswered are the messages that called for an answer today (UTC) and got none,
	// by their reason, the most frequent first.
	Unanswered []Unanswered
}

// Unanswered is how many messages that called for an answer got none for a reason.
type Unanswered struct {
	Reason  string // the name of a decide.Skip
	Prompts int
	LastAt  time.Time
}

// One that was answered later was answered: by a turn of its own, or together with another
// message.
const skipsToday = `
SELECT reason, prompts - answered, last_at
FROM (
    SELECT *, (
        SELECT count(*)::integer FROM unnest(s.messages) m
        WHERE EXISTS (SELECT FROM answers a WHERE a.chat_id = s.chat_id AND a.message = m)
           OR EXISTS (SELECT FROM turns t WHERE t.chat_id = s.chat_id AND t.kind = 'reply' AND t.target_message = m AND ` + journal.MaybeSaid + `)) AS answered
    FROM prompt_skips s WHERE chat_id = $1 AND day = (now() AT TIME ZONE 'UTC')::date) s
WHERE prompts > answered ORDER BY prompts - answered DESC, reason`

const chatNamed = `WITH k AS MATERIALIZED (` + clocks + `WHERE chat_id = (SELECT id FROM chats WHERE name = $2))` + situation

// Look tells how things stand in the chat of a name, by a planner of this pace
// (Config.Pace). It changes nothing.
func Look(ctx context.Context, pool *pgxpool.Pool, values *settings.Values, pace time.Duration, name string) (Outlook, error) {
	var out Outlook
	found, err := look(ctx, pool, chatNamed, view{}, everything, name)
	if err != nil {
		return out, fmt.Errorf("look at a chat: %w", err)
	}
	if len(found) == 0 {
		return out, fmt.Errorf("look at a chat: chat %.64q: %w", name, ErrNone)
	}
	// Not in a transaction, whose connection would be held while others are waited for: where
	// as many look as there are connections, nobody would get one.
	chats, err := inputs(ctx, rostercache.New(pool, nil), values, found)
	if err != nil {
		return out, fmt.Errorf("look at a chat: %w", err)
	}
	in := chats[0]
	in.Settings.Pace = pace
	if err := pool.QueryRow(ctx, countAnswers, 0, in.Chat.ID).Scan(&in.ChatAnswers, &in.PersonAnswers); err != nil {
		return out, fmt.Errorf("count answers: %w", err)
	}
	out = Outlook{Input: in, Decision: decide.Decide(in)}
	out.Unanswered, err = store.Collect(ctx, pool, "read what got no answer", pgx.RowToStructByPos[Unanswered], skipsToday, in.Chat.ID)
	return out, err
}

// Choose gives the bot that a planner of this pace would let act in a chat now; 0 for
// none.
func Choose(ctx context.Context, pool *pgxpool.Pool, values *settings.Values, pace time.Duration, chat int64) (int64, error) {
	found, err := look(ctx, pool, lookAtChat, view{}, everything, chat)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	chats, err := inputs(ctx, rostercache.New(pool, nil), values, found)
	if err != nil {
		return 0, err
	}
	chats[0].Settings.Pace = pace
	d := decide.Decide(chats[0])
	if d.Turn == nil {
		return 0, nil
	}
	return d.Turn.BotID, nil
}
