package listener

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

const (
	// A text is shown if it has no notice, or its notice is gone or was rejected. A notice
	// that was rejected because its bot may not write in the chat waits until that bot or
	// another one may. After another reason it is retried after retryNotice. The bot may
	// write again if it was resumed after the notice was planned: the listener may receive
	// that update before the sender records the rejection. A notice with an unknown outcome
	// isn't repeated, because it may be there.
	findHeld = `-- find texts to show
SELECT d.chat_id, d.turn_no, t.fence, coalesce(p.display_name, b.name), coalesce(nullif(c.title, ''), c.name), t.topic, t.expires_at,
    (SELECT coalesce(string_agg(x.body, E'\n\n' ORDER BY x.part), '') FROM deliveries x
        WHERE x.lane = 'held' AND x.chat_id = d.chat_id AND x.turn_no = d.turn_no AND x.closed_at IS NULL),
    coalesce(n.id, 0), coalesce(n.shown_chat, 0), coalesce(n.shown_turn, 0)
FROM deliveries d JOIN turns t ON t.chat_id = d.chat_id AND t.turn_no = d.turn_no JOIN chats c ON c.id = d.chat_id
JOIN bots b ON b.id = t.bot_id LEFT JOIN personas p ON p.bot_id = t.bot_id
LEFT JOIN notices n ON n.chat_id = d.chat_id AND n.turn_no = d.turn_no AND n.version = t.fence
LEFT JOIN turns s ON s.chat_id = n.shown_chat AND s.turn_no = n.shown_turn
WHERE d.lane = 'held' AND d.closed_at IS NULL AND d.part = 1 AND t.closed_at IS NULL AND t.expires_at > now()
    AND (n.id IS NULL OR n.gone OR s.outcome = 'rejected' AND (s.closed_at < now() - $2::interval
        OR EXISTS (SELECT FROM cast_members m WHERE m.chat_id = n.shown_chat AND m.bot_id = n.bot_id
            AND (m.resumed_at > s.planned_at OR m.suspended_at IS NOT NULL))))
ORDER BY d.created_at LIMIT $1`

	// The bot must be able to act in the chat, and have the configured name if there is
	// one.
	findRoom = `-- find where texts are shown
SELECT c.id, c.enabled, coalesce((SELECT b.id FROM cast_members m JOIN bots b ON b.id = m.bot_id
    WHERE m.chat_id = c.id AND m.suspended_at IS NULL AND b.enabled AND b.stopped_at IS NULL AND b.removed_at IS NULL
        AND b.name = coalesce(nullif($2, ''), b.name)
    ORDER BY b.id LIMIT 1), 0)
FROM chats c WHERE (c.telegram_id = $1 OR c.former_id = $1) AND c.removed_at IS NULL`
	findNamed = `SELECT id FROM bots WHERE name = $1 AND removed_at IS NULL`

	nextNotice = `SELECT nextval(pg_get_serial_sequence('notices', 'id'))`
	// Another listener may have shown the text, or an operator decided on it.
	noteNotice = `-- note where a text is shown
INSERT INTO notices (id, chat_id, turn_no, version, bot_id, shown_chat, shown_turn, look_at) OVERRIDING SYSTEM VALUE
SELECT $1, t.chat_id, t.turn_no, t.fence, $5, $6, $7, now() + (t.expires_at - now()) / 2 FROM turns t
WHERE t.chat_id = $2 AND t.turn_no = $3 AND t.fence = $4 AND t.closed_at IS NULL
ON CONFLICT DO NOTHING`
	// The same for a text that is shown again, in place of its former notice.
	moveNotice = `-- note where a text is shown again
UPDATE notices n SET bot_id = $5, shown_chat = $6, shown_turn = $7, gone = false, look_at = now() + (t.expires_at - now()) / 2
FROM turns t WHERE n.id = $1 AND t.chat_id = $2 AND t.turn_no = $3 AND t.fence = $4 AND t.closed_at IS NULL
    AND n.closed_at IS NULL AND n.shown_chat = $8 AND n.shown_turn = $9`
)

// retryNotice is the delay before a refused notice is shown again, if no update tells that
// the reason is gone.
const retryNotice = 5 * time.Minute

// maxNotices limits the texts that one round shows or closes.
const maxNotices = 20

// heldText is a text that waits for an operator.
type heldText struct {
	Chat, Turn, Version   int64
	Bot, ChatTitle, Topic string
	Expires               time.Time
	Text                  string
	// Notice, ShownChat and ShownTurn identify the earlier notice that was not seen; 0 if
	// there is none.
	Notice, ShownChat, ShownTurn int64
}

