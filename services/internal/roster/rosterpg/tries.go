package rosterpg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Try is a claimed look whether Telegram still refuses something: a bot's token, a bot's messages
// in a chat, or reactions in a chat.
type Try struct {
	// What is BotStopped, BotSuspended or ReactionsClosed.
	What string
	// Bot is the bot that looks; 0 if there is none. Chat is 0 if a bot is stopped.
	Bot, Chat         int64
	BotName, ChatName string
	Sealed            []byte // the bot's token
	// Account is the bot's id at Telegram, 0 if not known; TelegramID is the chat's.
	Account, TelegramID int64
	// Active reports whether the bot and the chat are enabled. The operators' chat is disabled,
	// because no cast plays there, but counts as active.
	Active bool

	since time.Time
	// early reports that the try wasn't due, but a person wrote in the chat.
	early bool
}

// A claim puts the next try off for longer than this one can take. Any bot of a chat can look
// whether it allows reactions again.
const (
	claimBots = `
UPDATE bots b SET next_try_at = now() + interval '6 minutes'
FROM (
    SELECT id FROM bots WHERE stopped_at IS NOT NULL AND coalesce(next_try_at, stopped_at) <= now()
    ORDER BY coalesce(next_try_at, stopped_at) LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) due
WHERE b.id = due.id
RETURNING b.id, 0, b.name, '', b.token_sealed, coalesce(b.telegram_id, 0), 0, b.stopped_at, b.enabled AND b.removed_at IS NULL, false`

	claimMembers = `
UPDATE cast_members m SET looked_at = now(), next_try_at = CASE WHEN due.early THEN m.next_try_at ELSE now() + interval '6 minutes' END
FROM (
    SELECT chat_id, bot_id, coalesce(next_try_at, suspended_at) > now() AS early FROM cast_members
    WHERE suspended_at IS NOT NULL AND (coalesce(next_try_at, suspended_at) <= now() OR ` + hinted + `) AND suspended_why <> '` + Quieted + `'
    ORDER BY coalesce(next_try_at, suspended_at) LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) due, bots b, chats c
WHERE m.chat_id = due.chat_id AND m.bot_id = due.bot_id AND b.id = m.bot_id AND c.id = m.chat_id
RETURNING m.bot_id, m.chat_id, b.name, c.name, b.token_sealed, coalesce(b.telegram_id, 0), c.telegram_id, m.suspended_at,
    b.enabled AND b.removed_at IS NULL AND b.stopped_at IS NULL AND c.removed_at IS NULL
        AND (c.enabled OR c.telegram_id = $2 OR coalesce(c.former_id = $2, false)), due.early`
	// A look at one member says nothing about the other members of the cast.
	hinted = `(hinted_at > greatest(looked_at, suspended_at) AND coalesce(looked_at, '-infinity') < now() - interval '1 minute')`

	claimChats = `
UPDATE chats c SET reactions_next_at = now() + interval '6 minutes'
FROM (
    SELECT id FROM chats WHERE allowed_reactions = '{}' AND coalesce(reactions_next_at, updated_at) <= now()
    ORDER BY coalesce(reactions_next_at, updated_at) LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) due
LEFT JOIN LATERAL (
    SELECT b.* FROM cast_members m JOIN bots b ON b.id = m.bot_id
    WHERE m.chat_id = due.id AND m.suspended_at IS NULL AND b.enabled AND b.removed_at IS NULL AND b.stopped_at IS NULL
    ORDER BY b.id LIMIT 1) b ON true
WHERE c.id = due.id
RETURNING coalesce(b.id, 0), c.id, coalesce(b.name, ''), c.name, b.token_sealed, coalesce(b.telegram_id, 0), c.telegram_id, now(),
    b.id IS NOT NULL AND c.enabled AND c.removed_at IS NULL, false`

	anyDue = `
SELECT EXISTS (SELECT FROM bots WHERE stopped_at IS NOT NULL AND coalesce(next_try_at, stopped_at) <= now())
    OR EXISTS (SELECT FROM cast_members WHERE suspended_at IS NOT NULL AND (coalesce(next_try_at, suspended_at) <= now() OR ` + hinted + `))
    OR EXISTS (SELECT FROM cast_members WHERE tries > 0 AND suspended_at IS NULL)
    OR EXISTS (SELECT FROM chats WHERE allowed_reactions = '{}' AND coalesce(reactions_next_at, updated_at) <= now())`
)

// AnyTryDue reports whether there is a try to claim, or a trial that may end.
func AnyTryDue(ctx context.Context, db store.DB) (due bool, err error) {
	if err := db.QueryRow(ctx, anyDue).Scan(&due); err != nil {
		return false, fmt.Errorf("ask whether a try is due: %w", err)
	}
	return due, nil
}

