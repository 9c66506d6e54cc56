package planner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

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
UPDATE chat_clock SET turn_no = turn_no + 1, counts = counted(counts, counted_in, slot, 12, 1), counted_in = greatest(counted_in, slot),` + countText + `
FROM (SELECT extract(epoch FROM now())::bigint / 5 AS slot) s, (SELECT true AS spoke) u WHERE chat_id = $1`

	// What people's limits are about. Whoever plans in the chat has its clock locked,
	// so its own count is exact; a person's is confirmed.
	countAnswers = `
SELECT (SELECT count(*)::int FROM answers WHERE chat_id = $2 AND (chat_id, planned_at) > ($2, now() - interval '1 hour')), (` + countOfPerson + `)`
	countOfPerson = `
SELECT count(*)::int FROM answers WHERE person_id = $1 AND (person_id, planned_at) > ($1, now() - interval '1 hour')`

	writeAnswer = `
INSERT INTO answers (chat_id, message, person_id) VALUES ($1, $2, $3)
ON CONFLICT (chat_id, message) DO NOTHING`

	countSkip = `
INSERT INTO prompt_skips (chat_id, day, reason, prompts) VALUES ($1, (now() AT TIME ZONE 'UTC')::date, $2, 1)
ON CONFLICT (chat_id, day, reason) DO UPDATE SET prompts = prompt_skips.prompts + 1, last_at = now()`
)

// prompts tells whether an update calls for an answer now: a person mentioned or
// answered a bot, or asked the group. Who replies to somebody else asks them.
func prompts(u *chorusv1.Update) bool {
	return u.GetKind() == chorusv1.UpdateKind_UPDATE_KIND_MESSAGE && u.GetMessage() != 0 &&
		(len(u.GetAddressedBots()) > 0 || u.GetQuestion() && u.GetReplyTo() == 0)
}

// longestLook is more than turn_ttl may be. What is older needs no look, of which
// there may be many when updates have piled up.
const longestLook = 90 * time.Minute

// askedAt is when an update happened, by the database's clock, and no later than it
// was received. It is false where the update doesn't say.
func askedAt(u *chorusv1.Update) (at time.Time, known bool) {
	for _, t := range []*timestamppb.Timestamp{u.GetHappenedAt(), u.GetReceivedAt()} {
		if t.IsValid() && (!known || t.AsTime().Before(at)) {
			at, known = t.AsTime(), true
		}
	}
	return at, known
}

// Answer plans the answer that an update calls for, if any, at once and by the
// same rules and limits as any other turn. However often and by however many
// planners an update is handled, its message gets one answer at most.
func (p *Planner) Answer(ctx context.Context, u *chorusv1.Update) error {
	if at, known := askedAt(u); !prompts(u) || known && p.Now().Sub(at) > longestLook {
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
			return skippedPrompt(ctx, tx, u, done.skips)
		}
		done.tally.asks(u.GetPersonId(), chats[0].Settings.PersonAnswers)
		if err := done.tally.confirm(ctx, tx, values); err != nil {
			return err
		}
		if done.turns, done.reactions, err = p.journal.Plan(ctx, tx, done.planned); err != nil {
			return err
		}
		if err := counted(ctx, tx, u); err != nil {
			return err
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

// counted writes down that an update is answered, for the limits.
func counted(ctx context.Context, tx pgx.Tx, u *chorusv1.Update) error {
	var b pgx.Batch
	b.Queue(countAnswer, u.GetChatId())
	b.Queue(writeAnswer, u.GetChatId(), u.GetMessage(), u.GetPersonId())
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("count the answer: %w", err)
	}
	return nil
}

// skippedPrompt counts a prompt that gets no answer. An update that is handled
// again after its answer was planned is no other prompt.
func skippedPrompt(ctx context.Context, tx pgx.Tx, u *chorusv1.Update, skips []decide.Skip) error {
	for _, skip := range skips {
		if skip == decide.SkipAnswered {
			continue
		}
		if _, err := tx.Exec(ctx, countSkip, u.GetChatId(), skip.String()); err != nil {
			return fmt.Errorf("count a prompt without an answer: %w", err)
		}
	}
	return nil
}

// prompted makes a decision one about the answer to an update.
func prompted(ctx context.Context, tx pgx.Tx, in *decide.Input, u *chorusv1.Update) error {
	in.Prompted, in.Addressed = u.GetMessage(), u.GetAddressedBots()
	// Its row has Telegram's time, which is compared with no clock of ours.
	if at, known := askedAt(u); known {
		for i := range in.Recent {
			if in.Recent[i].Number == in.Prompted {
				in.Recent[i].At = at
			}
		}
	}
	// It was due when it was heard.
	in.Due = in.Now
	if heard := u.GetReceivedAt(); heard.IsValid() && heard.AsTime().Before(in.Now) {
		in.Due = heard.AsTime()
	}
	if err := tx.QueryRow(ctx, countAnswers, u.GetPersonId(), in.Chat.ID).Scan(&in.ChatAnswers, &in.PersonAnswers); err != nil {
		return fmt.Errorf("count answers: %w", err)
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
