package listener

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

const (
	castOf = `-- read a cast
SELECT coalesce(p.display_name, b.name), coalesce(m.suspended_why, '')
FROM cast_members m JOIN bots b ON b.id = m.bot_id LEFT JOIN personas p ON p.bot_id = b.id
WHERE m.chat_id = $1 AND b.enabled AND b.stopped_at IS NULL AND b.removed_at IS NULL ORDER BY 1`
	rulesOf = `-- read rules
SELECT retention_days, disclaimer FROM chats WHERE id = $1`
	countMessages = `-- count messages
SELECT count(*) FILTER (WHERE bot_id IS NULL), count(*) FILTER (WHERE bot_id IS NOT NULL)
FROM messages WHERE chat_id = $1 AND talk AND sent_at > now() - interval '1 hour'`
)

// player is a bot of a chat's cast.
type player struct{ Name, Suspended string }

func players(ctx context.Context, tx pgx.Tx, chat int64) ([]player, error) {
	return store.Collect(ctx, tx, "read a cast", pgx.RowToStructByPos[player], castOf, chat)
}

// about describes the cast and what is stored about people.
func (l *Listener) about(ctx context.Context, tx pgx.Tx, c command) (string, error) {
	cast, err := players(ctx, tx, c.Chat)
	if err != nil {
		return "", err
	}
	var days int
	var disclaimer string
	if err := tx.QueryRow(ctx, rulesOf, c.Chat).Scan(&days, &disclaimer); err != nil {
		return "", fmt.Errorf("read a chat's rules: %w", err)
	}
	names := make([]string, len(cast))
	for i, p := range cast {
		names[i] = p.Name
	}
	var b strings.Builder
	if len(names) == 1 {
		fmt.Fprintf(&b, "%s is a bot: a program writes what it says, and no human. It is run by ", names[0])
	} else {
		fmt.Fprintf(&b, "%s are bots: a program writes what they say, and no human. They are run by ", list(names))
	}
	operator := l.cfg.Operator
	if operator == "" {
		operator = "who added them to this group"
	}
	fmt.Fprintf(&b, "%s.\n\nSo that they can answer, your Telegram id, your name and what you write here are stored, and deleted after %s. ",
		operator, inDays(days))
	b.WriteString("/forgetme deletes what is stored of you at once.\n\nAdministrators: /pause, /resume, /quiet @bot, /status.")
	if disclaimer != "" {
		b.WriteString("\n\n" + disclaimer)
	}
	return b.String(), nil
}

func inDays(n int) string {
	if n == 1 {
		return "a day"
	}
	return fmt.Sprintf("%d days", n)
}

// list joins names with commas and "and".
func list(names []string) string {
	switch len(names) {
	case 0:
		return "Those who talk here"
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// status describes the state of the cast in a chat.
func (l *Listener) status(ctx context.Context, tx pgx.Tx, c command) (string, error) {
	cast, err := players(ctx, tx, c.Chat)
	if err != nil {
		return "", err
	}
	at, until, err := paused(ctx, tx, c.Chat)
	if err != nil {
		return "", err
	}
	var people, bots int
	if err := tx.QueryRow(ctx, countMessages, c.Chat).Scan(&people, &bots); err != nil {
		return "", fmt.Errorf("count messages: %w", err)
	}
	lines := []string{l.pauseStatus(c.Chat, at, until)}
	var talking, quiet []string
	for _, p := range cast {
		switch p.Suspended {
		case "":
			talking = append(talking, p.Name)
		case rosterpg.Quieted:
			quiet = append(quiet, p.Name)
		}
	}
	away, err := awayFrom(ctx, tx, c.Chat)
	if err != nil {
		return "", err
	}
	if lines[0] == castTalks {
		silence, err := usage.FindSilence(ctx, tx)
		if err != nil {
			return "", err
		}
		if silence.Lasts() {
			lines[0] = "The cast is silent: " + silence.String() + "."
		}
	}
	for _, group := range []struct {
		title string
		names []string
	}{{"Cast: ", talking}, {"Quiet: ", quiet}, {"Away: ", away}} {
		if len(group.names) > 0 {
			lines = append(lines, group.title+list(group.names)+".")
		}
	}
	return strings.Join(append(lines, fmt.Sprintf("Messages in the last hour: %d of people, %d of the cast.", people, bots)), "\n"), nil
}

// awayFrom returns the bots that Telegram doesn't let act in a chat, each with the reason.
func awayFrom(ctx context.Context, tx pgx.Tx, chat int64) ([]string, error) {
	states, err := rosterpg.RefusalsIn(ctx, tx, chat)
	if err != nil {
		return nil, err
	}
	var away []string
	for _, s := range states {
		if s.What() != "" && s.Bot != "" && !s.Trial {
			away = append(away, s.Name+" ("+s.Reason()+"; "+s.Next()+")")
		}
	}
	return away, nil
}

const castTalks = "The cast talks."

func (l *Listener) pauseStatus(chat int64, at, until *time.Time) string {
	switch {
	case at != nil && until != nil:
		return "Paused until " + clock(*until) + "."
	case at != nil:
		return "Paused until /resume."
	case !l.active(chat):
		return "Paused by who runs the cast."
	}
	return castTalks
}
