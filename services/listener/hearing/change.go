package hearing

import (
	"context"
	"fmt"

	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// An edit that is older than the last one is told late; one of no text is none.
const editMessage = `
UPDATE messages SET body = $3, edited_at = $4, talk = $6
WHERE chat_id = $1 AND number = $2 AND person_id = $5 AND coalesce(edited_at, sent_at) <= $4 AND body <> $3`

// edit gives a person's message its new text.
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
	return Heard, nil
}

const (
	// Until an operator has looked at a chat that nobody asked for, its cast is who
	// was added to it.
	joinFound = `
INSERT INTO cast_members (chat_id, bot_id) SELECT id, $2 FROM chats WHERE id = $1 AND found_at IS NOT NULL AND NOT enabled
ON CONFLICT DO NOTHING`
)

// own follows what a bot of ours may do in a chat.
func (s *session) own(ctx context.Context, c *chat, u *incoming.Update) (Result, error) {
	if u.Role.Present {
		if _, err := s.tx.Exec(ctx, joinFound, c.id, s.bot.ID); err != nil {
			return "", fmt.Errorf("cast a bot in a chat: %w", err)
		}
	}
	var changed bool
	var err error
	if u.Role.Speaks {
		changed, err = refusal.Resume(ctx, s.tx, c.id, s.bot.ID)
	} else {
		changed, err = refusal.Suspend(ctx, s.tx, c.id, s.bot.ID, "Telegram says that the bot is "+u.Role.Status+" in the chat")
	}
	if err != nil {
		return "", err
	}
	s.changed = s.changed || changed
	return Heard, nil
}

const setTitle = `UPDATE chats SET title = $2, updated_at = now() WHERE id = $1 AND title <> $2`

func (s *session) title(ctx context.Context, c *chat, u *incoming.Update) (Result, error) {
	first, err := s.first(ctx, c, "title %d %x", u.At.Unix(), fingerprint(u.Chat.Title))
	if err != nil || !first {
		return Copy, err
	}
	tag, err := s.tx.Exec(ctx, setTitle, c.id, u.Chat.Title)
	if err != nil {
		return "", fmt.Errorf("set a chat's title: %w", err)
	}
	c.title = u.Chat.Title
	s.changed = s.changed || tag.RowsAffected() > 0
	return Heard, nil
}

const (
	// A chat that was found under the new id, before its bots told that it is the
	// old one, is the same.
	dropFound = `DELETE FROM chats WHERE telegram_id = $1 AND id <> $2 AND found_at IS NOT NULL AND NOT enabled`
	moveChat  = `
UPDATE chats SET telegram_id = $2, kind = 'supergroup', former_id = $3, allowed_reactions = NULL, updated_at = now()
WHERE id = $1 AND (telegram_id <> $2 OR former_id IS NULL) AND NOT EXISTS (SELECT FROM chats o WHERE o.telegram_id = $2 AND o.id <> $1)`
)

// moved follows a basic group that became a supergroup.
func (s *session) moved(ctx context.Context, c *chat, u *incoming.Update) (Result, error) {
	from, to := u.Chat.ID, u.MovedTo
	if u.MovedFrom != 0 {
		from, to = u.MovedFrom, u.Chat.ID
	}
	first, err := s.first(ctx, c, "moved %d", to)
	if err != nil || !first {
		return Copy, err
	}
	if _, err := s.tx.Exec(ctx, dropFound, to, c.id); err != nil {
		return "", fmt.Errorf("drop what a chat was taken for: %w", err)
	}
	// The sender may have been faster.
	tag, err := s.tx.Exec(ctx, moveChat, c.id, to, from)
	if err != nil {
		return "", fmt.Errorf("move a chat: %w", err)
	}
	s.changed = s.changed || tag.RowsAffected() > 0
	c.telegramID, c.formerID, c.supergroup = to, from, true
	return Heard, nil
}
