package planner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/nature"
	"github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

const (
	// The statement waits for another planner of the chat. So the reads after it see that
	// planner's turns.
	claimChat = `-- claim a chat
SELECT FROM chat_clock WHERE chat_id = $1 FOR UPDATE`
	// The deletion of a prompt waits for its answer, or the answer finds the prompt gone.
	// So nothing is written about a person who is forgotten at the same time.
	holdPrompt = `-- hold the prompt
SELECT FROM prompts WHERE chat_id = $1 AND message = $2 FOR KEY SHARE`

	// These are all planned replies to a message, whatever their outcome. A reply that also
	// answers a second message has a row in answers for it.
	answersTo = `-- look for answers
SELECT bot_id FROM turns WHERE chat_id = $1 AND kind = 'reply' AND target_message = $2
UNION ALL SELECT 0 FROM answers WHERE chat_id = $1 AND message = $2 LIMIT 1`

	// While a chat's first prompt is claimed, nobody claims another prompt of the chat.
	waitingPrompts = `-- look for prompts that wait
SELECT message, person_id, addressed_bots, (
    SELECT count(*)::int FROM answers a WHERE a.person_id = p.person_id AND (a.person_id, a.planned_at) > (p.person_id, now() - interval '1 hour'))
FROM prompts p WHERE chat_id = $1 AND message > $2 ORDER BY message LIMIT $3`

	endPrompt = `-- end the other prompt
DELETE FROM prompts WHERE chat_id = $1 AND message = $2`

	// The time of the chat's next turn stays, because an answer is an additional turn. A
	// message of a person makes a chat lively.
	countAnswer = `-- count the answer
UPDATE chat_clock SET turn_no = turn_no + 1, lively = true, counts = counted(counts, counted_in, slot, 12, 1), counted_in = greatest(counted_in, slot),` + countText + `
FROM (SELECT extract(epoch FROM now())::bigint / 5 AS slot) s, (SELECT true AS spoke) u WHERE chat_id = $1`

	// These are the counts for the limits on answers. The chat's clock is locked, so the
	// chat's count is exact. A person's count is checked again in confirm.
	countAnswers = `-- count answers
SELECT (SELECT count(*)::int FROM answers WHERE chat_id = $2 AND (chat_id, planned_at) > ($2, now() - interval '1 hour')), (` + countOfPerson + `)`
	countOfPerson = `-- count a person's
SELECT count(*)::int FROM answers WHERE person_id = $1 AND (person_id, planned_at) > ($1, now() - interval '1 hour')`

	writeAnswer = `-- write the answer
INSERT INTO answers (chat_id, message, person_id) VALUES ($1, $2, $3)
ON CONFLICT (chat_id, message) DO NOTHING`

	countSkip = `-- count a skip
INSERT INTO prompt_skips (chat_id, day, reason, prompts, messages) VALUES ($1, (now() AT TIME ZONE 'UTC')::date, $2, 1, ARRAY[$3::bigint])
ON CONFLICT (chat_id, day, reason) DO UPDATE SET prompts = prompt_skips.prompts + 1, last_at = now(),
    messages = (excluded.messages || prompt_skips.messages)[1:100]`
)

// longestLook is longer than the maximum of turn_ttl. Older prompts end without a query,
// because there may be many of them after a backlog.
const longestLook = 90 * time.Minute

// promptLease is the time within which a planner must answer a claimed prompt. Then another
// planner may claim it.
const promptLease = 30 * time.Second

// promptPause is the delay before the next try where a short-term limit holds.
const promptPause = 2 * time.Second

// errWaits postpones the answer to a prompt.
var errWaits = errors.New("nothing may be said at the moment")

// maxPrompts limits the prompts answered at the same time. Each needs a connection.
const maxPrompts = 8

// prompts returns the stage that answers people.
func (p *Planner) prompts() *stage.Stage[*journal.Prompt, journal.Answered] {
	queue := bus.Prompts()
	rows := p.journal.Prompts(journal.Claims{Owner: p.Lease.Owner(), Lease: promptLease})
	cfg := stage.Config{Name: queue.Name, MaxInFlight: maxPrompts, MaxAttempts: 5, MaxWait: 2 * time.Second, Lease: promptLease, Grace: store.Timeout}
	return stage.New(cfg, rows, stage.Deps{
		Rings: p.Bus.Rings(queue), Holds: p.Lease.Held, Tracer: p.Tracer, Metrics: p.Stages, Log: p.Log,
	}, p.Answer)
}

// Answer plans the answer to a prompt, if it needs one, at once and by the same rules and
// limits as any other turn. Under a limit that ends soon, the prompt waits, for at most the
// lifetime of a turn. However often and by however many planners a prompt is handled, its
// message gets at most one answer.
func (p *Planner) Answer(ctx context.Context, prompt *journal.Prompt) (done journal.Answered, err error) {
	if p.Now().Sub(prompt.HappenedAt) > longestLook {
		return done, nil
	}
	// An answer under way is finished when the planner stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
	defer cancel()
	for {
		if err = p.answer(ctx, prompt); !errors.Is(err, errOvertaken) {
			break
		}
	}
	if errors.Is(err, errWaits) {
		return done, stage.Later(p.Now().Add(promptPause))
	}
	if store.Passes(err) {
		return done, fail.AsUnavailable(err)
	}
	return done, err
}

