package listener

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// command is a bot command of a person.
type command struct {
	Chat, Message, Bot, Person int64
	Anonymous                  bool
	Name, Argument             string
	SaidAt                     time.Time // the database's time
	Attempts                   int
	TelegramID                 int64 // the chat's id at Telegram
	BotName                    string
	Sealed                     []byte
}

const (
	// A claim postpones next_at, and attempts is its fence: if this process dies, another
	// one answers later.
	claimCommands = `-- claim commands
WITH due AS (SELECT chat_id, message FROM commands WHERE next_at <= now() ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE commands k SET next_at = now() + $2::interval, attempts = attempts + 1
FROM due, chats c, bots b
WHERE k.chat_id = due.chat_id AND k.message = due.message AND c.id = k.chat_id AND b.id = k.bot_id
RETURNING k.chat_id, k.message, k.bot_id, k.person_id, k.anonymous, k.name, k.argument, k.said_at, k.attempts, c.telegram_id, b.name, b.token_sealed`

	postponeCommand = `-- postpone a command
UPDATE commands SET next_at = now() + $4::interval WHERE chat_id = $1 AND message = $2 AND attempts = $3`
	endCommand = `-- end a command
DELETE FROM commands WHERE chat_id = $1 AND message = $2 AND attempts = $3`
)

const (
	maxCommands = 16
	// commandClaim is longer than one command takes: a call to Telegram and some
	// statements.
	commandClaim = time.Minute
	askTimeout   = 10 * time.Second
	// maxAttempts limits the attempts to ask Telegram who administers a group.
	maxAttempts  = 5
	attemptPause = 2 * time.Second
)

const (
	untilNext = `-- look for the next command or end of a pause
SELECT extract(epoch FROM least((SELECT min(next_at) FROM commands), (SELECT min(paused_until) FROM chat_pauses)) - clock_timestamp())::float8`

	// commandLook is the interval at which commands that other listeners left are looked
	// for. After this listener takes over bots it looks at once.
	commandLook  = 30 * time.Second
	commandPause = time.Second // the delay after a failure of the database
)

// answer answers commands and ends pauses in time, until the context ends.
func (l *Listener) answer(ctx context.Context) error {
	for due := true; ctx.Err() == nil; {
		wait, err := time.Duration(0), error(nil)
		if due {
			err = errors.Join(l.endPauses(ctx), l.commands(ctx))
		}
		if err == nil {
			wait, err = l.untilDue(ctx, untilNext)
		}
		l.note(ctx, err)
		if due = err != nil || wait < commandLook; err != nil {
			wait = commandPause
		}
		timer := time.NewTimer(min(wait, commandLook))
		select {
		case <-ctx.Done():
		case <-l.commanded:
			due = true
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// untilDue returns the time until something is due, at most commandLook. The statement
// returns it in seconds.
func (l *Listener) untilDue(ctx context.Context, sql string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	var seconds *float64
	if err := l.Pool.QueryRow(ctx, sql).Scan(&seconds); err != nil {
		return 0, fmt.Errorf("look when something is due: %w", err)
	}
	if seconds == nil || *seconds > commandLook.Seconds() {
		return commandLook, nil
	}
	// Due rows that could not be claimed are claimed by others, so this doesn't return 0.
	return max(time.Duration(*seconds*float64(time.Second)), shortestRetry), nil
}

// commands answers the due commands.
func (l *Listener) commands(ctx context.Context) error {
	for ctx.Err() == nil {
		claiming, cancel := context.WithTimeout(ctx, store.Timeout)
		due, err := store.Collect(claiming, l.Pool, "find commands", pgx.RowToStructByPos[command], claimCommands, maxCommands, commandClaim)
		cancel()
		if err != nil {
			return err
		}
		var answering errgroup.Group
		for _, c := range due {
			answering.Go(func() error {
				if err := l.execute(ctx, c); err != nil && ctx.Err() == nil {
					l.Metrics.commanded(c.Name, "failed")
					l.note(ctx, err)
					l.Log.Debug("a command was not answered, and is later", zap.String("command", c.Name), zap.Int64("chat_id", c.Chat), zap.Error(err))
				}
				return nil
			})
		}
		_ = answering.Wait() // its functions return nil
		if len(due) < maxCommands {
			return nil
		}
	}
	return nil
}

// permission says whether a person may give a command.
type permission int

const (
	granted permission = iota
	denied
	// unanswered: Telegram didn't tell.
	unanswered
)

// execute executes a command and answers it.
func (l *Listener) execute(ctx context.Context, c command) error {
	may, err := l.authorize(ctx, c)
	if errors.Is(err, errLater) {
		return l.postpone(ctx, c)
	}
	if err != nil {
		return err
	}
	if c.Name == "forgetme" {
		if err := l.forget(ctx, c); err != nil {
			return errors.Join(err, l.postpone(ctx, c))
		}
	}
	return l.reply(context.WithoutCancel(ctx), c, may)
}

var errLater = errors.New("later")

// authorize decides whether a person may give a command. For administrators' commands it asks
// Telegram.
func (l *Listener) authorize(ctx context.Context, c command) (permission, error) {
	switch {
	case c.Anonymous, c.Name == "about", c.Name == "forgetme":
		return granted, nil
	case c.Person < 0:
		return denied, nil // a channel administers no group, and Telegram doesn't tell who writes as one
	}
	token, err := l.Open(c.BotName, c.Sealed)
	if err != nil {
		return denied, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	member, out := l.Telegram.GetMember(ctx, token, c.TelegramID, c.Person)
	l.Metrics.called("getChatMember", out)
	switch out.Kind {
	case telegram.Done:
		if member.Administers() {
			return granted, nil
		}
		return denied, nil
	case telegram.RateLimited, telegram.NotSent, telegram.Unknown:
		if c.Attempts < maxAttempts {
			return denied, errLater
		}
	default: // the bot may not ask in this chat
	}
	return unanswered, nil
}

func (l *Listener) postpone(ctx context.Context, c command) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
	defer cancel()
	if _, err := l.Pool.Exec(ctx, postponeCommand, c.Chat, c.Message, c.Attempts, time.Duration(c.Attempts)*attemptPause); err != nil {
		return fmt.Errorf("put a command off: %w", err)
	}
	return nil
}
