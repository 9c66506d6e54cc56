package refusal

import (
	"context"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// verdict is the result of a look.
type verdict struct {
	open  bool
	emoji []string // allowed in the chat; nil for all
	// unclear is the wait until the next look if Telegram gave no answer; else 0.
	unclear time.Duration
}

// refused returns the verdict for an answer that was no success.
func refused(out telegram.Outcome) verdict {
	switch out.Kind {
	case telegram.PermanentMembership, telegram.PermanentAction, telegram.PermanentBot, telegram.Moved:
		return verdict{}
	case telegram.Unknown, telegram.NotSent, telegram.RateLimited, telegram.Done, telegram.AlreadyDone:
	}
	return verdict{unclear: max(out.RetryAfter, unclearFor)}
}

// try looks once and records the result. It leaves states alone that changed since the try was
// claimed.
func (l *Looker) try(ctx context.Context, t *rosterpg.Try) error {
	v := l.look(ctx, t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
	defer cancel()
	switch {
	case v.unclear > 0:
		return t.Unclear(ctx, l.Pool, v.unclear)
	case !v.open:
		return t.Failed(ctx, l.Pool)
	}
	ended, err := t.Succeeded(ctx, l.Pool, v.emoji)
	if ended {
		l.tell(t)
	}
	return err
}

func (l *Looker) tell(t *rosterpg.Try) {
	log := l.Log.With(zap.String("bot", t.BotName), zap.String("chat", t.ChatName))
	switch t.What {
	case rosterpg.BotStopped:
		l.Metrics.end(t.What)
		log.Warn("Telegram takes the bot's token again: the bot is started")
	case rosterpg.BotSuspended:
		log.Info("nothing keeps the bot from acting in the chat: its next message shows whether it may")
	case rosterpg.ReactionsClosed:
		l.Metrics.end(t.What)
		log.Warn("the chat allows reactions again")
	}
}

// look asks Telegram. If no bot can ask now, it postpones the look.
func (l *Looker) look(ctx context.Context, t *rosterpg.Try) verdict {
	token, err := l.Open(t.BotName, t.Sealed)
	if !t.Active || err != nil {
		return verdict{unclear: awayFor}
	}
	switch t.What {
	case rosterpg.BotStopped:
		if _, out := l.Telegram.GetMe(ctx, token); !out.OK() {
			return refused(out)
		}
		return verdict{open: true}
	case rosterpg.BotSuspended:
		return l.askChat(ctx, t, token, telegram.Member.MaySpeak)
	}
	v := l.askChat(ctx, t, token, telegram.Member.MayReact)
	v.open = v.open && (v.emoji == nil || len(v.emoji) > 0)
	return v
}

// askChat asks about a bot's rights in a chat.
func (l *Looker) askChat(ctx context.Context, t *rosterpg.Try, token secret.String, may func(telegram.Member, telegram.ChatInfo) bool) verdict {
	info, out := l.Telegram.GetChat(ctx, token, t.TelegramID)
	if !out.OK() {
		return refused(out)
	}
	if t.TelegramID > 0 { // a private chat has no members to ask about: the trial decides
		return verdict{open: true}
	}
	m, out := l.Telegram.GetMember(ctx, token, t.TelegramID, account(t.Account, token))
	if !out.OK() {
		return refused(out)
	}
	return verdict{open: may(m, info), emoji: info.AvailableReactions}
}

// account returns a bot's id at Telegram. Without one in the roster, it takes the number that
// begins the token.
func account(known int64, token secret.String) int64 {
	if known != 0 {
		return known
	}
	number, _, _ := strings.Cut(token.Reveal(), ":")
	id, _ := strconv.ParseInt(number, 10, 64) // Telegram refuses 0
	return id
}
