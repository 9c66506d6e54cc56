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

// untilApproval returns the seconds until the next press, end of a text or check of a
// notice is due.
const untilApproval = `-- look for the next press, end of a text or look at a notice
SELECT extract(epoch FROM least((SELECT min(next_at) FROM presses),
    (SELECT min(CASE WHEN t.fence = n.version AND t.closed_at IS NULL THEN least(t.expires_at, n.look_at) ELSE now() END)
        FROM notices n JOIN turns t USING (chat_id, turn_no) WHERE n.closed_at IS NULL)) - clock_timestamp())::float8`

// approvals shows held texts to operators, executes their decisions and edits the notices
// of texts that are decided, until the context ends. Events on the bus wake it; if one is
// lost, the next round, commandLook later, finds the rows. Without an approval chat and
// open notices a round is one statement.
func (l *Listener) approvals(ctx context.Context) error {
	if l.Bus != nil {
		stop, err := l.Bus.Follow(subject.Held, func(string, *chorusv1.Event) { signal(l.held) })
		if err != nil {
			return fmt.Errorf("listener: %w", err)
		}
		defer stop()
	}
	for due := true; ctx.Err() == nil; {
		wait, err := time.Duration(0), error(nil)
		if due || settings.ApprovalChat.Of(l.Settings.Current(), 0, 0) != 0 {
			err = l.approve(ctx)
		}
		if err == nil {
			wait, err = l.untilDue(ctx, untilApproval)
		}
		l.note(ctx, err)
		due = err != nil || wait < commandLook
		timer := time.NewTimer(max(wait, commandPause))
		select {
		case <-ctx.Done():
		case <-l.held:
			due = true
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// approve runs one round.
func (l *Listener) approve(ctx context.Context) error {
	return errors.Join(l.presses(ctx), l.lookAtNotices(ctx), l.showTexts(ctx), l.closeNotices(ctx))
}

// post is a message of a bot in a chat, or an edit of one. It is stored as a turn with a
// delivery, like the answer to a command.
type post struct {
	chat, bot int64
	text      string
	buttons   []*chorusv1.Button
	edits     int64 // the message to edit; 0 to send a new one
	until     time.Time
}

// topicApprove is the topic of such turns.
const topicApprove = "/approve"

// postIn plans a post in a transaction and returns its turn number. The caller calls posted
// after the commit.
func (l *Listener) postIn(ctx context.Context, tx pgx.Tx, p post) (number int64, err error) {
	var last int64
	var now time.Time
	if err := tx.QueryRow(ctx, lockClock, p.chat).Scan(&last, &now); err != nil {
		return 0, fmt.Errorf("lock a chat's clock: %w", err)
	}
	if _, err := tx.Exec(ctx, takeTurn, p.chat, last+1); err != nil {
		return 0, fmt.Errorf("take a turn: %w", err)
	}
	turn := &chorusv1.Turn{
		Id: &chorusv1.TurnId{ChatId: p.chat, Number: last + 1}, BotId: p.bot, Kind: chorusv1.TurnKind_TURN_KIND_COMMAND, TargetMessage: p.edits,
		Topic: topicApprove, PlannedAt: timestamppb.New(now), DueAt: timestamppb.New(now), ExpiresAt: timestamppb.New(p.until),
		Reasons: []*chorusv1.Reason{{Rule: "approval"}},
	}
	d := &chorusv1.Delivery{
		Id: turn.GetId(), BotId: p.bot, Action: chorusv1.Action_ACTION_SEND_MESSAGE, Text: p.text, Buttons: p.buttons, TargetMessage: p.edits,
		PlannedAt: turn.GetPlannedAt(), ExpiresAt: turn.GetExpiresAt(), CreatedAt: turn.GetPlannedAt(),
	}
	if p.edits != 0 {
		d.Action = chorusv1.Action_ACTION_EDIT_MESSAGE
	}
	return last + 1, l.journal.Plan(ctx, tx, []journal.Planned{{Turn: turn, Delivery: d}})
}

func (l *Listener) posted(chat, number int64) {
	l.Bus.Ring(bus.Commands(), chat)
	l.Bus.Tell(subject.Planned, &chorusv1.Event{Turns: []*chorusv1.TurnId{{ChatId: chat, Number: number}}})
}

// inTx runs a transaction with the time-out of statements. It doesn't stop when ctx ends.
func (l *Listener) inTx(ctx context.Context, do func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
	defer cancel()
	return store.InTx(ctx, l.Pool, func(tx pgx.Tx) error { return do(ctx, tx) })
}