// ClaimTries claims up to limit due tries of each kind. If its process dies, a try is due again
// after some minutes. operators is Telegram's id of the operators' chat, 0 for none.
func ClaimTries(ctx context.Context, db store.DB, operators int64, limit int) (all []Try, err error) {
	for _, claim := range []struct {
		what, sql string
		args      []any
	}{{BotStopped, claimBots, []any{limit}}, {BotSuspended, claimMembers, []any{limit, operators}}, {ReactionsClosed, claimChats, []any{limit}}} {
		some, err := store.Collect(ctx, db, "claim tries", func(row pgx.CollectableRow) (Try, error) {
			t := Try{What: claim.what}
			err := row.Scan(&t.Bot, &t.Chat, &t.BotName, &t.ChatName, &t.Sealed, &t.Account, &t.TelegramID, &t.since, &t.Active, &t.early)
			return t, err
		}, claim.sql, claim.args...)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// Succeeded ends the state, unless it has changed since the claim. A suspended bot is then on trial
// in its chat. emoji are the reactions that the chat allows; nil for all.
func (t *Try) Succeeded(ctx context.Context, db store.DB, emoji []string) (bool, error) {
	const what = "end what Telegram refused"
	switch t.What {
	case BotStopped:
		return change(ctx, db, what, `UPDATE bots SET `+started+` WHERE id = $1 AND stopped_at = $2`, t.Bot, t.since)
	case BotSuspended:
		return change(ctx, db, what, `UPDATE cast_members SET `+onTrial+` WHERE chat_id = $1 AND bot_id = $2 AND suspended_at = $3`, t.Chat, t.Bot, t.since)
	}
	return change(ctx, db, what, `UPDATE chats SET allowed_reactions = $2, `+opened+` WHERE id = $1 AND allowed_reactions = '{}'`, t.Chat, emoji)
}

// Failed puts the next try off for longer than the last time. An early try leaves the next one
// unchanged.
func (t *Try) Failed(ctx context.Context, db store.DB) error { return t.putOff(ctx, db, nil) }

// Unclear puts the next try off by wait, because this one had no result.
func (t *Try) Unclear(ctx context.Context, db store.DB, wait time.Duration) error {
	return t.putOff(ctx, db, &wait)
}

func (t *Try) putOff(ctx context.Context, db store.DB, wait *time.Duration) error {
	if t.early {
		return nil
	}
	sql, args := `
UPDATE chats SET reactions_tries = reactions_tries + ($1::interval IS NULL)::int, reactions_next_at = now() + coalesce($1, `+after("reactions_tries")+`)
WHERE id = $2 AND allowed_reactions = '{}'`, []any{wait, t.Chat}
	const later = ` SET tries = tries + ($1::interval IS NULL)::int, next_try_at = now() + coalesce($1, `
	switch t.What {
	case BotStopped:
		sql, args = `UPDATE bots`+later+after("tries")+`) WHERE id = $2 AND stopped_at = $3`, []any{wait, t.Bot, t.since}
	case BotSuspended:
		sql, args = `UPDATE cast_members`+later+after("tries")+`) WHERE chat_id = $2 AND bot_id = $3 AND suspended_at = $4`, []any{wait, t.Chat, t.Bot, t.since}
	}
	_, err := change(ctx, db, "put a try off", sql, args...)
	return err
}

const endTrials = `
UPDATE cast_members m SET tries = 0, refused_since = NULL FROM bots b, chats c
WHERE m.tries > 0 AND m.suspended_at IS NULL AND (m.resumed_at IS NULL OR ` + proven + `) AND b.id = m.bot_id AND c.id = m.chat_id
RETURNING b.name, c.name`

// EndTrials ends the trials of bots that have had a message delivered since their pause, and calls
// ended with the names of each bot and its chat.
func EndTrials(ctx context.Context, db store.DB, ended func(bot, chat string)) error {
	var bot, chat string
	return store.Each(ctx, db, "end trials", []any{&bot, &chat}, func() error { ended(bot, chat); return nil }, endTrials)
}

// HintLook requests a look, soon, at suspended bots in chats where a person has just written: the
// group may be open again. There is at most one look a minute. It does nothing if looks can't tell,
// because the bot's messages were rejected or a trial after such a look failed.
const HintLook = `-- look again at who may act
UPDATE cast_members SET hinted_at = now()
WHERE suspended_at IS NOT NULL AND chat_id = ANY($1) AND suspended_why <> '` + Quieted + `' AND suspended_why NOT LIKE '` + Resting + `%'
    AND (resumed_at IS NULL OR resumed_at < refused_since) AND (hinted_at > greatest(looked_at, suspended_at)) IS NOT TRUE`

// TryBotsSoon makes the tries of all stopped bots due within a minute: this process may have
// started with a corrected address or proxy. Repeated starts don't bring a try forward again.
func TryBotsSoon(ctx context.Context, db store.DB) error {
	_, err := change(ctx, db, "bring tries forward", `
UPDATE bots SET next_try_at = now() + interval '1 minute' WHERE stopped_at IS NOT NULL AND next_try_at > now() + interval '1 minute'`)
	return err
}

// TryNow makes the tries of bots and chats, by their names, due at once: somebody has changed
// something that may have been the cause.
func TryNow(ctx context.Context, db store.DB, bots, chats []string) error {
	for _, one := range []struct {
		sql  string
		args []any
	}{
		{`UPDATE bots SET next_try_at = now() WHERE name = ANY($1) AND stopped_at IS NOT NULL`, []any{bots}},
		{`
UPDATE cast_members m SET next_try_at = now() FROM chats c
WHERE c.id = m.chat_id AND c.name = ANY($1) AND m.suspended_at IS NOT NULL AND m.suspended_why <> $2`, []any{chats, Quieted}},
		{`UPDATE chats SET reactions_next_at = now() WHERE name = ANY($1) AND allowed_reactions = '{}'`, []any{chats}},
	} {
		if _, err := change(ctx, db, "try at once what is refused", one.sql, one.args...); err != nil {
			return err
		}
	}
	return nil
}
