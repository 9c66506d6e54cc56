package sender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/reaction"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

const (
	// allowedFor is the lifetime of a chat's cached reactions. After a refusal the sender
	// asks at once.
	allowedFor = 10 * time.Minute
	// unansweredFor is the time until the sender asks again after a failed request.
	// Meanwhile all emoji count as allowed, and Telegram decides.
	unansweredFor = 30 * time.Second
	askTimeout    = 5 * time.Second
	maxAllowed    = 100_000
)

// allowed holds a chat's allowed reactions. If they aren't known, all emoji count as
// allowed.
type allowed struct {
	emoji []string // nil for all, empty for none
	known bool
}

// newAllowedReactions returns the cache of allowed reactions by chat.
func newAllowedReactions() (*otter.Cache[int64, *allowed], error) {
	c, err := otter.New(&otter.Options[int64, *allowed]{
		MaximumSize: maxAllowed, Clock: cache.Clock{},
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[int64, *allowed]) time.Duration {
			if e.Value.known {
				return allowedFor
			}
			return unansweredFor
		}),
	})
	if err != nil {
		return nil, fmt.Errorf("allowed reactions: %w", err)
	}
	return c, nil
}

// emoji returns the allowed reaction that is nearest to the planned one; empty if there is
// none.
func (s *Sender) emoji(d *chorusv1.Delivery, to *address) (string, error) {
	chat := d.GetId().GetChatId()
	a, err := s.allowedReactions.Get(s.calls, chat, otter.LoaderFunc[int64, *allowed](func(ctx context.Context, _ int64) (*allowed, error) {
		return s.ask(ctx, d, to), nil
	}))
	if err != nil {
		return "", fmt.Errorf("allowed reactions of chat %d: %w", chat, err)
	}
	emoji, _ := reaction.Nearest(d.GetEmoji(), a.emoji)
	return emoji, nil
}

// closed finds a chat that allows no reactions until its next check.
const closed = `SELECT FROM chats WHERE id = $1 AND allowed_reactions = '{}' AND reactions_next_at > now()`

// ask asks Telegram for a chat's allowed reactions. It stores them in the roster for the
// planner.
func (s *Sender) ask(ctx context.Context, d *chorusv1.Delivery, to *address) *allowed {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	chat := d.GetId().GetChatId()
	if tag, err := s.Pool.Exec(ctx, closed, chat); err == nil && tag.RowsAffected() > 0 {
		return &allowed{emoji: []string{}} // the cache asks again after unansweredFor
	}
	info, out := s.Telegram.With(s.limits.spared(d)).GetChat(ctx, to.token, to.chat)
	switch {
	case out.Withheld:
		return &allowed{}
	case out.Kind != telegram.Done:
		s.Log.Info("Telegram did not say which reactions a chat allows", zap.Int64("chat_id", chat), zap.Error(out.Err()))
		return &allowed{}
	}
	if err := rosterpg.AllowReactions(ctx, s.Pool, chat, info.AvailableReactions); err != nil && ctx.Err() == nil {
		s.Log.Warn("the allowed reactions of a chat were not written down", zap.Int64("chat_id", chat), zap.Error(err))
	}
	return &allowed{emoji: info.AvailableReactions, known: true}
}

// react sets the reaction, or returns why there is none to set.
func (d *delivery) react(client *telegram.Client) telegram.Outcome {
	if d.to.target == 0 {
		return declined("the bot can't know the message's id in this basic group")
	}
	emoji, err := d.emoji(d.u.Delivery, d.to)
	switch {
	case err != nil && errors.Is(err, context.Canceled):
		return telegram.Outcome{Kind: telegram.NotSent, Description: err.Error()}
	case err != nil:
		emoji = d.u.GetEmoji()
	case emoji == "":
		return declined("the chat allows no reaction like " + d.u.GetEmoji())
	}
	out := client.SetReaction(d.calls, d.to.token, telegram.Reaction{ChatID: d.to.chat, MessageID: d.to.target, Emoji: emoji, NotAfter: d.u.Until})
	if out.ReactionInvalid {
		d.allowedReactions.Invalidate(d.u.Chat())
	}
	return out
}

// declined returns the outcome of a call that isn't made because it would fail.
func declined(why string) telegram.Outcome {
	return telegram.Outcome{Kind: telegram.PermanentAction, Description: why}
}
