package intake

import (
	"context"
	"slices"

	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/listener/incoming"
)

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
	if err := rosterpg.FindChats(ctx, s.tx, s.bot.ID, ids, kinds, titles); err != nil {
		return err
	}
	return s.findChats(ctx)
}
