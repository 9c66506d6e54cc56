package refusal

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// Judge decides about bots whose token Telegram refused in one call.
type Judge struct {
	Pool     *pgxpool.Pool
	Telegram interface {
		GetMe(ctx context.Context, token secret.String) (telegram.Me, telegram.Outcome)
	}

	asking singleflight.Group
}

// Token is a bot's token.
type Token struct {
	Bot    int64
	Sealed []byte // as it stands in the bot's row
	Opened secret.String
}

// Refused is called after a call that Telegram answered with a refusal of the
// token, which it does with good ones, too, for moments: getMe decides. It stops the
// bot, or reports false if the call may be made again. Of calls at a time for one
// bot, one asks.
func (j *Judge) Refused(ctx context.Context, t Token) (stopped bool, err error) {
	answer, err, _ := j.asking.Do(strconv.FormatInt(t.Bot, 10), func() (any, error) {
		asking, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		_, out := j.Telegram.GetMe(asking, t.Opened)
		if out.Kind != telegram.PermanentBot {
			return false, nil
		}
		writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
		defer cancel()
		_, err := rosterpg.Stop(writing, j.Pool, t.Bot, t.Sealed, out.Description)
		return err == nil, err
	})
	stopped, _ = answer.(bool)
	if err != nil {
		return stopped, fmt.Errorf("judge a token: %w", err)
	}
	return stopped, nil
}
