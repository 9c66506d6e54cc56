package listener

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/direct"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// These are the acts: the first word of a button's data, or a command.
const (
	actSend    = "send"
	actDiscard = "discard"
	actAgain   = "again"
	actEdit    = "edit"
)

// press is what a person asks for with a button below a notice, or with a reply to it.
type press struct {
	Bot, Update     int64
	Query           string // Telegram's id of the press; empty for a reply
	ShownIn, Person int64
	Name, Act       string
	Notice          int64
	Body            string
	Attempts        int
	BotName         string
	Sealed          []byte
}

// by returns the person's name for people and for the audit log.
func (p press) by() string { return fmt.Sprintf("%s (Telegram %d)", p.Name, p.Person) }

const (
	// Claims work like those of commands.
	claimPresses = `-- claim presses
WITH due AS (SELECT bot_id, update_id FROM presses WHERE next_at <= now() ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE presses k SET next_at = now() + $2::interval, attempts = attempts + 1
FROM due, bots b WHERE k.bot_id = due.bot_id AND k.update_id = due.update_id AND b.id = k.bot_id
RETURNING k.bot_id, k.update_id, k.query, k.shown_in, k.person_id, k.name, k.act, k.notice, k.body, k.attempts, b.name, b.token_sealed`
	postponePress = `-- postpone a press
UPDATE presses SET next_at = now() + $4::interval WHERE bot_id = $1 AND update_id = $2 AND attempts = $3`
	endPress = `-- end a press
DELETE FROM presses WHERE bot_id = $1 AND update_id = $2 AND attempts = $3`

	// A notice that is shown in another chat doesn't match.
	readNotice = `-- look at a text that was shown
SELECT n.chat_id, n.turn_no, n.version, n.bot_id, n.shown_chat, coalesce(k.what, ''), coalesce(k.by, '')
FROM notices n JOIN chats c ON c.id = n.shown_chat LEFT JOIN decisions k ON k.chat_id = n.chat_id AND k.turn_no = n.turn_no AND k.version = n.version
WHERE n.id = $1 AND $2 IN (c.telegram_id, c.former_id)`
)

// presses executes the due presses.
func (l *Listener) presses(ctx context.Context) error {
	claiming, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	due, err := store.Collect(claiming, l.Pool, "find presses", pgx.RowToStructByPos[press], claimPresses, maxCommands, commandClaim)
	if err != nil {
		return err
	}
	var all errgroup.Group
	for _, p := range due {
		all.Go(func() error {
			if err := l.press(ctx, p); err != nil && ctx.Err() == nil {
				l.Metrics.commanded(p.Act, "failed")
				return errors.Join(err, l.exec(ctx, postponePress, p.Bot, p.Update, p.Attempts, time.Duration(p.Attempts)*attemptPause))
			}
			return nil
		})
	}
	if len(due) == maxCommands {
		signal(l.held)
	}
	return all.Wait()
}

// press executes a press and answers it. It can be repeated: a decision is stored with its
// author, and Telegram accepts one answer.
func (l *Listener) press(ctx context.Context, p press) error {
	answer, result, err := l.decide(context.WithoutCancel(ctx), p)
	if err != nil {
		return err
	}
	if p.Query != "" {
		l.answerPress(ctx, p, answer)
	}
	if p.Query == "" && result != "done" && result != "denied" {
		err = l.sayTo(ctx, p, answer)
	} else {
		err = l.exec(ctx, endPress, p.Bot, p.Update, p.Attempts)
	}
	if err != nil {
		return err
	}
	l.Metrics.commanded(p.Act, result)
	return nil
}

func (l *Listener) exec(ctx context.Context, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
	defer cancel()
	if _, err := l.Pool.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("write down what became of a press or a notice: %w", err)
	}
	return nil
}

// mayDecide tells whether approval_people contains a person.
func (l *Listener) mayDecide(person int64) bool {
	return slices.Contains(strings.Split(settings.ApprovalPeople.Of(l.Settings.Current(), 0, 0), ","), strconv.FormatInt(person, 10))
}

const (
	notAllowed = "You may not decide here."
	unknown    = "This text is not known any more."
	overtaken  = "It waits no more: its time was over, or it was taken back."
	anotherWay = "Say it in another way."
)

