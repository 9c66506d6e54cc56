package planner

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// plan is the result of a batch's decisions, in the form of the statement's arrays.
type plan struct {
	planned []journal.Planned
	skips   []decide.Skip

	// One entry for each chat.
	chats   []int64
	seen    []int64     // the number of its next turn
	due     []time.Time // the time at which it was due
	next    []time.Time
	took    []bool
	speaker []int64 // the bot of a turn with a message; 0 for none
	lively  []bool
	waiting []string
	changed []time.Time
	cast    []int
	asleep  int
	still   []int64 // chats that stay due, because their decision was outdated

	// One entry for each bot whose persona is recalled to it.
	recalledIn, recalledTo []int64
	tally                  tally
}

// decide decides for each chat of a batch.
func (p *Planner) decide(ctx context.Context, inputs []decide.Input) plan {
	done := plan{tally: tally{bots: map[int64]int{}}}
	for _, in := range inputs {
		done.tally.tell(&in)
		in.Seed = uint64(p.cfg.Seed ^ in.Chat.ID<<20) //nolint:gosec // any bits will do
		in.Settings.Pace = p.cfg.Pace
		d := decide.Decide(in)
		done.chats, done.next = append(done.chats, in.Chat.ID), append(done.next, d.Next)
		done.took, done.waiting = append(done.took, d.Turn != nil), append(done.waiting, waiting(d.Skip))
		done.seen, done.due, done.speaker = append(done.seen, in.TurnNumber), append(done.due, in.Due), append(done.speaker, speaker(d.Turn))
		done.lively = append(done.lively, d.Lively)
		done.changed, done.cast = append(done.changed, in.Chat.ChangedAt), append(done.cast, mayAct(in.Cast))
		if d.Turn == nil {
			done.skips = append(done.skips, d.Skip)
			p.Log.Debug("no turn is planned", zap.Int64("chat", in.Chat.ID), zap.Stringer("reason", d.Skip), zap.Time("next", d.Next))
			if d.Skip == decide.SkipAsleep && in.Prompted == 0 {
				done.asleep++
			}
			continue
		}
		done.tally.add(d.Turn)
		done.planned = append(done.planned, p.written(ctx, in, d.Turn))
		if d.Turn.RefreshPersona {
			done.recalledIn, done.recalledTo = append(done.recalledIn, in.Chat.ID), append(done.recalledTo, d.Turn.BotID)
		}
	}
	return done
}

// speaker returns the bot of a turn with a message; 0 for none.
func speaker(t *decide.Turn) int64 {
	if t == nil || t.Kind == decide.KindReaction {
		return 0
	}
	return t.BotID
}

// mayAct counts the bots of a cast that may act in their chat at some time of the day.
func mayAct(cast []decide.Bot) int {
	n := 0
	for i := range cast {
		if cast[i].Enabled && !cast[i].Suspended {
			n++
		}
	}
	return n
}

// written converts a decision to a turn for the journal.
func (p *Planner) written(ctx context.Context, in decide.Input, t *decide.Turn) journal.Planned {
	id := &chorusv1.TurnId{ChatId: in.Chat.ID, Number: in.TurnNumber}
	ctx, span := p.Tracer.Start(ctx, "plan turn")
	span.SetAttributes(attribute.String("chorus.turn", subject.TurnID(id)), attribute.String("chorus.kind", t.Kind.String()))
	defer span.End()
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)

	//nolint:gosec // the kinds, lengths and mentions are enums
	turn := &chorusv1.Turn{
		Id: id, BotId: t.BotID, Kind: chorusv1.TurnKind(t.Kind), TargetMessage: t.Target, Topic: t.Topic,
		Length: chorusv1.Length(t.Length), Mention: chorusv1.Mention(t.Mention), Emoji: t.Emoji,
		PlannedAt: timestamppb.New(in.Now), DueAt: timestamppb.New(in.Due), ExpiresAt: timestamppb.New(t.ExpiresAt),
		Seed: t.Seed, RefreshPersona: t.RefreshPersona, UseNews: t.UseNews, Bubbles: t.Bubbles, AlsoAnswers: t.Also,
	}
	for _, r := range t.Reasons {
		turn.Reasons = append(turn.Reasons, &chorusv1.Reason{Rule: r.Rule, Weight: r.Weight, Detail: r.Detail})
	}
	out := journal.Planned{Turn: turn, TraceParent: carrier.Get("traceparent")}
	if t.Kind == decide.KindReaction {
		out.Delivery = reaction(turn, t.Sticker, in.Settings.ReactionMode)
	}
	return out
}

