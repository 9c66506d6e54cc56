package listener

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

const (
	lockClock = `-- lock the clock
SELECT turn_no, now() FROM chat_clock WHERE chat_id = $1 FOR UPDATE`
	takeTurn = `-- take a turn
UPDATE chat_clock SET turn_no = $2 WHERE chat_id = $1`

	// The addressed bot answers if it may act in the chat, else another bot that may.
	chooseBot = `-- choose a bot
SELECT b.id FROM cast_members m JOIN bots b ON b.id = m.bot_id JOIN chats c ON c.id = m.chat_id
WHERE m.chat_id = $1 AND m.suspended_at IS NULL AND b.enabled AND b.stopped_at IS NULL AND b.removed_at IS NULL AND c.enabled AND c.removed_at IS NULL
ORDER BY b.id = $2 DESC, b.id LIMIT 1`

	// Answers that everybody can get and those for administrators have separate limits.
	countAnswers = `-- count answers
SELECT count(*) FROM turns
WHERE chat_id = $1 AND kind = 'command' AND planned_at > now() - interval '1 minute' AND (topic IN ('/about', '/forgetme', '/refused')) = $2`
)

const (
	// maxAnswers limits the answers of a chat in a minute, separately for administrators'
	// commands and for others. Commands beyond the limit are executed without an answer.
	maxAnswers = 6
	// lateAfter is the maximum age of a command that is answered.
	lateAfter = 5 * time.Minute
)

// reply executes a command and stores the answer in one transaction. The answer is a turn
// with a delivery, like any other text.
func (l *Listener) reply(ctx context.Context, c command, may permission) error {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	result, number := "answered", int64(0)
	err := store.InTx(ctx, l.Pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, endCommand, c.Chat, c.Message, c.Attempts)
		if err != nil {
			return fmt.Errorf("end a command: %w", err)
		}
		if tag.RowsAffected() == 0 {
			result = "overtaken" // another process took this one for dead
			return nil
		}
		number, result, err = l.replyIn(ctx, tx, c, may)
		return err
	})
	if err != nil {
		return err
	}
	if result == "answered" {
		l.Bus.Ring(bus.Commands(), c.Chat)
		l.Bus.Tell(subject.Planned, &chorusv1.Event{Turns: []*chorusv1.TurnId{{ChatId: c.Chat, Number: number}}})
	}
	l.Metrics.commanded(c.Name, result)
	return nil
}

// replyIn executes a command in a transaction. It returns the number of the answer's turn,
// or the reason why there is no answer. It locks the clock before the cast, like all
// others.
func (l *Listener) replyIn(ctx context.Context, tx pgx.Tx, c command, may permission) (number int64, result string, err error) {
	var last int64
	var now time.Time
	if err := tx.QueryRow(ctx, lockClock, c.Chat).Scan(&last, &now); err != nil {
		return 0, "", fmt.Errorf("lock a chat's clock: %w", err)
	}
	skip, err := skipReason(ctx, tx, c, now, forAll(c, may))
	if err != nil {
		return 0, "", err
	}
	text, err := l.do(ctx, tx, c, may)
	if err != nil || skip != "" {
		return 0, skip, err
	}
	var by int64
	err = tx.QueryRow(ctx, chooseBot, c.Chat, c.Bot).Scan(&by)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, "nobody", nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("find who answers: %w", err)
	}
	if _, err := tx.Exec(ctx, takeTurn, c.Chat, last+1); err != nil {
		return 0, "", fmt.Errorf("take a turn: %w", err)
	}
	err = l.journal.Plan(ctx, tx, []journal.Planned{l.planned(c, now, topic(c, may), last+1, by, text)})
	return last + 1, "answered", err
}

// skipReason returns the reason for which a command gets no answer; empty if it gets one.
func skipReason(ctx context.Context, tx pgx.Tx, c command, now time.Time, forAll bool) (string, error) {
	if now.Sub(c.SaidAt) > lateAfter {
		return "late", nil
	}
	var lately int
	if err := tx.QueryRow(ctx, countAnswers, c.Chat, forAll).Scan(&lately); err != nil {
		return "", fmt.Errorf("count answers: %w", err)
	}
	if lately >= maxAnswers {
		return "too_many", nil
	}
	return "", nil
}

// refused is the topic of answers to people who may not give a command.
const refused = "/refused"

// topic returns the topic of an answer: the command, or its refusal.
func topic(c command, may permission) string {
	if may != granted {
		return refused
	}
	return "/" + c.Name
}

// forAll tells whether everybody can get such an answer.
func forAll(c command, may permission) bool {
	return may != granted || c.Name == "about" || c.Name == "forgetme"
}

func (l *Listener) planned(c command, now time.Time, topic string, number, by int64, text string) journal.Planned {
	due := c.SaidAt
	if due.After(now) {
		due = now
	}
	turn := &chorusv1.Turn{
		Id: &chorusv1.TurnId{ChatId: c.Chat, Number: number}, BotId: by, Kind: chorusv1.TurnKind_TURN_KIND_COMMAND, TargetMessage: c.Message,
		Topic: topic, PlannedAt: timestamppb.New(now), DueAt: timestamppb.New(due),
		ExpiresAt: timestamppb.New(now.Add(settings.TurnTTL.Of(l.Settings.Current(), c.Chat, by))),
		Reasons:   []*chorusv1.Reason{{Rule: "command", Detail: c.Name}},
	}
	if c.Name == "forgetme" {
		// The message to reply to is deleted.
		turn.TargetMessage = 0
	}
	return journal.Planned{Turn: turn, Delivery: &chorusv1.Delivery{
		Id: turn.GetId(), BotId: by, Action: chorusv1.Action_ACTION_SEND_MESSAGE, Text: text, TargetMessage: turn.GetTargetMessage(),
		PlannedAt: turn.GetPlannedAt(), ExpiresAt: turn.GetExpiresAt(), CreatedAt: turn.GetPlannedAt(),
	}}
}
