package rosterpg

import (
	"context"
	"fmt"
	"slices"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Refusals of Telegram are stored as states: a bot is stopped if Telegram refuses its token, and
// suspended in a chat if Telegram refuses its messages there; a chat allows no reactions.
//
// Each state has a reason, a beginning and a next try (see Try). If the try finds no obstacle, the
// state ends and a trial begins: until a message is delivered, the bot has one open message at a
// time, and the next refusal makes a longer pause than the last. Pauses begin with a minute, and
// double up to six hours.

// Quieted is the reason of a suspension by an administrator of the chat. Telegram's permission to
// write doesn't end it.
const Quieted = "an administrator of the chat wants it quiet"

// Resting is the prefix of the reason if a bot is suspended because its messages were rejected, for
// any reason.
const Resting = "its last messages here were rejected: "

const (
	// proven is true if a message of a member m was delivered since its last pause. It reads only
	// the chat's last turns.
	proven = `EXISTS (
    SELECT FROM turns t
    WHERE t.bot_id = m.bot_id AND t.chat_id = m.chat_id AND t.kind <> 'reaction' AND t.closed_at > m.resumed_at AND t.outcome = 'delivered'
        AND t.turn_no > (SELECT turn_no - 2000 FROM chat_clock k WHERE k.chat_id = m.chat_id))`

	// lastTurns selects a bot's last turns in a chat that Telegram accepted or rejected; texts that
	// a person discarded were never sent. Without the limit on turn_no it would read the whole
	// chat.
	lastTurns = `
        SELECT t.outcome FROM turns t
        WHERE t.chat_id = $1 AND t.bot_id = $2 AND t.outcome IN ('delivered', 'fell_back', 'rejected')
            AND (t.outcome <> 'rejected' OR EXISTS (SELECT FROM deliveries d WHERE d.chat_id = t.chat_id AND d.turn_no = t.turn_no AND d.lane <> 'held'))
            AND t.turn_no > (SELECT turn_no - 2000 FROM chat_clock WHERE chat_id = $1) `

	// Assignments that end each state.
	started = `stopped_at = NULL, stopped_why = NULL, next_try_at = NULL, tries = 0, updated_at = now()`
	onTrial = `suspended_at = NULL, suspended_why = NULL, next_try_at = NULL, resumed_at = now()`
	resumed = onTrial + `, tries = 0, refused_since = NULL`
	opened  = `reactions_next_at = NULL, reactions_closed_at = NULL, reactions_why = NULL, updated_at = now()`
)

// after returns the pause after a number of pauses in a row.
func after(tries string) string {
	return `least(interval '6 hours', interval '1 minute' * power(2, least(` + tries + `, 20)))`
}

// suspending returns a statement that suspends a bot, if it isn't suspended and a further condition
// holds. The pause is longer than the last one unless a message was delivered in between.
func suspending(where string) string {
	return `-- suspend a bot
UPDATE cast_members m SET suspended_at = now(), suspended_why = $3, tries = p.done + 1, next_try_at = now() + ` + after("p.done") + `,
    refused_since = CASE WHEN p.done = 0 THEN now() ELSE coalesce(m.refused_since, now()) END
FROM (SELECT CASE WHEN ` + proven + ` THEN 0 ELSE m.tries END AS done FROM cast_members m WHERE m.chat_id = $1 AND m.bot_id = $2) p
WHERE m.chat_id = $1 AND m.bot_id = $2 AND m.suspended_at IS NULL` + where + `
RETURNING p.done = 0`
}

// Suspension is the result of a suspend.
type Suspension struct {
	// Begun reports that the bot was not suspended before. First reports that a message was
	// delivered since the last pause, so that this is no failed trial.
	Begun, First bool
}

func suspend(ctx context.Context, db store.DB, what, sql string, args ...any) (s Suspension, err error) {
	err = store.Each(ctx, db, what, []any{&s.First}, func() error { s.Begun = true; return nil }, sql, args...)
	return s, err
}

// change executes a statement, and reports whether it changed a row.
func change(ctx context.Context, db store.DB, what, sql string, args ...any) (bool, error) {
	tag, err := db.Exec(ctx, sql, args...)
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return tag.RowsAffected() > 0, nil
}

// Suspend suspends a bot in a chat until Telegram lets it act there.
func Suspend(ctx context.Context, db store.DB, chat, bot int64, why string) (Suspension, error) {
	return suspend(ctx, db, "suspend a bot", suspending(""), chat, bot, why)
}

// Rest suspends a bot in a chat if its last messages there, as many as rejected, were rejected.
// After a pause it needs no further rejection. It must be called at each rejection, before the
// rejection is recorded.
func Rest(ctx context.Context, db store.DB, chat, bot int64, why string, rejected int) (Suspension, error) {
	return suspend(ctx, db, "let a bot rest", suspending(` AND (p.done > 0 OR $4::int = (
    SELECT count(*) FILTER (WHERE outcome = 'rejected') FROM (`+lastTurns+`AND t.kind <> 'reaction' ORDER BY t.turn_no DESC LIMIT $4) l))`),
		chat, bot, Resting+why, rejected)
}

// Resume ends a suspension, because Telegram says that the bot may act in the chat. A quiet bot
// stays suspended.
func Resume(ctx context.Context, db store.DB, chat, bot int64) (bool, error) {
	return change(ctx, db, "end a suspension",
		`UPDATE cast_members SET `+resumed+` WHERE chat_id = $1 AND bot_id = $2 AND suspended_why <> $3`, chat, bot, Quieted)
}

// Quiet suspends a bot because an administrator of the chat wants it, until Unquiet. It also
// replaces Telegram's suspension, so that the end of that has no effect.
func Quiet(ctx context.Context, db store.DB, chat, bot int64) (bool, error) {
	return change(ctx, db, "make a bot quiet", `
UPDATE cast_members SET suspended_at = now(), suspended_why = $3, next_try_at = 'infinity', refused_since = NULL
WHERE chat_id = $1 AND bot_id = $2 AND suspended_why IS DISTINCT FROM $3`, chat, bot, Quieted)
}

// Unquiet ends the suspension by Quiet.
func Unquiet(ctx context.Context, db store.DB, chat, bot int64) (bool, error) {
	return change(ctx, db, "let a bot speak",
		`UPDATE cast_members SET `+resumed+` WHERE chat_id = $1 AND bot_id = $2 AND suspended_why = $3`, chat, bot, Quieted)
}

// Stop stops a bot in all chats, because Telegram refuses its token. It does nothing if the bot's
// sealed token is another one now.
func Stop(ctx context.Context, db store.DB, bot int64, sealed []byte, why string) (bool, error) {
	return change(ctx, db, "stop a bot", `
UPDATE bots SET stopped_at = now(), stopped_why = $3, tries = 1, next_try_at = now() + `+after("0")+`, updated_at = now()
WHERE id = $1 AND stopped_at IS NULL AND token_sealed = $2`, bot, sealed, why)
}

// CloseReactions closes a chat to reactions if the bot's last ones there, as many as rejected, were
// rejected. It must be called at each rejection, before the rejection is recorded.
func CloseReactions(ctx context.Context, db store.DB, chat, bot int64, why string, rejected int) (bool, error) {
	return change(ctx, db, "close a chat to reactions", `
UPDATE chats SET allowed_reactions = '{}', updated_at = now(), reactions_tries = reactions_tries + 1, reactions_next_at = now() + `+after("reactions_tries")+`,
    reactions_why = $4, reactions_closed_at = now()
WHERE id = $1 AND allowed_reactions IS DISTINCT FROM '{}' AND $3::int = (
    SELECT count(*) FILTER (WHERE outcome <> 'delivered') FROM (`+lastTurns+`AND t.kind = 'reaction'
            AND NOT EXISTS (SELECT FROM deliveries d WHERE d.chat_id = t.chat_id AND d.turn_no = t.turn_no AND d.lane = 'message')
        ORDER BY t.turn_no DESC LIMIT $3) l)`,
		chat, bot, rejected, why)
}

// AllowReactions stores the reactions that a chat allows, according to Telegram: nil for all.
func AllowReactions(ctx context.Context, db store.DB, chat int64, emoji []string) error {
	_, err := change(ctx, db, "note the reactions that a chat allows", `
UPDATE chats SET allowed_reactions = $2, updated_at = now(), reactions_tries = reactions_tries + 1, reactions_next_at = now() + `+after("reactions_tries")+`,
    reactions_why = NULL, reactions_closed_at = CASE WHEN $2 = '{}'::text[] THEN now() END
WHERE id = $1 AND allowed_reactions IS DISTINCT FROM $2`, chat, emoji)
	return err
}

// ResumeBot ends a bot's states in all chats by hand, and returns them. A quiet bot stays quiet.
func ResumeBot(ctx context.Context, db store.DB, name string) ([]Refusal, error) {
	return resume(ctx, db, func(s *Refusal) bool { return s.Bot == name },
		`UPDATE bots SET `+started+` WHERE name = $1 AND stopped_at IS NOT NULL`, `b.name = $1`, name)
}

// ResumeChat ends the states of a chat and of its cast there by hand.
func ResumeChat(ctx context.Context, db store.DB, name string) ([]Refusal, error) {
	return resume(ctx, db, func(s *Refusal) bool { return s.Chat == name },
		`UPDATE chats SET allowed_reactions = NULL, reactions_tries = 0, `+opened+` WHERE name = $1 AND allowed_reactions = '{}'`, `c.name = $1`, name)
}

func resume(ctx context.Context, db store.DB, concerned func(*Refusal) bool, own, where, name string) ([]Refusal, error) {
	all, err := Refusals(ctx, db)
	if err != nil {
		return nil, err
	}
	if _, err := change(ctx, db, "resume by hand", own, name); err != nil {
		return nil, err
	}
	if _, err = change(ctx, db, "resume by hand", `
UPDATE cast_members m SET `+resumed+` FROM bots b, chats c
WHERE b.id = m.bot_id AND c.id = m.chat_id AND `+where+` AND (m.suspended_why <> $2 OR m.suspended_at IS NULL AND m.tries > 0)`, name, Quieted); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(s Refusal) bool { return !concerned(&s) || s.What() == "" }), nil
}