// reaction returns the delivery of a reaction's turn. It is a reaction or a sticker, with
// an emoji message as the fallback if there is one, or this message at once.
func reaction(t *chorusv1.Turn, sticker, mode string) *chorusv1.Delivery {
	d := &chorusv1.Delivery{
		Id: t.GetId(), BotId: t.GetBotId(), Action: chorusv1.Action_ACTION_SET_REACTION,
		TargetMessage: t.GetTargetMessage(), Emoji: t.GetEmoji(),
		PlannedAt: t.GetPlannedAt(), ExpiresAt: t.GetExpiresAt(), CreatedAt: t.GetPlannedAt(),
	}
	switch {
	case sticker != "":
		d.Action, d.Sticker, d.Fallback = chorusv1.Action_ACTION_SEND_STICKER, sticker, chorusv1.Fallback_FALLBACK_EMOJI_MESSAGE
	case mode == decide.ReactionsNativeThenMessage:
		d.Fallback = chorusv1.Fallback_FALLBACK_EMOJI_MESSAGE
	case mode == decide.ReactionsMessage:
		d.Action, d.Text, d.Emoji = chorusv1.Action_ACTION_SEND_MESSAGE, t.GetEmoji(), ""
	}
	return d
}

const (
	// Days are in UTC, as for budgets.
	countText = `
    texts = CASE WHEN texts_day = (now() AT TIME ZONE 'UTC')::date THEN texts ELSE 0 END + u.spoke::int, texts_day = (now() AT TIME ZONE 'UTC')::date`

	// One statement, and so one transaction, writes the whole batch. A decision that is
	// outdated has no effect, and its chat stays due: another planner has planned in the
	// chat since it was read, or has reached a limit.
	//
	// A clock never runs backwards, whatever a decision says. Clocks are locked in the
	// order of the chats, and before the counts, as in all transactions that plan.
	planTurns = `-- plan turns
WITH found AS MATERIALIZED (
    SELECT u.* FROM unnest($23::bigint[], $24::bigint[], $25::timestamptz[], $26::timestamptz[], $27::bool[], $28::bigint[], $29::text[], $30::timestamptz[],
        $31::integer[], $32::bool[]) AS u(chat_id, turn_no, due, next, took, speaker, waiting, changed, may_act, lively)
    JOIN chat_clock k ON k.chat_id = u.chat_id
    WHERE k.turn_no + 1 = u.turn_no AND k.next_turn_at = u.due ORDER BY u.chat_id FOR UPDATE OF k),
allowed AS (SELECT $33::integer AS n),
speaking AS MATERIALIZED (SELECT speaker AS bot_id, count(*)::integer AS n FROM found WHERE speaker > 0 GROUP BY speaker),` + counting + `,
moved AS (
    UPDATE chat_clock c SET turn_no = c.turn_no + u.took::int, next_turn_at = greatest(u.next, now()), lively = u.lively,
        waiting_for = nullif(u.waiting, ''), waiting_since = CASE WHEN u.waiting <> '' THEN now() END, waiting_changed = u.changed, waiting_cast = u.may_act,
        counts = counted(c.counts, c.counted_in, slot, 12, u.spoke::int), counted_in = greatest(c.counted_in, slot), ` + countText + `
    FROM (SELECT *, speaker > 0 AS spoke, extract(epoch FROM now())::bigint / 5 AS slot FROM found) u
    WHERE c.chat_id = u.chat_id AND (NOT u.spoke OR u.speaker IN (SELECT bot_id FROM room))
    RETURNING c.chat_id),
turns AS (` + journal.InsertTurns + ` JOIN moved USING (chat_id)),
deliveries AS (` + journal.InsertDeliveries + ` JOIN moved USING (chat_id))
SELECT chat_id FROM moved`
)

// write writes the batch and removes the turns that were outdated.
func (d *plan) write(ctx context.Context, db store.DB, maxTogether int) error {
	turns, err := journal.Columns(d.planned)
	if err != nil {
		return err
	}
	moved, err := store.Collect(ctx, db, "write what was decided", pgx.RowTo[int64], planTurns, append(turns,
		d.chats, d.seen, d.due, d.next, d.took, d.speaker, d.waiting, d.changed, d.cast, d.lively, maxTogether)...)
	if err != nil {
		return err
	}
	if len(moved) < len(d.chats) {
		d.still = slices.DeleteFunc(slices.Clone(d.chats), func(chat int64) bool { return slices.Contains(moved, chat) })
		d.planned = slices.DeleteFunc(d.planned, func(p journal.Planned) bool { return slices.Contains(d.still, p.Turn.GetId().GetChatId()) })
	}
	return d.recall(ctx, db)
}

// recall records which bots get their persona recalled.
func (d *plan) recall(ctx context.Context, db store.DB) error {
	if len(d.recalledIn) == 0 {
		return nil
	}
	return rosterpg.Recall(ctx, db, d.recalledIn, d.recalledTo)
}