// room is the chat of the operators and the bot that shows texts there.
type room struct {
	chat    int64
	enabled bool
	bot     int64
}

// showTexts shows each waiting text once in the configured chat.
func (l *Listener) showTexts(ctx context.Context) error {
	values := l.Settings.Current()
	at := int64(settings.ApprovalChat.Of(values, 0, 0))
	if at == 0 {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	waiting, err := store.Collect(asking, l.Pool, "find texts to show", pgx.RowToStructByPos[heldText], findHeld, maxNotices, retryNotice)
	if err != nil || len(waiting) == 0 {
		return err
	}
	to, why, err := l.room(asking, at, settings.ApprovalBot.Of(values, 0, 0))
	if err != nil {
		return err
	}
	if why != l.unshown {
		if l.unshown = why; why != "" {
			l.Log.Warn("texts that wait are shown in the console only", zap.Int64("approval_chat", at), zap.String("reason", why))
		}
	}
	if why != "" {
		return nil
	}
	for _, t := range waiting {
		if err := l.show(ctx, to, t); err != nil {
			return err
		}
	}
	if len(waiting) == maxNotices {
		signal(l.held)
	}
	return nil
}

// room finds the chat and the bot that show texts, or the reason why there are none.
func (l *Listener) room(ctx context.Context, at int64, bot string) (to room, why string, err error) {
	if to, err = l.findRoom(ctx, at, bot); err != nil {
		return to, "", err
	}
	if to.bot == 0 && !to.enabled && bot != "" {
		if to, err = l.makeRoom(ctx, at, to, bot); err != nil {
			return to, "", err
		}
	}
	switch {
	case to.enabled:
		return to, "the cast plays in the chat; switch it off there, or take another", nil
	case to.bot == 0:
		return to, "no bot is in the chat that may act there; approval_bot names one", nil
	}
	return to, "", nil
}

func (l *Listener) findRoom(ctx context.Context, at int64, bot string) (to room, err error) {
	err = l.Pool.QueryRow(ctx, findRoom, at, bot).Scan(&to.chat, &to.enabled, &to.bot)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return to, fmt.Errorf("find where texts are shown: %w", err)
	}
	return to, nil
}

// makeRoom adds the chat to the roster, or the bot to the chat. A private chat needs this:
// no update reports it before a person writes there.
func (l *Listener) makeRoom(ctx context.Context, at int64, to room, bot string) (room, error) {
	var id int64
	err := l.Pool.QueryRow(ctx, findNamed, bot).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return to, nil
	}
	if err != nil {
		return to, fmt.Errorf("find who shows texts: %w", err)
	}
	if err := rosterpg.FindChats(ctx, l.Pool, id, []int64{at}, []string{kindOf(at)}, []string{"Operators"}); err != nil {
		return to, err
	}
	if to.chat != 0 {
		if err := rosterpg.JoinFound(ctx, l.Pool, to.chat, id); err != nil {
			return to, err
		}
	}
	return l.findRoom(ctx, at, bot)
}

// kindOf returns a chat's kind by its id at Telegram.
func kindOf(id int64) string {
	const supergroups = -1_000_000_000_000
	switch {
	case id > 0:
		return "private"
	case id > supergroups:
		return "group"
	}
	return "supergroup"
}

var errShown = errors.New("it is shown, or waits no more")

// show stores a notice and plans the message that shows it, in one transaction.
func (l *Listener) show(ctx context.Context, to room, t heldText) error {
	number := int64(0)
	err := l.inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		id := t.Notice
		if id == 0 {
			if err := tx.QueryRow(ctx, nextNotice).Scan(&id); err != nil {
				return fmt.Errorf("number a notice: %w", err)
			}
		}
		button := func(text, act string) *chorusv1.Button {
			return &chorusv1.Button{Text: text, Data: act + " " + strconv.FormatInt(id, 10)}
		}
		var err error
		number, err = l.postIn(ctx, tx, post{
			chat: to.chat, bot: to.bot, text: noticeText(t), until: t.Expires,
			buttons: []*chorusv1.Button{button("Send", actSend), button("Discard", actDiscard), button("Write again", actAgain)},
		})
		if err != nil {
			return err
		}
		sql, args := noteNotice, []any{id, t.Chat, t.Turn, t.Version, to.bot, to.chat, number}
		if t.Notice != 0 {
			sql, args = moveNotice, append(args, t.ShownChat, t.ShownTurn)
		}
		tag, err := tx.Exec(ctx, sql, args...)
		if err != nil {
			return fmt.Errorf("note where a text is shown: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return errShown
		}
		if t.Notice != 0 {
			_, err = tx.Exec(ctx, blankNotice, t.ShownChat, t.ShownTurn, "It was not seen, and is shown again.")
		}
		return err
	})
	if errors.Is(err, errShown) {
		return nil
	}
	if err != nil {
		return err
	}
	l.posted(to.chat, number)
	return nil
}

