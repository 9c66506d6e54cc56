package sender

import (
	"context"
	"errors"

	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// changed makes this process see at once what was changed for a delivery's bot and
// chat; others hear of it.
func (s *Sender) changed(d *chorusv1.Delivery) {
	s.Roster.Changed(s.calls, rostercache.BotID(d.GetBotId()), rostercache.ChatID(d.GetId().GetChatId()))
}

// pauseRejected looks, after a rejection of a call that is not written down yet, whether
// Telegram rejects all texts or reactions of the bot in the chat: then the bot rests there,
// so that nothing is written for nobody, or the chat gets no reactions. Where that can't be
// found out, the next rejection shows it.
func (s *Sender) pauseRejected(d *chorusv1.Delivery, call chorusv1.Action, out telegram.Outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.calls), store.Timeout)
	defer cancel()
	chat, bot := d.GetId().GetChatId(), d.GetBotId()
	log := s.Log.With(zap.Int64("chat_id", chat), zap.Int64("bot_id", bot), zap.String("reason", out.Description))
	if call != chorusv1.Action_ACTION_SET_REACTION && journal.KindOf(call).OwnRight {
		return // this says nothing about texts
	}
	if call == chorusv1.Action_ACTION_SET_REACTION {
		closed, err := rosterpg.CloseReactions(ctx, s.Pool, chat, bot, out.Description, s.cfg.RestAfter-1)
		if closed {
			s.allowedReactions.Invalidate(chat)
			log.Warn("Telegram rejects reactions in the chat: it gets none for a while")
		}
		s.unrested(log, err)
		return
	}
	rests, err := rosterpg.Rest(ctx, s.Pool, chat, bot, out.Description, s.cfg.RestAfter-1)
	if rests.Begun {
		s.changed(d)
		s.Metrics.lose(lostMembership)
	}
	if rests.First {
		log.Warn("Telegram rejects the bot's messages in the chat: it rests there for a while")
	}
	s.unrested(log, err)
}

func (s *Sender) unrested(log *zap.Logger, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Warn("it is not known whether a bot has to rest", zap.Error(err))
	}
}
