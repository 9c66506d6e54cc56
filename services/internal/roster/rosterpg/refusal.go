package rosterpg

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// The states.
const (
	BotStopped      = "bot_stopped"
	BotSuspended    = "bot_suspended"
	BotResting      = "bot_resting"
	BotOnTrial      = "bot_on_trial"
	ReactionsClosed = "reactions_closed"
)

// Refusal is one state in which Telegram refuses something.
type Refusal struct {
	// Bot and Chat are the names in the cast file; Chat is empty if the bot is stopped, and Bot if
	// a chat allows no reactions.
	Bot, Chat string
	// Name is the bot's display name.
	Name string
	Why  string
	// Since is the time of the first of the refusals since the last delivery.
	Since time.Time
	// Trial reports that the pause is over, and the bot may have one open message at a time until
	// one is delivered.
	Trial bool
	// NextTry is the time of the next try; zero if only a person can end the state.
	NextTry time.Time
	// due reports whether that time has come.
	due bool
}

// What returns the state; empty for a bot that an administrator made quiet.
func (s *Refusal) What() string {
	switch {
	case s.Bot == "":
		return ReactionsClosed
	case s.Chat == "":
		return BotStopped
	case s.Why == Quieted:
		return ""
	case s.Trial:
		return BotOnTrial
	case strings.HasPrefix(s.Why, Resting):
		return BotResting
	}
	return BotSuspended
}

// String describes the state to people.
func (s *Refusal) String() string { return s.Reason() + "; " + s.Next() }

// Reason returns the state, its beginning and its reason.
func (s *Refusal) Reason() string {
	if s.Trial {
		return "on trial, after Telegram did not let it act here since " + clock(s.Since)
	}
	what := map[string]string{
		BotStopped:      "stopped, because Telegram refuses its token",
		BotSuspended:    "suspended, because Telegram does not let it act here",
		BotResting:      "resting",
		ReactionsClosed: "without reactions",
		"":              "quiet",
	}[s.What()]
	return fmt.Sprintf("%s since %s: %s", what, clock(s.Since), s.Why)
}

// Next says how the state ends.
func (s *Refusal) Next() string {
	switch {
	case s.Trial:
		return "one message at a time until one is delivered"
	case s.NextTry.IsZero():
		return "until /resume @bot in the chat"
	case s.due:
		return "next try now"
	}
	return "next try at " + clock(s.NextTry)
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Subject returns the bot, the bot and its chat, or the chat.
func (s *Refusal) Subject() string {
	switch {
	case s.Bot == "":
		return s.Chat
	case s.Chat == "":
		return s.Bot
	}
	return s.Bot + " in " + s.Chat
}

// The queries of all states. Callers append conditions on the ids of bots and chats.
const (
	stopped = `
SELECT b.name, '', coalesce(p.display_name, b.name), b.stopped_why, b.stopped_at, coalesce(b.next_try_at, b.stopped_at), false
FROM bots b LEFT JOIN personas p ON p.bot_id = b.id
WHERE b.stopped_at IS NOT NULL AND b.removed_at IS NULL AND b.enabled`
	suspended = `
SELECT b.name, c.name, coalesce(p.display_name, b.name), coalesce(m.suspended_why, ''), coalesce(m.refused_since, m.suspended_at, m.resumed_at),
    CASE WHEN m.suspended_why <> $1 THEN coalesce(nullif(m.next_try_at, 'infinity'), m.suspended_at) END, m.suspended_at IS NULL
FROM cast_members m JOIN bots b ON b.id = m.bot_id JOIN chats c ON c.id = m.chat_id LEFT JOIN personas p ON p.bot_id = b.id
WHERE (m.suspended_at IS NOT NULL OR m.tries > 0 AND m.resumed_at IS NOT NULL AND NOT ` + proven + `)
    AND b.removed_at IS NULL AND c.removed_at IS NULL AND b.enabled`
	withoutReactions = `
SELECT '', c.name, '', coalesce(c.reactions_why, 'the chat allows none'),
    coalesce(c.reactions_closed_at, c.updated_at), coalesce(c.reactions_next_at, c.updated_at), false
FROM chats c WHERE c.allowed_reactions = '{}' AND c.removed_at IS NULL`
)

// Refusals returns all states, and the bots that were made quiet.
func Refusals(ctx context.Context, db store.DB) ([]Refusal, error) {
	return refusals(ctx, db, stopped+` UNION ALL `+suspended+` UNION ALL `+withoutReactions, Quieted)
}

// RefusalsIn returns the same for one chat and its cast.
func RefusalsIn(ctx context.Context, db store.DB, chat int64) ([]Refusal, error) {
	return refusals(ctx, db, stopped+` AND b.id IN (SELECT bot_id FROM cast_members WHERE chat_id = $2)
UNION ALL `+suspended+` AND c.id = $2 UNION ALL `+withoutReactions+` AND c.id = $2`, Quieted, chat)
}

func refusals(ctx context.Context, db store.DB, sql string, args ...any) ([]Refusal, error) {
	return store.Collect(ctx, db, "list what Telegram refuses", func(row pgx.CollectableRow) (Refusal, error) {
		var s Refusal
		var next *time.Time
		err := row.Scan(&s.Bot, &s.Chat, &s.Name, &s.Why, &s.Since, &next, &s.Trial, &s.due)
		if next != nil {
			s.NextTry = *next
		}
		return s, err
	}, `SELECT *, coalesce(next <= now(), false) FROM (`+sql+`) s (bot, chat, name, why, since, next, trial) ORDER BY chat, bot`, args...)
}

const countStates = `
SELECT sum(a)::int, sum(b)::int, sum(c)::int, sum(d)::int FROM (
    SELECT count(*), 0, 0, 0 FROM bots WHERE stopped_at IS NOT NULL AND removed_at IS NULL
    UNION ALL SELECT 0, count(*) FILTER (WHERE suspended_why NOT LIKE $1), count(*) FILTER (WHERE suspended_why LIKE $1), 0
    FROM cast_members WHERE suspended_at IS NOT NULL AND suspended_why <> $2
    UNION ALL SELECT 0, 0, 0, count(*) FROM chats WHERE allowed_reactions = '{}' AND removed_at IS NULL) s(a, b, c, d)`

// CountRefusals counts the states.
func CountRefusals(ctx context.Context, db store.DB) (map[string]int, error) {
	var bots, suspended, resting, chats int
	if err := db.QueryRow(ctx, countStates, Resting+"%", Quieted).Scan(&bots, &suspended, &resting, &chats); err != nil {
		return nil, fmt.Errorf("count what Telegram refuses: %w", err)
	}
	return map[string]int{BotStopped: bots, BotSuspended: suspended, BotResting: resting, ReactionsClosed: chats}, nil
}