// noticeText returns the message that shows a text. A text that is too long is cut.
func noticeText(t heldText) string {
	head := t.Bot + " in " + t.ChatTitle
	if t.Topic != "" {
		head += " on " + t.Topic
	}
	head += " waits until " + clock(t.Expires) + ":\n\n"
	const tail = "\n\nTo change it, answer this message with /edit and another text, or with /again and what to do otherwise."
	text := t.Text
	const cut = "… (the whole is in the console)"
	if left := telegram.MaxText - telegram.TextLength(head+tail); telegram.TextLength(text) > left {
		runes := []rune(text)
		for telegram.TextLength(string(runes)+cut) > left {
			runes = runes[:len(runes)*9/10]
		}
		text = string(runes) + cut
	}
	return head + text + tail
}

const (
	// A claim postpones the next look. The first look is after half of the text's time, the
	// next after half of the rest, and so on, so there are few for each text.
	claimLooks = `-- claim looks at notices
WITH due AS (SELECT id FROM notices WHERE closed_at IS NULL AND look_at <= now() ORDER BY look_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED),
claimed AS (
    UPDATE notices n SET look_at = now() + greatest((t.expires_at - now()) / 2, interval '1 minute')
    FROM due, turns t WHERE n.id = due.id AND t.chat_id = n.chat_id AND t.turn_no = n.turn_no RETURNING n.*)
SELECT k.id, k.shown_turn, c.telegram_id, coalesce(i.telegram_id, m.telegram_id), b.name, b.token_sealed
FROM claimed k JOIN chats c ON c.id = k.shown_chat JOIN bots b ON b.id = k.bot_id
JOIN messages m ON m.chat_id = k.shown_chat AND m.turn_no = k.shown_turn
LEFT JOIN message_ids i ON i.chat_id = m.chat_id AND i.number = m.number AND i.viewer = k.bot_id
WHERE coalesce(i.telegram_id, m.telegram_id) IS NOT NULL`
	lostNotice = `-- note that a notice is gone
UPDATE notices SET gone = true, look_at = NULL WHERE id = $1 AND shown_turn = $2 AND closed_at IS NULL`
)

// look is a message to check for existence.
type look struct {
	ID, ShownTurn, Chat, Message int64
	BotName                      string
	Sealed                       []byte
}

// lookAtNotices checks whether the messages that show texts still exist. Telegram doesn't
// report messages that somebody deletes.
func (l *Listener) lookAtNotices(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	due, err := store.Collect(asking, l.Pool, "find notices to look at", pgx.RowToStructByPos[look], claimLooks, maxNotices)
	if err != nil {
		return err
	}
	var all errgroup.Group
	for _, n := range due {
		all.Go(func() error {
			token, err := l.Open(n.BotName, n.Sealed)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			// Removing a reaction that isn't there changes nothing, and fails if the
			// message doesn't exist.
			out := l.Telegram.SetReaction(ctx, token, telegram.Reaction{ChatID: n.Chat, MessageID: n.Message})
			l.Metrics.called("setMessageReaction", out)
			if !out.MessageGone {
				return nil
			}
			return l.exec(ctx, lostNotice, n.ID, n.ShownTurn)
		})
	}
	return all.Wait()
}

const (
	findClosed = `-- find notices of texts that wait no more
SELECT n.id, n.chat_id, n.turn_no, n.version, n.bot_id, n.shown_chat, n.shown_turn, coalesce(p.display_name, b.name), coalesce(nullif(c.title, ''), c.name)
FROM notices n JOIN turns t USING (chat_id, turn_no) JOIN chats c ON c.id = t.chat_id JOIN bots b ON b.id = t.bot_id LEFT JOIN personas p ON p.bot_id = t.bot_id
WHERE n.closed_at IS NULL AND (t.fence <> n.version OR t.closed_at IS NOT NULL OR t.expires_at <= now()) ORDER BY n.id LIMIT $1`

	// A decision holds this lock until its commit.
	lockDecided = `-- lock a text that was shown
SELECT closed_at IS NULL AND fence = $3 OR coalesce(outcome, '') = 'expired',
    CASE WHEN outcome = 'expired' AND closed_at < expires_at THEN reason ELSE '' END
FROM turns WHERE chat_id = $1 AND turn_no = $2 FOR SHARE`
	readDecided = `-- look what was decided
SELECT what, by FROM decisions WHERE chat_id = $1 AND turn_no = $2 AND version = $3`
	readShown = `-- look whether a text was shown
SELECT t.closed_at IS NOT NULL, coalesce((SELECT max(m.number) FROM messages m WHERE m.chat_id = t.chat_id AND m.turn_no = t.turn_no), 0)
FROM turns t WHERE t.chat_id = $1 AND t.turn_no = $2`
	closeNotice = `-- close a notice
UPDATE notices SET closed_at = now() WHERE id = $1 AND closed_at IS NULL`
	// The text is deleted here and kept with its own turn.
	blankNotice = `-- blank a notice
WITH blank AS (UPDATE deliveries SET payload = '', body = NULL, redacted = true WHERE chat_id = $1 AND turn_no = $2)
UPDATE messages SET body = $3 WHERE chat_id = $1 AND turn_no = $2`

	// editFor limits the time to edit a notice.
	editFor = time.Hour
)