// decide executes a press. It returns the answer for the person and the result for the
// metrics.
func (l *Listener) decide(ctx context.Context, p press) (answer, result string, err error) {
	if !l.mayDecide(p.Person) {
		l.Log.Info("somebody wanted to decide on a text who may not", zap.Int64("telegram_id", p.Person), zap.Int64("telegram_chat", p.ShownIn))
		return notAllowed, "denied", nil
	}
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	h := journal.Held{By: p.by(), Via: "telegram"}
	var bot, chat int64
	var was journal.DecidedError
	err = l.Pool.QueryRow(ctx, readNotice, p.Notice, p.ShownIn).Scan(&h.Chat, &h.Turn, &h.Version, &bot, &chat, &was.What, &was.By)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return unknown, "unknown", nil
	case err != nil:
		return "", "", fmt.Errorf("look at a text that was shown: %w", err)
	case was.What != "":
		return alreadyDecided(was, h.By)
	}
	err = l.act(ctx, p, h)
	var wrong *direct.WrongError
	var faster *journal.DecidedError
	switch {
	case err == nil:
		return "Done.", "done", nil
	case errors.As(err, &faster):
		return alreadyDecided(*faster, h.By)
	case errors.Is(err, journal.ErrDecided):
		return overtaken, "decided", nil
	case errors.Is(err, direct.ErrNone), errors.Is(err, errNoAct):
		return unknown, "unknown", nil
	case errors.As(err, &wrong):
		return "It can't be done: " + wrong.Error() + ".", "wrong", nil
	}
	return "", "", err
}

// alreadyDecided tells a person who has decided. The person who decided gets "Done." again, because
// the first answer may not have been recorded.
func alreadyDecided(was journal.DecidedError, you string) (answer, result string, err error) {
	if was.By == you {
		return "Done.", "done", nil
	}
	return "It is decided already: " + decidedBy(was.What, was.By), "decided", nil
}

var errNoAct = errors.New("nobody knows how to do that")

// act executes a decision and writes it to the audit log.
func (l *Listener) act(ctx context.Context, p press, h journal.Held) error {
	director := &direct.Director{Pool: l.Pool, Journal: l.journal, Bus: l.Bus, Honest: l.Honest}
	good := settings.TurnTTL.Of(l.Settings.Current(), h.Chat, 0)
	note := p.Body
	if p.Act == actAgain && note == "" {
		note = anotherWay
	}
	after := map[string]string{}
	var name string
	var do func(context.Context) error
	switch p.Act {
	case actSend:
		name, after["state"] = "send-text", "sent"
		do = func(ctx context.Context) error { return director.Approve(ctx, h, good) }
	case actEdit:
		name, after["state"], after["text"] = "edit-text", "sent", p.Body
		do = func(ctx context.Context) error { return director.Edit(ctx, h, p.Body, good) }
	case actDiscard:
		name, after["state"] = "discard-text", "discarded"
		do = func(ctx context.Context) error { return director.Discard(ctx, h) }
	case actAgain:
		name, after["state"], after["note"] = "rewrite-text", "to be written again", note
		do = func(ctx context.Context) error { return director.Rewrite(ctx, h, note, good) }
	default:
		return errNoAct
	}
	input, err := json.Marshal(map[string]any{"version": h.Version})
	if err != nil {
		return fmt.Errorf("encode a decision: %w", err)
	}
	e := &audit.Entry{Actor: h.By, Origin: fmt.Sprintf("Telegram's chat %d", p.ShownIn), Via: "telegram", Operation: name, Input: input}
	return audit.Log{Pool: l.Pool}.Do(ctx, e, func(ctx context.Context) error {
		audit.Note(ctx, fmt.Sprintf("turn %d of chat %d", h.Turn, h.Chat), map[string]string{"state": "waits"}, after)
		return do(ctx)
	})
}

// answerPress shows a person the result of their press. It is not retried, because the
// notice shows the result, too.
func (l *Listener) answerPress(ctx context.Context, p press, answer string) {
	token, err := l.Open(p.BotName, p.Sealed)
	if err != nil {
		l.note(ctx, err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	const longest = 200
	if runes := []rune(answer); len(runes) > longest {
		answer = string(runes[:longest-1]) + "…"
	}
	l.Metrics.called("answerCallbackQuery", l.Telegram.AnswerQuery(ctx, token, p.Query, answer))
}

// sayTo plans an answer to a reply, in the chat of the notice, and ends the press in the
// same transaction.
func (l *Listener) sayTo(ctx context.Context, p press, answer string) error {
	var chat, number int64
	err := l.inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		ended, err := tx.Exec(ctx, endPress, p.Bot, p.Update, p.Attempts)
		if err != nil || ended.RowsAffected() == 0 {
			return err // no row: another listener claimed it
		}
		var bot int64
		if err := tx.QueryRow(ctx, `SELECT shown_chat, bot_id FROM notices WHERE id = $1`, p.Notice).Scan(&chat, &bot); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return fmt.Errorf("look where a text was shown: %w", err)
		}
		number, err = l.postIn(ctx, tx, post{chat: chat, bot: bot, text: p.Name + ": " + answer, until: time.Now().Add(lateAfter)})
		return err
	})
	if err == nil && number != 0 {
		l.posted(chat, number)
	}
	return err
}
