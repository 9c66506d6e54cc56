package hearing

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// A chat that nobody asked for starts disabled: nothing is heard or said in it
// until an operator allows it.
const foundChats = `
WITH found AS (
    INSERT INTO chats (name, telegram_id, kind, title, found_at)
    SELECT 'found' || telegram_id AS name, telegram_id, kind, title, now()
    FROM unnest($1::bigint[], $2::text[], $3::text[]) AS f(telegram_id, kind, title) ORDER BY telegram_id
    ON CONFLICT DO NOTHING RETURNING id),
clocked AS (INSERT INTO chat_clock (chat_id, next_turn_at) SELECT id, now() FROM found)
INSERT INTO cast_members (chat_id, bot_id) SELECT id, $4 FROM found RETURNING chat_id`

// discover makes the chats that the roster doesn't have, for an operator to see.
func (s *session) discover(ctx context.Context) error {
	var ids []int64
	var kinds, titles []string
	for _, u := range s.pending() {
		gone := u.Kind == incoming.Own && !u.Role.Present
		if s.of(u) != nil || gone || u.Kind == incoming.Moved || slices.Contains(ids, u.Chat.ID) {
			continue
		}
		kind := "group"
		if u.Chat.Supergroup {
			kind = "supergroup"
		}
		ids, kinds, titles = append(ids, u.Chat.ID), append(kinds, kind), append(titles, u.Chat.Title)
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := s.tx.Query(ctx, foundChats, ids, kinds, titles, s.bot.ID)
	if err != nil {
		return fmt.Errorf("write down the chats that were found: %w", err)
	}
	made, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("write down the chats that were found: %w", err)
	}
	s.changed = s.changed || len(made) > 0
	return s.findChats(ctx)
}
