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

// Judge decides whether a bot is stopped after Telegram refused its token in one call.
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
	Sealed []byte // as stored in the bot's row
	Opened secret.String
}

// Refused must be called after Telegram refused a bot's token. Telegram sometimes refuses good
// tokens for moments, so getMe decides: Refused stops the bot, or returns false if the call may be
// repeated. Concurrent calls for one bot make one request.
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
