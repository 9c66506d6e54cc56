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

// changed drops a delivery's bot and chat from this process' cache, and tells other
// processes.
func (s *Sender) changed(d *chorusv1.Delivery) {
	s.Roster.Changed(s.calls, rostercache.BotID(d.GetBotId()), rostercache.ChatID(d.GetId().GetChatId()))
}

// pauseRejected is called after a rejected call, before its outcome is stored. If Telegram
// has rejected all recent texts of the bot in the chat, it pauses the bot there, so that no
// texts are written for nothing; if it has rejected all recent reactions, it pauses reactions
// in the chat. If the check fails, the next rejection repeats it.
func (s *Sender) pauseRejected(d *chorusv1.Delivery, call chorusv1.Action, out telegram.Outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.calls), store.Timeout)
	defer cancel()
	chat, bot := d.GetId().GetChatId(), d.GetBotId()
	log := s.Log.With(zap.Int64("chat_id", chat), zap.Int64("bot_id", bot), zap.String("reason", out.Description))
	if call != chorusv1.Action_ACTION_SET_REACTION && journal.KindOf(call).OwnRight {
		return // such a rejection says nothing about texts
	}
	if call == chorusv1.Action_ACTION_SET_REACTION {
		closed, err := rosterpg.CloseReactions(ctx, s.Pool, chat, bot, out.Description, s.cfg.RestAfter-1)
		if closed {
			s.allowedReactions.Invalidate(chat)
			log.Warn("Telegram rejects reactions in the chat: it gets none for a while")
		}
		s.logRestError(log, err)
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
	s.logRestError(log, err)
}

func (s *Sender) logRestError(log *zap.Logger, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Warn("it is not known whether a bot has to rest", zap.Error(err))
	}
}
