package chats

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Pause is one that holds.
type Pause struct {
	Chat  string     `json:"chat,omitempty" doc:"its name; empty for all chats"`
	Bot   string     `json:"bot,omitempty" doc:"its name; empty for all bots"`
	By    string     `json:"by" doc:"who made it"`
	Since time.Time  `json:"since"`
	Until *time.Time `json:"until,omitempty" doc:"absent for until somebody ends it"`
}

// String describes the pause: what, by whom, since when and until when.
func (p Pause) String() string {
	what, done := "everything", "paused"
	switch {
	case p.Bot != "" && p.Chat != "":
		what, done = p.Bot+" in "+p.Chat, "muted"
	case p.Bot != "":
		what, done = p.Bot, "muted"
	case p.Chat != "":
		what = p.Chat
	}
	until := "until somebody ends it"
	if p.Until != nil {
		until = "until " + page.Clock(*p.Until)
	}
	return what + " is " + done + " by " + p.By + " since " + page.Clock(p.Since) + " " + until
}

// Pauses that a chat's administrators set by a command are stored without their names.
const readPauses = `-- console: pauses that hold
SELECT coalesce(c.name, ''), coalesce(b.name, ''), p.by, p.since, p.until
FROM pauses p LEFT JOIN chats c ON c.id = p.chat_id LEFT JOIN bots b ON b.id = p.bot_id
WHERE (p.until IS NULL OR p.until > now()) AND ($1::bigint = 0 OR p.chat_id IN ($1, 0) AND (
    p.bot_id = 0 OR EXISTS (SELECT FROM cast_members m WHERE m.chat_id = $1 AND m.bot_id = p.bot_id)))
UNION ALL
SELECT c.name, '', 'an administrator of the chat', p.paused_at, p.paused_until
FROM chat_pauses p JOIN chats c ON c.id = p.chat_id
WHERE p.paused_at IS NOT NULL AND (p.paused_until IS NULL OR p.paused_until > now()) AND ($1 = 0 OR p.chat_id = $1)
ORDER BY 4 DESC LIMIT $2`

// Pauses returns the pauses in effect in a chat, or in all chats for 0, latest first.
func Pauses(ctx context.Context, db store.Querier, chat int64, limit int) ([]Pause, error) {
	return store.Collect(ctx, db, "read the pauses", pgx.RowToStructByPos[Pause], readPauses, chat, limit)
}
