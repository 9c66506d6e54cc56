package planner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

const (
	// A chat that another plans for at this moment is waited for. So whoever asks
	// after that sees its turns.
	claimChat = chatAndClock + `WHERE k.chat_id = $1 FOR UPDATE OF k`

	// Every reply to a message that was planned, whatever became of it.
	answersTo = `SELECT bot_id FROM turns WHERE chat_id = $1 AND kind = 'reply' AND target_message = $2 LIMIT 1`

	// The time of the chat's next turn stays: an answer is one more turn.
	countAnswer = `
UPDATE chat_clock SET turn_no = turn_no + 1, counts = counted(counts, counted_in, slot, 12, 1), counted_in = greatest(counted_in, slot)
FROM (SELECT extract(epoch FROM now())::bigint / 5 AS slot) s WHERE chat_id = $1`
)

// prompts tells whether an update calls for an answer now: a person mentioned or
// answered a bot, or asked the group. Who replies to somebody else asks them.
func prompts(u *chorusv1.Update) bool {
	return u.GetKind() == chorusv1.UpdateKind_UPDATE_KIND_MESSAGE && u.GetMessage() != 0 &&
		(len(u.GetAddressedBots()) > 0 || u.GetQuestion() && u.GetReplyTo() == 0)
}

// longestTTL is the most that turn_ttl may be. What was heard before that needs no
// look, of which there may be many when updates have piled up.
const longestTTL = time.Hour

// Answer plans the answer that an update calls for, if any, at once and by the
// same rules and limits as any other turn. However often and by however many
// planners an update is handled, its message gets one answer at most.
func (p *Planner) Answer(ctx context.Context, u *chorusv1.Update) error {
	if heard := u.GetReceivedAt(); !prompts(u) || heard.IsValid() && time.Since(heard.AsTime()) > longestTTL {
		return nil
	}
	// A stop lets an answer in hand be finished.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	for {
		if err := p.answer(ctx, u); !errors.Is(err, errOvertaken) {
			return err
		}
	}
}

func (p *Planner) answer(ctx context.Context, u *chorusv1.Update) error {
	var done plan
	err := pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error {
		chats, err := chatsBy(ctx, tx, claimChat, u.GetChatId())
		if err != nil || len(chats) == 0 {
			return err // a chat that is gone needs no answer
		}
		values := p.Settings.Current()
		if err := load(ctx, tx, p.Roster, chats, values); err != nil {
			return err
		}
		if err := prompted(ctx, tx, &chats[0], u); err != nil {
			return err
		}
		done = p.decide(ctx, chats)
		if len(done.planned) == 0 {
			return nil
		}
		if err := done.tally.confirm(ctx, tx, values); err != nil {
			return err
		}
		if done.turns, done.reactions, err = p.journal.Plan(ctx, tx, done.planned); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, countAnswer, u.GetChatId()); err != nil {
			return fmt.Errorf("count the answer: %w", err)
		}
		return done.count(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("plan the answer to message %d: %w", u.GetMessage(), err)
	}
	p.turns.Offer(done.turns...)
	p.Metrics.answered(done)
	return nil
}

// prompted makes a decision one about the answer to an update.
func prompted(ctx context.Context, tx pgx.Tx, in *decide.Input, u *chorusv1.Update) error {
	in.Prompted, in.Addressed = u.GetMessage(), u.GetAddressedBots()
	// It was due when it was heard, as far as the clocks agree.
	in.Due = in.Now
	if heard := u.GetReceivedAt(); heard.IsValid() && heard.AsTime().Before(in.Now) {
		in.Due = heard.AsTime()
	}
	var bot int64
	err := tx.QueryRow(ctx, answersTo, in.Chat.ID, in.Prompted).Scan(&bot)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("look for answers: %w", err)
	}
	in.Answering = append(in.Answering, decide.Answer{Message: in.Prompted, BotID: bot})
	return nil
}
