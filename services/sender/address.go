package sender

import (
	"context"
	"fmt"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
)

// address holds the bot and chat of a call.
type address struct {
	bot        string
	token      secret.String
	sealed     []byte // the encrypted token, as in the bot's row
	chat       int64  // Telegram's id
	supergroup bool
	// target is this bot's id of the message to answer; 0 if the bot can't know it.
	target int64
	// blocked is the reason why the bot can't act in the chat; empty if it can.
	blocked string
}

// viewer returns for whom the ids of the bot's messages are valid, as in journal.Message.
func (a *address) viewer(botID int64) int64 {
	if a.supergroup {
		return 0
	}
	return botID
}

// message is a message to answer, with the viewer whose id of it is needed.
type message struct{ chat, number, viewer int64 }

// In a basic group each bot has its own id of a message, so the id is looked up for the bot
// that will use it. It isn't cached, because each is used about once.
const lookUp = `
SELECT u.n, CASE WHEN u.viewer = 0 THEN m.telegram_id ELSE i.telegram_id END
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS u(chat_id, number, viewer, n)
JOIN messages m ON m.chat_id = u.chat_id AND m.number = u.number
LEFT JOIN message_ids i ON i.chat_id = u.chat_id AND i.number = u.number AND i.viewer = u.viewer`

// lookUpAll looks up Telegram's ids of messages; 0 if the viewer can't know it.
func (s *Sender) lookUpAll(ctx context.Context, all []message) ([]int64, error) {
	n := len(all)
	chats, numbers, viewers, found := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, m := range all {
		chats[i], numbers[i], viewers[i] = m.chat, m.number, m.viewer
	}
	var at int
	var id *int64
	if err := store.Each(ctx, s.Pool, "read", []any{&at, &id}, func() error {
		if id != nil {
			found[at-1] = *id
		}
		return nil
	}, lookUp, chats, numbers, viewers); err != nil {
		return nil, err
	}
	return found, nil
}

// address looks up the delivery's bot and chat in the cache. An outdated entry that allows
// the call does no more harm than a change during the call. An entry that forbids it would
// end the delivery, so it is read again from the database: the bot may have joined the cast
// just before its first turn.
func (s *Sender) address(ctx context.Context, d *journal.Unsent) (*address, error) {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	bot, chat := rostercache.BotID(d.GetBotId()), rostercache.ChatID(d.GetId().GetChatId())
	a, err := s.addressee(ctx, d.Lane, bot, chat)
	if err == nil && a.blocked != "" {
		s.Roster.Changed(ctx, bot, chat)
		a, err = s.addressee(ctx, d.Lane, bot, chat)
	}
	if err == nil && a.blocked == "" && d.GetTargetMessage() != 0 {
		a.target, err = s.target(ctx, d, a.viewer(d.GetBotId()))
	}
	if err != nil {
		return nil, fmt.Errorf("look up bot %d in chat %d: %w", bot, chat, err)
	}
	return a, nil
}

// target returns Telegram's id of the message to answer: the one read with the claim, or
// else the current one.
func (s *Sender) target(ctx context.Context, d *journal.Unsent, viewer int64) (int64, error) {
	id := d.AnsweredOwnID
	if viewer == 0 {
		id = d.AnsweredID
	}
	if id != 0 {
		return id, nil
	}
	return s.targets.Do(ctx, message{d.Chat(), d.GetTargetMessage(), viewer})
}

// addressee returns the address without the message to answer.
func (s *Sender) addressee(ctx context.Context, lane journal.Lane, bot rostercache.BotID, chat rostercache.ChatID) (*address, error) {
	b, known, err := s.Roster.Bot(ctx, bot)
	if err != nil {
		return nil, err
	}
	sealed, err := s.Roster.Token(ctx, bot)
	if err != nil {
		return nil, err
	}
	c, found, err := s.Roster.Chat(ctx, chat)
	if err != nil {
		return nil, err
	}
	cast, err := s.Roster.Cast(ctx, chat)
	if err != nil {
		return nil, err
	}
	if !known || !found {
		return &address{blocked: "the bot or the chat is not in the roster"}, nil
	}
	a := &address{bot: b.Name, chat: c.TelegramID, supergroup: c.Supergroup, sealed: sealed, blocked: blocked(&b, &c, cast, bot)}
	if paused := c.Paused(bot, s.Now()); paused != "" && a.blocked == "" && lane != journal.LaneCommand {
		a.blocked = paused // paused after the claim
	}
	if a.token, err = s.Open(a.bot, a.sealed); err != nil {
		a.blocked = "the bot's token can't be opened: " + err.Error()
	}
	return a, nil
}

// blocked returns the reason why the bot can't act in the chat; empty if it can.
func blocked(b *rostercache.Bot, c *rostercache.Chat, cast rostercache.Cast, bot rostercache.BotID) string {
	suspended, member := cast[bot]
	switch {
	case b.Removed:
		return "the bot was removed"
	case c.Removed:
		return "the chat was removed"
	case b.Stopped != "":
		return "the bot is stopped: " + b.Stopped
	case !member:
		return "the bot is not in the chat's cast"
	case suspended != "":
		return "the bot is suspended in the chat: " + suspended
	}
	return ""
}
