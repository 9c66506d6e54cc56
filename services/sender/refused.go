package sender

import (
	"context"
	"errors"

	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
)

// tokenAttempts is how many calls are made for a delivery that are refused for a
// token that is good.
const tokenAttempts = 3

// noMember deals with a call that Telegram refuses because of what the bot is in
// the chat.
func (s *Sender) noMember(d *chorusv1.Delivery, to *address, claim *journal.Claim, out telegram.Outcome, p *progress, log *zap.Logger) error {
	if out.Muted && methodOf(d, claim.Step) == setReaction {
		return s.rejected(d, to, claim, out, p) // it may be allowed to write
	}
	err := s.retryForever(func(ctx context.Context) error {
		_, err := refusal.Suspend(ctx, s.Pool, d.GetId().GetChatId(), d.GetBotId(), out.Description)
		return err
	})
	if err != nil {
		return err
	}
	s.changed(d)
	s.Metrics.lose(lostMembership)
	log.Warn("the bot can't act in the chat: it is suspended there, and tried again later", zap.String("reason", out.Description))
	return s.finish(d, to, claim, chorusv1.Outcome_OUTCOME_REJECTED, out, p.bare)
}

// noBot deals with a call that Telegram refuses because of the bot's token.
func (s *Sender) noBot(d *chorusv1.Delivery, to *address, claim *journal.Claim, out telegram.Outcome, p *progress, log *zap.Logger) error {
	stopped, err := s.judge.Refused(s.calls, refusal.Token{Bot: d.GetBotId(), Sealed: to.sealed, Opened: to.token})
	switch {
	case err != nil:
		log.Warn("a bot was not stopped whose token Telegram refuses", zap.Error(err))
		return s.tryLater(claim, out)
	case stopped:
		s.changed(d)
		s.Metrics.lose(lostBot)
		log.Error("Telegram refuses the bot's token: the bot is stopped, and tried again later", zap.String("reason", out.Description))
		return s.finish(d, to, claim, chorusv1.Outcome_OUTCOME_REJECTED, out, p.bare)
	case claim.Attempts < tokenAttempts:
		return s.tryLater(claim, out)
	}
	return s.rejected(d, to, claim, out, p)
}

// changed makes this process see at once what was changed for a delivery's bot and
// chat; others hear of it.
func (s *Sender) changed(d *chorusv1.Delivery) {
	s.Roster.Changed(s.calls, rostercache.BotID(d.GetBotId()), rostercache.ChatID(d.GetId().GetChatId()))
}

// rest looks, after a rejection, whether Telegram rejects all that the bot does in
// the chat: then the bot rests there, so that nothing is written for nobody. Where
// that can't be found out, the next rejection shows it.
func (s *Sender) rest(d *chorusv1.Delivery, method string, out telegram.Outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.calls), dbTimeout)
	defer cancel()
	chat, bot := d.GetId().GetChatId(), d.GetBotId()
	log := s.Log.With(zap.Int64("chat_id", chat), zap.Int64("bot_id", bot), zap.String("reason", out.Description))
	if method == setReaction {
		closed, err := refusal.CloseReactions(ctx, s.Pool, chat, bot, out.Description, s.cfg.RestAfter)
		if closed {
			s.allowedReactions.Invalidate(chat)
			log.Warn("Telegram rejects reactions in the chat: it gets none for a while")
		}
		s.unrested(log, err)
		return
	}
	rests, err := refusal.Rest(ctx, s.Pool, chat, bot, out.Description, s.cfg.RestAfter)
	if rests {
		s.changed(d)
		s.Metrics.lose(lostMembership)
		log.Warn("Telegram rejects the bot's messages in the chat: it rests there for a while")
	}
	s.unrested(log, err)
}

func (s *Sender) unrested(log *zap.Logger, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Warn("it is not known whether a bot has to rest", zap.Error(err))
	}
}