func (p *Planner) answer(ctx context.Context, prompt *journal.Prompt) error {
	var done plan
	err := pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error {
		locked, err := tx.Exec(ctx, claimChat, prompt.ChatID)
		if err != nil || locked.RowsAffected() == 0 {
			return err // no row: the chat is deleted
		}
		held, err := tx.Exec(ctx, holdPrompt, prompt.ChatID, prompt.Message)
		if err != nil || held.RowsAffected() == 0 {
			return err
		}
		values := p.Settings.Current()
		rows, err := look(ctx, tx, lookAtChat, view{}, noLimit, prompt.ChatID)
		if err != nil {
			return err
		}
		chats, err := inputs(ctx, p.Roster, values, rows)
		if err != nil {
			return err
		}
		waiting, err := prompted(ctx, tx, &chats[0], prompt)
		if err != nil {
			return err
		}
		done = p.decide(ctx, chats)
		if len(done.planned) == 0 {
			if done.skips[0].Passes() && chats[0].Now.Sub(prompt.HappenedAt) < chats[0].Settings.TurnTTL {
				return errWaits
			}
			return skippedPrompt(ctx, tx, prompt, done.skips)
		}
		answered := []*journal.Prompt{prompt}
		if also := waiting[done.planned[0].Turn.GetAlsoAnswers()]; also != nil {
			answered = append(answered, also)
		}
		done.tally.asks(answered, chats[0].Settings.PersonAnswers)
		if err := done.tally.confirm(ctx, tx, values); err != nil {
			return err
		}
		if err := p.journal.Plan(ctx, tx, done.planned); err != nil {
			return err
		}
		if err := counted(ctx, tx, answered); err != nil {
			return err
		}
		return done.recall(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("plan the answer to message %d: %w", prompt.Message, err)
	}
	p.ring(done.planned)
	p.Metrics.answered(done)
	return nil
}

// counted records which prompts are answered, for the limits. The claim's owner ends the
// first prompt. counted returns errOvertaken if the second is gone.
func counted(ctx context.Context, tx pgx.Tx, answered []*journal.Prompt) error {
	var b pgx.Batch
	gone := false
	b.Queue(countAnswer, answered[0].ChatID)
	for i, prompt := range answered {
		b.Queue(writeAnswer, prompt.ChatID, prompt.Message, prompt.Person)
		if i > 0 {
			b.Queue(endPrompt, prompt.ChatID, prompt.Message).Exec(func(tag pgconn.CommandTag) error {
				gone = gone || tag.RowsAffected() == 0
				return nil
			})
		}
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("count the answer: %w", err)
	}
	if gone {
		return errOvertaken
	}
	return nil
}

// skippedPrompt counts a prompt without an answer. A prompt that is handled again after its
// answer was planned isn't counted.
func skippedPrompt(ctx context.Context, tx pgx.Tx, prompt *journal.Prompt, skips []decide.Skip) error {
	for _, skip := range skips {
		if skip == decide.SkipAnswered {
			continue
		}
		if _, err := tx.Exec(ctx, countSkip, prompt.ChatID, skip.String(), prompt.Message); err != nil {
			return fmt.Errorf("count a prompt without an answer: %w", err)
		}
	}
	return nil
}

// prompted adds a prompt to the input of a decision. It returns the prompts that wait
// behind it, by message.
func prompted(ctx context.Context, tx pgx.Tx, in *decide.Input, prompt *journal.Prompt) (map[int64]*journal.Prompt, error) {
	in.Prompted, in.Addressed = prompt.Message, prompt.AddressedBots
	texts := make(map[int64]string, len(in.Recent))
	for i := range in.Recent {
		texts[in.Recent[i].Number] = in.Recent[i].Text
		// The row has Telegram's time, which must not be compared with our clocks.
		if in.Recent[i].Number == in.Prompted {
			in.Recent[i].At = prompt.HappenedAt
		}
	}
	in.AsksNature = nature.Answer(texts[prompt.Message], "", 0) != ""
	// The answer was due when the prompt arrived.
	in.Due = in.Now
	if prompt.HeardAt.Before(in.Now) {
		in.Due = prompt.HeardAt
	}
	waiting := map[int64]*journal.Prompt{}
	var b pgx.Batch
	b.Queue(countAnswers, prompt.Person, in.Chat.ID).QueryRow(func(row pgx.Row) error { return row.Scan(&in.ChatAnswers, &in.PersonAnswers) })
	each(&b, answersTo, func(rows pgx.Rows) error {
		a := decide.Answer{Message: in.Prompted}
		defer func() { in.Answering = append(in.Answering, a) }()
		return rows.Scan(&a.BotID)
	}, in.Chat.ID, in.Prompted)
	set := &in.Settings
	each(&b, waitingPrompts, func(rows pgx.Rows) error {
		w, answers := &journal.Prompt{ChatID: in.Chat.ID}, 0
		if err := rows.Scan(&w.Message, &w.Person, &w.AddressedBots, &answers); err != nil {
			return err
		}
		waiting[w.Message] = w
		mayJoin := w.Person != prompt.Person && (set.PersonAnswers == 0 || answers < set.PersonAnswers) &&
			(set.ChatAnswers == 0 || in.ChatAnswers+1 < set.ChatAnswers) &&
			// The question whether the bot is a human gets an answer of its own.
			nature.Answer(texts[w.Message], "", 0) == "" && !in.AsksNature
		in.Waiting = append(in.Waiting, decide.Waiting{Message: w.Message, Addressed: w.AddressedBots, MayJoin: mayJoin})
		return nil
	}, in.Chat.ID, in.Prompted, max(set.MaxWaiting, 1))
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("look at the prompts: %w", err)
	}
	return waiting, nil
}
