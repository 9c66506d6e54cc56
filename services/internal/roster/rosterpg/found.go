package rosterpg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

const (
	// A chat that a bot was added to without an operator starts disabled: nothing is read or sent
	// there until an operator enables it.
	foundChats = `-- find new chats
WITH found AS (
    INSERT INTO chats (name, telegram_id, kind, title, found_at)
    SELECT 'found' || telegram_id AS name, telegram_id, kind, title, now()
    FROM unnest($1::bigint[], $2::text[], $3::text[]) AS f(telegram_id, kind, title) ORDER BY telegram_id
    ON CONFLICT DO NOTHING RETURNING id),
clocked AS (INSERT INTO chat_clock (chat_id, next_turn_at) SELECT id, now() FROM found)
INSERT INTO cast_members (chat_id, bot_id) SELECT id, $4 FROM found`
	// Until an operator has enabled a found chat, its cast is the bots that were added to it.
	joinFound = `-- cast a bot
INSERT INTO cast_members (chat_id, bot_id) SELECT id, $2 FROM chats WHERE id = $1 AND found_at IS NOT NULL AND NOT enabled
ON CONFLICT DO NOTHING`
	// A chat that was found under the new id, before its bots reported the move, is the same chat.
	dropFound = `-- drop a found chat
DELETE FROM chats WHERE telegram_id = $1 AND id <> $2 AND found_at IS NOT NULL AND NOT enabled`

	moveChat = `-- move a chat
UPDATE chats SET telegram_id = $2, kind = 'supergroup', former_id = $3, allowed_reactions = NULL, updated_at = now()
WHERE id = $1 AND (telegram_id <> $2 OR former_id IS NULL) AND NOT EXISTS (SELECT FROM chats o WHERE o.telegram_id = $2 AND o.id <> $1)`
	// Telegram gives an account and a username to one bot only: another bot that has it here has
	// given it up, or never had it.
	freeName = `
UPDATE bots SET username = CASE WHEN lower(username) = lower($2) THEN NULL ELSE username END,
    telegram_id = CASE WHEN telegram_id = $3 THEN NULL ELSE telegram_id END, updated_at = now()
WHERE id <> $1 AND (lower(username) = lower($2) OR telegram_id = $3)
  AND EXISTS (SELECT FROM bots WHERE id = $1 AND token_sealed = $4)`
	setName = `
UPDATE bots SET username = $2, telegram_id = $3, updated_at = now()
WHERE id = $1 AND token_sealed = $4 AND (username IS DISTINCT FROM $2 OR telegram_id IS DISTINCT FROM $3)`
)

// FindChats inserts chats that a bot was found in, unless the roster has them, so that an operator
// sees them. ids, kinds and titles are Telegram's.
func FindChats(ctx context.Context, db store.DB, bot int64, ids []int64, kinds, titles []string) error {
	_, err := change(ctx, db, "write down the chats that were found", foundChats, ids, kinds, titles, bot)
	return err
}

// JoinFound casts a bot in a found chat that no operator has enabled.
func JoinFound(ctx context.Context, db store.DB, chat, bot int64) error {
	_, err := change(ctx, db, "cast a bot in a chat", joinFound, chat, bot)
	return err
}

// Retitle sets a chat's title.
func Retitle(ctx context.Context, db store.DB, chat int64, title string) error {
	_, err := change(ctx, db, "set a chat's title", `UPDATE chats SET title = $2, updated_at = now() WHERE id = $1 AND title <> $2`, chat, title)
	return err
}

// MoveChat changes the Telegram id of a basic group that became a supergroup. Repeating it changes
// nothing.
func MoveChat(ctx context.Context, db store.DB, chat, from, to int64) error {
	_, err := both(ctx, db, "move a chat", dropFound, []any{to, chat}, moveChat, []any{chat, to, from})
	return err
}

// NameBot stores Telegram's username and account id of a bot, unless the bot has another token now.
// It reports whether they changed.
func NameBot(ctx context.Context, db store.DB, bot int64, sealed []byte, username string, account int64) (bool, error) {
	args := []any{bot, username, account, sealed}
	return both(ctx, db, "write a bot's username", freeName, args, setName, args)
}

// both makes two changes in one transaction, and reports whether the second changed a row.
func both(ctx context.Context, db store.DB, what, first string, args []any, second string, more []any) (changed bool, err error) {
	var b pgx.Batch
	b.Queue(first, args...)
	b.Queue(second, more...).Exec(func(tag pgconn.CommandTag) error {
		changed = tag.RowsAffected() > 0
		return nil
	})
	if err := db.SendBatch(ctx, &b).Close(); err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return changed, nil
}

const recall = `-- recall personas
UPDATE cast_members m SET refreshed_at = now() FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, bot_id)
WHERE m.chat_id = u.chat_id AND m.bot_id = u.bot_id`

// Recall records that bots were reminded of their personas in chats.
func Recall(ctx context.Context, db store.DB, chats, bots []int64) error {
	_, err := change(ctx, db, "recall personas", recall, chats, bots)
	return err
}
