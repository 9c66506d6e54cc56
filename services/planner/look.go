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

// ErrNone says that a chat or turn doesn't exist.
var ErrNone = errors.New("there is none")

// Outlook describes the state of a chat and its next decision.
type Outlook struct {
	// Input is the input of the decision; its Due is the time of the chat's next turn.
	Input decide.Input
	// Decision is the decision that the planner would make now.
	Decision decide.Decision
	// Unanswered counts today's (UTC) prompts without an answer by reason, the most
	// frequent first.
	Unanswered []Unanswered
}

// Unanswered is the number of prompts without an answer for one reason.
type Unanswered struct {
	Reason  string // the name of a decide.Skip
	Prompts int
	LastAt  time.Time
}

// A prompt that was answered later isn't counted. The answer is a turn of its own, or
// shared with another message.
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

// Look returns the state of the chat with this name, for a planner with this pace
// (Config.Pace). It changes nothing.
func Look(ctx context.Context, pool *pgxpool.Pool, values *settings.Values, pace time.Duration, name string) (Outlook, error) {
	var out Outlook
	found, err := look(ctx, pool, chatNamed, view{}, noLimit, name)
	if err != nil {
		return out, fmt.Errorf("look at a chat: %w", err)
	}
	if len(found) == 0 {
		return out, fmt.Errorf("look at a chat: chat %.64q: %w", name, ErrNone)
	}
	// This needs no transaction. A transaction would hold its connection while the roster
	// waits for a second one. With as many calls as connections, all would wait for ever.
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

// Choose returns the bot that a planner with this pace would let act in a chat now; 0 for
// none.
func Choose(ctx context.Context, pool *pgxpool.Pool, values *settings.Values, pace time.Duration, chat int64) (int64, error) {
	found, err := look(ctx, pool, lookAtChat, view{}, noLimit, chat)
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
