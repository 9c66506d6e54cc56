package intake

import (
	"context"
	"fmt"
	"slices"

	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// An edit older than the last one is a late copy. An unchanged text is no edit.
const editMessage = `-- edit a message
UPDATE messages SET body = $3, edited_at = $4, talk = $6
WHERE chat_id = $1 AND number = $2 AND person_id = $5 AND coalesce(edited_at, sent_at) <= $4 AND body <> $3`

// edit replaces the text of a person's message.
func (s *session) edit(ctx context.Context, c *chat, u *incoming.Update) (Result, error) {
	number, err := s.number(ctx, c, s.viewer(u, c), u.MessageID)
	if err != nil {
		return "", err
	}
	if number == 0 {
		return Unknown, nil
	}
	first, err := s.first(ctx, c, "edit %d %d %x", number, u.At.Unix(), fingerprint(u.Text))
	if err != nil || !first {
		return Copy, err
	}
	tag, err := s.tx.Exec(ctx, editMessage, c.id, number, u.Text, u.At, u.From.ID, u.Command == nil)
	if err != nil {
		return "", fmt.Errorf("edit a message: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return Copy, nil
	}
	return Written, nil
}

// While the bot was away, its notices may have been deleted.
const lookSoon = `-- look soon at notices
UPDATE notices SET look_at = now() WHERE shown_chat = $1 AND bot_id = $2 AND closed_at IS NULL AND NOT gone`

// own records a change of the bot's own rights in a chat.
func (s *session) own(ctx context.Context, c *chat, u *incoming.Update) (Result, error) {
	if u.Role.Present {
		if err := rosterpg.JoinFound(ctx, s.tx, c.id, s.bot.ID); err != nil {
			return "", err
		}
	}
	var err error
	if u.Role.Speaks {
		if _, err = s.tx.Exec(ctx, lookSoon, c.id, s.bot.ID); err != nil {
			return "", fmt.Errorf("have notices looked at: %w", err)
		}
		s.pressed = true
		_, err = rosterpg.Resume(ctx, s.tx, c.id, s.bot.ID)
	} else {
		_, err = rosterpg.Suspend(ctx, s.tx, c.id, s.bot.ID, "Telegram says that the bot is "+u.Role.Status+" in the chat")
	}
	return Written, err
}

func (s *session) title(ctx context.Context, c *chat, u *incoming.Update) (Result, error) {
	first, err := s.first(ctx, c, "title %d %x", u.At.Unix(), fingerprint(u.Chat.Title))
	if err != nil || !first {
		return Copy, err
	}
	c.title = u.Chat.Title
	return Written, rosterpg.Retitle(ctx, s.tx, c.id, u.Chat.Title)
}

// moved records that a basic group became a supergroup.
func (s *session) moved(ctx context.Context, c *chat, u *incoming.Update) (Result, error) {
	from, to := u.Chat.ID, u.MovedTo
	if u.MovedFrom != 0 {
		from, to = u.MovedFrom, u.Chat.ID
	}
	first, err := s.first(ctx, c, "moved %d", to)
	if err != nil || !first {
		return Copy, err
	}
	// The sender may have moved the chat already.
	if err := rosterpg.MoveChat(ctx, s.tx, c.id, from, to); err != nil {
		return "", err
	}
	c.telegramID, c.formerID, c.supergroup = to, from, true
	return Written, nil
}

// discover adds the chats that are missing in the roster, for an operator to see.
func (s *session) discover(ctx context.Context) error {
	var ids []int64
	var kinds, titles []string
	for _, u := range s.pending() {
		gone := u.Kind == incoming.Own && !u.Role.Present
		private := u.Chat.ID > 0 // showTexts adds the operators' private chat
		if s.chatOf(u) != nil || gone || private || u.Kind == incoming.Moved || slices.Contains(ids, u.Chat.ID) {
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
