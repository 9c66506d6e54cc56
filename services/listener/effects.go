package listener

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
)

// do executes a command and returns the answer.
func (l *Listener) do(ctx context.Context, tx pgx.Tx, c command, may permission) (string, error) {
	switch may {
	case denied:
		return "Only administrators of this group can do that.", nil
	case unanswered:
		return "Telegram doesn't say whether you are an administrator of this group. Please try again later.", nil
	case granted:
	}
	switch c.Name {
	case "pause":
		return l.pause(ctx, tx, c)
	case "resume":
		if c.Argument != "" {
			return l.speak(ctx, tx, c)
		}
		return l.resume(ctx, tx, c)
	case "quiet":
		return l.quiet(ctx, tx, c)
	case "status":
		return l.status(ctx, tx, c)
	case "forgetme":
		if c.Anonymous {
			return "Done. What anonymous administrators wrote up to now in this group's name is deleted. What they write from now on is kept again.", nil
		}
		return "Done. What you wrote up to now, your name and your id are deleted. What you write from now on is kept again.", nil
	}
	return l.about(ctx, tx, c)
}

const (
	beginPause = `UPDATE chat_pauses SET paused_at = $2, paused_until = $3 WHERE chat_id = $1`
	readPause  = `SELECT paused_at, paused_until FROM chat_pauses WHERE chat_id = $1 FOR UPDATE`
	endPause   = `UPDATE chat_pauses SET paused_at = NULL, paused_until = NULL WHERE chat_id = $1`
	overPauses = `SELECT chat_id FROM chat_pauses WHERE paused_until <= now() ORDER BY paused_until LIMIT 100`
	overPause  = `SELECT FROM chat_pauses WHERE chat_id = $1 AND paused_until <= now() FOR UPDATE`
)

// pauseHelp is the answer to a /pause with an argument that isn't understood.
const pauseHelp = "I understand /pause, or /pause with a time from 1m to 30d, such as 30m, 2h or 1d."

func (l *Listener) pause(ctx context.Context, tx pgx.Tx, c command) (string, error) {
	var until *time.Time
	if c.Argument != "" {
		length, ok := parsePause(c.Argument)
		if !ok {
			return pauseHelp, nil
		}
		until = new(c.SaidAt.Add(length))
	}
	at, _, err := paused(ctx, tx, c.Chat)
	if err != nil {
		return "", err
	}
	if at == nil && !l.active(c.Chat) {
		return "The cast is paused already, by who runs it.", nil
	}
	if _, err := tx.Exec(ctx, beginPause, c.Chat, c.SaidAt, until); err != nil {
		return "", fmt.Errorf("begin a pause: %w", err)
	}
	off, err := json.Marshal(false)
	if err != nil {
		return "", fmt.Errorf("begin a pause: %w", err)
	}
	if err := settingspg.SetIn(ctx, tx, settings.SimulationActive.Key, settings.Chat, c.Chat, off); err != nil {
		return "", err
	}
	if until == nil {
		return "The cast is quiet until /resume.", nil
	}
	return "The cast is quiet until " + clock(*until) + ", or /resume.", nil
}

// parsePause parses the duration of a pause.
func parsePause(s string) (time.Duration, bool) {
	parts := regexp.MustCompile(`^([0-9]{1,5}) ?(m|min|h|d)$`).FindStringSubmatch(strings.ToLower(s))
	if parts == nil {
		return 0, false
	}
	n, _ := strconv.Atoi(parts[1]) // five digits at most
	const day = 24 * time.Hour
	d := time.Duration(n) * map[string]time.Duration{"m": time.Minute, "min": time.Minute, "h": time.Hour, "d": day}[parts[2]]
	return d, d >= time.Minute && d <= 30*day
}

func clock(t time.Time) string { return t.UTC().Format("15:04 on 2 January") + " (UTC)" }

// active tells whether an operator's settings let the cast talk in a chat.
func (l *Listener) active(chat int64) bool {
	v := l.Settings.Current()
	return settings.SimulationActive.Of(v, 0, 0) && settings.SimulationActive.Of(v, chat, 0)
}

// paused locks a chat's pause and returns it. at is nil if there is none.
func paused(ctx context.Context, tx pgx.Tx, chat int64) (at, until *time.Time, err error) {
	err = tx.QueryRow(ctx, readPause, chat).Scan(&at, &until)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, nil, fmt.Errorf("look at a pause: %w", err)
	}
	return at, until, nil
}

func (l *Listener) resume(ctx context.Context, tx pgx.Tx, c command) (string, error) {
	at, _, err := paused(ctx, tx, c.Chat)
	switch {
	case err != nil:
		return "", err
	case at == nil && !l.active(c.Chat):
		return "The cast is paused by who runs it, and only they can end that.", nil
	case at == nil:
		return "The cast isn't paused.", nil
	}
	return "The cast talks again.", l.unpause(ctx, tx, c.Chat)
}

func (*Listener) unpause(ctx context.Context, tx pgx.Tx, chat int64) error {
	if _, err := tx.Exec(ctx, endPause, chat); err != nil {
		return fmt.Errorf("end a pause: %w", err)
	}
	_, err := settingspg.UnsetIn(ctx, tx, settings.SimulationActive.Key, settings.Chat, chat)
	return err
}

// endPauses ends the pauses whose time is over.
func (l *Listener) endPauses(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	over, err := store.Collect(ctx, l.Pool, "find pauses that are over", pgx.RowTo[int64], overPauses)
	if err != nil {
		return err
	}
	for _, chat := range over {
		err := store.InTx(ctx, l.Pool, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, overPause, chat)
			if err != nil || tag.RowsAffected() == 0 {
				return err // no row: another listener was faster
			}
			return l.unpause(ctx, tx, chat)
		})
		if err != nil {
			return fmt.Errorf("end a pause: %w", err)
		}
	}
	return nil
}

func (l *Listener) quiet(ctx context.Context, tx pgx.Tx, c command) (string, error) {
	return l.switchBot(ctx, tx, c, rosterpg.Quiet, "@%[1]s is quiet now; /resume @%[1]s ends that.", "@%s is not of the cast here, or is quiet anyway.")
}

func (l *Listener) speak(ctx context.Context, tx pgx.Tx, c command) (string, error) {
	return l.switchBot(ctx, tx, c, rosterpg.Unquiet, "@%s talks again.", "@%s was not made quiet.")
}

// switchBot makes one bot quiet, or ends that.
func (l *Listener) switchBot(ctx context.Context, tx pgx.Tx, c command,
	change func(context.Context, store.DB, int64, int64) (bool, error), done, undone string,
) (string, error) {
	username := strings.TrimPrefix(strings.TrimSpace(c.Argument), "@")
	b, ours := l.cast.Load().all.Named(username)
	if !ours {
		return "Name one of the bots here, as /" + c.Name + " @username.", nil
	}
	changed, err := change(ctx, tx, c.Chat, b.ID)
	if err != nil {
		return "", err
	}
	if !changed {
		return fmt.Sprintf(undone, b.Username), nil
	}
	return fmt.Sprintf(done, b.Username), nil
}
