package refusal

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// A try is claimed by putting the next one off for longer than it can take.
const (
	claimBots = `
UPDATE bots b SET next_try_at = now() + interval '6 minutes'
FROM (
    SELECT id FROM bots WHERE stopped_at IS NOT NULL AND coalesce(next_try_at, stopped_at) <= now()
    ORDER BY coalesce(next_try_at, stopped_at) LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) due
WHERE b.id = due.id
RETURNING b.id, 0, b.name, '', b.token_sealed, coalesce(b.telegram_id, 0), 0, b.stopped_at, b.enabled AND b.removed_at IS NULL`
	startBot = `
UPDATE bots SET stopped_at = NULL, stopped_why = NULL, next_try_at = NULL, tries = 0, updated_at = now() WHERE id = $1 AND stopped_at = $2`
	growBot  = `UPDATE bots SET tries = tries + 1, next_try_at = now() + least(interval '6 hours', interval '1 minute' * power(2, least(tries, 20))) WHERE id = $1 AND stopped_at = $2`
	laterBot = `UPDATE bots SET next_try_at = now() + $3::interval WHERE id = $1 AND stopped_at = $2`

	claimMembers = `
UPDATE cast_members m SET next_try_at = now() + interval '6 minutes'
FROM (
    SELECT chat_id, bot_id FROM cast_members
    WHERE suspended_at IS NOT NULL AND coalesce(next_try_at, suspended_at) <= now() AND suspended_why <> $2
    ORDER BY coalesce(next_try_at, suspended_at) LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) due, bots b, chats c
WHERE m.chat_id = due.chat_id AND m.bot_id = due.bot_id AND b.id = m.bot_id AND c.id = m.chat_id
RETURNING m.bot_id, m.chat_id, b.name, c.name, b.token_sealed, coalesce(b.telegram_id, 0), c.telegram_id, m.suspended_at,
    b.enabled AND b.removed_at IS NULL AND b.stopped_at IS NULL AND c.enabled AND c.removed_at IS NULL`
	tryMember = `
UPDATE cast_members SET suspended_at = NULL, suspended_why = NULL, next_try_at = NULL, resumed_at = now()
WHERE chat_id = $1 AND bot_id = $2 AND suspended_at = $3`
	growMember = `
UPDATE cast_members SET tries = tries + 1, next_try_at = now() + least(interval '6 hours', interval '1 minute' * power(2, least(tries, 20)))
WHERE chat_id = $1 AND bot_id = $2 AND suspended_at = $3`
	laterMember = `UPDATE cast_members SET next_try_at = now() + $4::interval WHERE chat_id = $1 AND bot_id = $2 AND suspended_at = $3`
	endTrials   = `
UPDATE cast_members m SET tries = 0, refused_since = NULL FROM bots b, chats c
WHERE m.tries > 0 AND m.suspended_at IS NULL AND (m.resumed_at IS NULL OR ` + proven + `) AND b.id = m.bot_id AND c.id = m.chat_id
RETURNING b.name, c.name`

	// Any of its bots may look whether a chat allows reactions again.
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
    b.id IS NOT NULL AND c.enabled AND c.removed_at IS NULL`
	openChat  = `UPDATE chats SET allowed_reactions = $2, reactions_next_at = NULL, reactions_closed_at = NULL, reactions_why = NULL, updated_at = now() WHERE id = $1 AND allowed_reactions = '{}'`
	growChat  = `UPDATE chats SET reactions_tries = reactions_tries + 1, reactions_next_at = now() + least(interval '6 hours', interval '1 minute' * power(2, least(reactions_tries, 20))) WHERE id = $1 AND allowed_reactions = '{}' AND $2::text[] IS NULL`
	laterChat = `UPDATE chats SET reactions_next_at = now() + $3::interval WHERE id = $1 AND allowed_reactions = '{}' AND $2::text[] IS NULL`
)

// due is a try that this process has claimed.
type due struct {
	bot, chat         int64
	name, where       string
	sealed            []byte
	account, telegram int64
	since             time.Time
	active            bool
}

func (l *Looker) claim(ctx context.Context, sql string, args ...any) ([]due, error) {
	rows, err := l.Pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("claim tries: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (due, error) {
		var d due
		err := row.Scan(&d.bot, &d.chat, &d.name, &d.where, &d.sealed, &d.account, &d.telegram, &d.since, &d.active)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("claim tries: %w", err)
	}
	return all, nil
}

// token opens the token of who looks. If that can't be, the try is put off.
func (l *Looker) token(d due) (secret.String, *verdict) {
	if !d.active {
		return secret.String{}, &verdict{unclear: awayFor, found: "the bot or the chat is switched off"}
	}
	token, err := l.Open(d.name, d.sealed)
	if err != nil {
		return token, &verdict{unclear: awayFor, found: "the token can't be opened: " + err.Error()}
	}
	return token, nil
}

func looks(all []due, look func(context.Context, due) error) []func(context.Context) error {
	list := make([]func(context.Context) error, len(all))
	for i, d := range all {
		list[i] = func(ctx context.Context) error { return look(ctx, d) }
	}
	return list
}

// bots claims the bots that are stopped.
func (l *Looker) bots(ctx context.Context) ([]func(context.Context) error, error) {
	all, err := l.claim(ctx, claimBots, maxRound)
	return looks(all, l.bot), err
}

func (l *Looker) bot(ctx context.Context, d due) error {
	v := l.askMe(ctx, d)
	ended, err := l.write(ctx, v, startBot, growBot, laterBot, d.bot, d.since)
	if ended && v.open {
		l.Metrics.end(BotStopped)
		l.Log.Info("Telegram takes the bot's token again: the bot is started", zap.String("bot", d.name))
	}
	return err
}

func (l *Looker) askMe(ctx context.Context, d due) verdict {
	token, no := l.token(d)
	if no != nil {
		return *no
	}
	if _, out := l.Telegram.GetMe(ctx, token); !out.OK() {
		return refused(out)
	}
	return verdict{open: true}
}

// members claims the bots that are suspended in chats.
func (l *Looker) members(ctx context.Context) ([]func(context.Context) error, error) {
	all, err := l.claim(ctx, claimMembers, maxRound, Quieted)
	return looks(all, l.member), err
}

func (l *Looker) member(ctx context.Context, d due) error {
	_, v := l.askChat(ctx, d, telegram.Member.MaySpeak)
	ended, err := l.write(ctx, v, tryMember, growMember, laterMember, d.chat, d.bot, d.since)
	if ended && v.open {
		l.Log.Info("nothing keeps the bot from acting in the chat: its next message shows whether it may",
			zap.String("bot", d.name), zap.String("chat", d.where))
	}
	return err
}

// askChat asks what a bot may do in a chat.
func (l *Looker) askChat(ctx context.Context, d due, may func(telegram.Member, telegram.ChatInfo) bool) (telegram.ChatInfo, verdict) {
	token, no := l.token(d)
	if no != nil {
		return telegram.ChatInfo{}, *no
	}
	info, out := l.Telegram.GetChat(ctx, token, d.telegram)
	if !out.OK() {
		return info, refused(out)
	}
	m, out := l.Telegram.GetMember(ctx, token, d.telegram, account(d.account, token))
	if !out.OK() {
		return info, refused(out)
	}
	return info, verdict{open: may(m, info), found: "the bot is " + m.Status + " there"}
}

// account is a bot's id at Telegram: where the roster doesn't have it, its token
// begins with it.
func account(known int64, token secret.String) int64 {
	if known != 0 {
		return known
	}
	number, _, _ := strings.Cut(token.Reveal(), ":")
	id, _ := strconv.ParseInt(number, 10, 64) // Telegram refuses 0
	return id
}

// endTrials ends the tries of bots that have said something since their pause.
func (l *Looker) endTrials(ctx context.Context) error {
	rows, err := l.Pool.Query(ctx, endTrials)
	if err != nil {
		return fmt.Errorf("end tries: %w", err)
	}
	var bot, chat string
	_, err = pgx.ForEachRow(rows, []any{&bot, &chat}, func() error {
		l.Metrics.end(BotSuspended)
		l.Log.Info("the bot speaks in the chat again", zap.String("bot", bot), zap.String("chat", chat))
		return nil
	})
	if err != nil {
		return fmt.Errorf("end tries: %w", err)
	}
	return nil
}

// chats claims the chats that allow no reactions.
func (l *Looker) chats(ctx context.Context) ([]func(context.Context) error, error) {
	all, err := l.claim(ctx, claimChats, maxRound)
	return looks(all, l.reactions), err
}

func (l *Looker) reactions(ctx context.Context, d due) error {
	info, v := l.askChat(ctx, d, telegram.Member.MayReact)
	v.open = v.open && (info.AvailableReactions == nil || len(info.AvailableReactions) > 0)
	var emoji []string
	if v.open {
		emoji = info.AvailableReactions
	}
	ended, err := l.write(ctx, v, openChat, growChat, laterChat, d.chat, emoji)
	if ended && v.open {
		l.Metrics.end(ReactionsClosed)
		l.Log.Info("the chat allows reactions again", zap.String("chat", d.where))
	}
	return err
}