// notice is a notice of a text that doesn't wait any more.
type notice struct {
	ID, Chat, Turn, Version, By, ShownChat, ShownTurn int64
	Bot, ChatTitle                                    string
}

// closeNotices replaces the notices of texts that don't wait any more by what was decided.
func (l *Listener) closeNotices(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	all, err := store.Collect(asking, l.Pool, "find notices", pgx.RowToStructByPos[notice], findClosed, maxNotices)
	if err != nil {
		return err
	}
	errs := make([]error, len(all)) // a failed one doesn't stop the others
	for i, n := range all {
		errs[i] = l.closeNotice(ctx, n)
	}
	return errors.Join(errs...)
}

// closeNotice replaces the text of a notice, and its buttons, by what was decided. A notice
// that isn't sent yet is cancelled. While it is being sent, nothing changes and the next
// round tries again.
func (l *Listener) closeNotice(ctx context.Context, n notice) error {
	if _, err := l.journal.ExpireTurns(ctx, []*chorusv1.TurnId{{ChatId: n.ShownChat, Number: n.ShownTurn}}, "what it shows waits no more"); err != nil {
		return err
	}
	number := int64(0)
	err := l.inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// All transactions lock the clock first, then turns.
		var last int64
		var now time.Time
		if err := tx.QueryRow(ctx, lockClock, n.ShownChat).Scan(&last, &now); err != nil {
			return fmt.Errorf("lock a chat's clock: %w", err)
		}
		var ended bool
		var message int64
		if err := tx.QueryRow(ctx, readShown, n.ShownChat, n.ShownTurn).Scan(&ended, &message); err != nil || !ended {
			return err
		}
		became, err := outcome(ctx, tx, n)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, closeNotice, n.ID)
		if err != nil || tag.RowsAffected() == 0 {
			return err // no row: another listener was faster
		}
		text := n.Bot + " in " + n.ChatTitle + ": " + became
		if _, err := tx.Exec(ctx, blankNotice, n.ShownChat, n.ShownTurn, text); err != nil || message == 0 {
			return err
		}
		number, err = l.postIn(ctx, tx, post{chat: n.ShownChat, bot: n.By, text: text, edits: message, until: now.Add(editFor)})
		return err
	})
	if err != nil {
		return fmt.Errorf("tell what became of a text: %w", err)
	}
	if number != 0 {
		l.posted(n.ShownChat, number)
	}
	return nil
}

// outcome describes what was decided on a text.
func outcome(ctx context.Context, tx pgx.Tx, n notice) (string, error) {
	var late bool
	var why string
	if err := tx.QueryRow(ctx, lockDecided, n.Chat, n.Turn, n.Version).Scan(&late, &why); err != nil {
		return "", fmt.Errorf("look at a text: %w", err)
	}
	var what, by string
	err := tx.QueryRow(ctx, readDecided, n.Chat, n.Turn, n.Version).Scan(&what, &by)
	switch {
	case err == nil:
		return decidedBy(what, by), nil
	case !errors.Is(err, pgx.ErrNoRows):
		return "", fmt.Errorf("look what was decided: %w", err)
	case why != "": // such as a pause
		return why + ", so it is not sent.", nil
	case late:
		return "nobody decided in time, so it is not sent.", nil
	}
	return "it waits no more.", nil
}

// decidedBy describes a decision and who made it.
func decidedBy(what, by string) string {
	says := map[string]string{
		"sent": "sent by ", "edited": "changed and sent by ", "discarded": "discarded by ", "rewritten": "to be written again, as asked by ",
	}
	return strings.TrimSpace(says[what]+by) + "."
}
