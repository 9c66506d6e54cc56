package sender

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/secret"
)

// address is what a call needs to know of its bot and chat.
type address struct {
	bot        string
	token      secret.String
	chat       int64 // Telegram's id
	supergroup bool
	// target is Telegram's id, for this bot, of the message answered; 0 if there
	// is none that this bot can know.
	target int64
	// blocked says why the bot can't act in the chat; empty if it can.
	blocked string
}

// viewer is who knows the ids of messages that the bot sends.
func (a *address) viewer(botID int64) int64 {
	if a.supergroup {
		return 0
	}
	return botID
}

// In a basic group a message has another id for every bot, so the id is looked
// up for the bot that will use it.
const lookUp = `
SELECT u.n, b.name, b.token_sealed, c.telegram_id, c.kind = 'supergroup', coalesce(i.telegram_id, 0),
    CASE WHEN b.removed_at IS NOT NULL THEN 'the bot was removed'
         WHEN c.removed_at IS NOT NULL THEN 'the chat was removed'
         WHEN b.stopped_at IS NOT NULL THEN 'the bot is stopped: ' || b.stopped_why
         WHEN m.bot_id IS NULL THEN 'the bot is not in the chat''s cast'
         WHEN m.suspended_at IS NOT NULL THEN 'the bot is suspended in the chat: ' || m.suspended_why
         ELSE '' END
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS u(bot_id, chat_id, target, n)
JOIN bots b ON b.id = u.bot_id JOIN chats c ON c.id = u.chat_id
LEFT JOIN cast_members m ON m.bot_id = b.id AND m.chat_id = c.id
LEFT JOIN message_ids i ON i.chat_id = c.id AND i.number = u.target AND i.viewer = CASE c.kind WHEN 'supergroup' THEN 0 ELSE b.id END`

func (s *Sender) address(ctx context.Context, d *chorusv1.Delivery) (*address, error) {
	a, err := s.addresses.Do(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("look up bot %d in chat %d: %w", d.GetBotId(), d.GetId().GetChatId(), err)
	}
	return a, nil
}

// lookUpAll looks up the addresses of deliveries.
func (s *Sender) lookUpAll(ctx context.Context, all []*chorusv1.Delivery) ([]*address, error) {
	n := len(all)
	bots, chats, targets, found := make([]int64, n), make([]int64, n), make([]int64, n), make([]*address, n)
	for i, d := range all {
		bots[i], chats[i], targets[i] = d.GetBotId(), d.GetId().GetChatId(), d.GetTargetMessage()
		found[i] = &address{blocked: "the bot or the chat is not in the roster"}
	}
	rows, err := s.Pool.Query(ctx, lookUp, bots, chats, targets)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	var at int
	var a address
	var sealed []byte
	_, err = pgx.ForEachRow(rows, []any{&at, &a.bot, &sealed, &a.chat, &a.supergroup, &a.target, &a.blocked}, func() error {
		own := a
		if own.token, err = s.Open(own.bot, sealed); err != nil {
			own.blocked = "the bot's token can't be opened: " + err.Error()
		}
		found[at-1] = &own
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return found, nil
}

const (
	suspendMember = `
UPDATE cast_members SET suspended_at = now(), suspended_why = $3
WHERE chat_id = $1 AND bot_id = $2 AND suspended_at IS NULL`
	stopBot = `
UPDATE bots SET stopped_at = now(), stopped_why = $2, updated_at = now()
WHERE id = $1 AND stopped_at IS NULL`
	moveChat = `
UPDATE chats SET telegram_id = $2, kind = 'supergroup', former_id = telegram_id, updated_at = now()
WHERE id = $1 AND telegram_id <> $2`
	notify = `SELECT pg_notify('chorus_roster', $1)`
)

// suspend takes a bot out of a chat's cast until an operator puts it back.
func (s *Sender) suspend(ctx context.Context, d *chorusv1.Delivery, why string) error {
	return s.change(ctx, suspendMember, d.GetId().GetChatId(), d.GetBotId(), why)
}

// stop takes a bot out of every cast: Telegram refuses its token.
func (s *Sender) stop(ctx context.Context, d *chorusv1.Delivery, why string) error {
	return s.change(ctx, stopBot, d.GetBotId(), why)
}

// move follows a group that was upgraded to a supergroup.
func (s *Sender) move(ctx context.Context, d *chorusv1.Delivery, to int64) error {
	return s.change(ctx, moveChat, d.GetId().GetChatId(), to)
}

// change writes to the roster and tells every service, in one transaction.
func (s *Sender) change(ctx context.Context, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	err := pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sql, args...); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, notify, "sender")
		return err
	})
	if err != nil {
		return fmt.Errorf("change the roster: %w", err)
	}
	return nil
}
