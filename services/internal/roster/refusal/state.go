package refusal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// What is refused.
const (
	BotStopped      = "bot_stopped"
	BotSuspended    = "bot_suspended"
	BotResting      = "bot_resting"
	BotOnTrial      = "bot_on_trial"
	ReactionsClosed = "reactions_closed"
)

// State is one thing that Telegram refuses.
type State struct {
	// Bot and Chat are the names in the cast file; Chat is empty where the bot is
	// stopped, and Bot where a chat allows no reactions.
	Bot, Chat string
	// Name is what people call the bot.
	Name string
	Why  string
	// Since is when the first of the refusals came between which nothing was delivered.
	Since time.Time
	// Trial tells that the pause is over, and the bot has one message at a time until
	// one is delivered.
	Trial bool
	// NextTry is when it is tried again; zero where only a person ends it.
	NextTry time.Time
	// due is whether that time has come.
	due bool
}

// What is which of the states it is; empty for a bot that is to be quiet.
func (s *State) What() string {
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

// String says what is so, for people.
func (s *State) String() string { return s.Reason() + "; " + s.Next() }

// Reason says what is refused, since when and why.
func (s *State) Reason() string {
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

// Next says how it ends.
func (s *State) Next() string {
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

// Subject names what is refused something: a bot, a bot in a chat, a chat's reactions.
func (s *State) Subject() string {
	switch {
	case s.Bot == "":
		return s.Chat
	case s.Chat == "":
		return s.Bot
	}
	return s.Bot + " in " + s.Chat
}

// all that is refused; each has a condition on the bots' and chats' ids added.
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

// List gives all that is refused, and the bots that are to be quiet.
func List(ctx context.Context, db DB) ([]State, error) {
	return list(ctx, db, stopped+` UNION ALL `+suspended+` UNION ALL `+withoutReactions, Quieted)
}

// InChat is the same for one chat and its cast.
func InChat(ctx context.Context, db DB, chat int64) ([]State, error) {
	return list(ctx, db, stopped+` AND b.id IN (SELECT bot_id FROM cast_members WHERE chat_id = $2)
UNION ALL `+suspended+` AND c.id = $2 UNION ALL `+withoutReactions+` AND c.id = $2`, Quieted, chat)
}

func list(ctx context.Context, db DB, sql string, args ...any) ([]State, error) {
	rows, err := db.Query(ctx, `SELECT *, coalesce(next <= now(), false) FROM (`+sql+`) s (bot, chat, name, why, since, next, trial) ORDER BY chat, bot`, args...)
	if err != nil {
		return nil, fmt.Errorf("list what Telegram refuses: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (State, error) {
		var s State
		var next *time.Time
		err := row.Scan(&s.Bot, &s.Chat, &s.Name, &s.Why, &s.Since, &next, &s.Trial, &s.due)
		if next != nil {
			s.NextTry = *next
		}
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("list what Telegram refuses: %w", err)
	}
	return all, nil
}

// ResumeBot ends by hand what is refused to a bot, in all chats. It gives what was;
// that of a bot that is to be quiet stays.
func ResumeBot(ctx context.Context, db DB, name string) ([]State, error) {
	return resume(ctx, db, func(s *State) bool { return s.Bot == name },
		told(`UPDATE bots SET stopped_at = NULL, stopped_why = NULL, next_try_at = NULL, tries = 0, updated_at = now() WHERE name = $1 AND stopped_at IS NOT NULL`),
		`b.name = $1`, name)
}

// ResumeChat ends by hand what is refused to the cast of a chat, there.
func ResumeChat(ctx context.Context, db DB, name string) ([]State, error) {
	return resume(ctx, db, func(s *State) bool { return s.Chat == name },
		`
UPDATE chats SET allowed_reactions = NULL, reactions_tries = 0, reactions_next_at = NULL, reactions_closed_at = NULL, reactions_why = NULL, updated_at = now()
WHERE name = $1 AND allowed_reactions = '{}'`,
		`c.name = $1`, name)
}

func resume(ctx context.Context, db DB, concerned func(*State) bool, own, where, name string) ([]State, error) {
	all, err := List(ctx, db)
	if err != nil {
		return nil, err
	}
	if _, err := change(ctx, db, "resume by hand", own, name); err != nil {
		return nil, err
	}
	_, err = change(ctx, db, "resume by hand", told(`
UPDATE cast_members m SET suspended_at = NULL, suspended_why = NULL, next_try_at = NULL, tries = 0, refused_since = NULL, resumed_at = now()
FROM bots b, chats c
WHERE b.id = m.bot_id AND c.id = m.chat_id AND `+where+` AND (m.suspended_why <> $2 OR m.suspended_at IS NULL AND m.tries > 0)`), name, Quieted)
	if err != nil {
		return nil, err
	}
	var was []State
	for i := range all {
		if concerned(&all[i]) && all[i].What() != "" {
			was = append(was, all[i])
		}
	}
	return was, nil
}
