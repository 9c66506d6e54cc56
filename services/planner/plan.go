package planner

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// plan is what became of a batch.
type plan struct {
	planned []journal.Planned
	skips   []decide.Skip

	// A row for each chat.
	chats   []int64
	next    []time.Time
	took    []bool
	spoke   []bool // took its turn with a message
	lively  []bool
	waiting []string
	changed []time.Time
	cast    []int
	asleep  int

	// A row for each bot that its persona is recalled to.
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
		done.spoke = append(done.spoke, d.Turn != nil && d.Turn.Kind != decide.KindReaction)
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

// mayAct returns how many bots of a cast may act in their chat, at some time of the day.
func mayAct(cast []decide.Bot) int {
	n := 0
	for i := range cast {
		if cast[i].Enabled && !cast[i].Suspended {
			n++
		}
	}
	return n
}

// written is a decision as it goes into the journal.
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

// reaction is the delivery of a reaction's turn: a reaction or a sticker, with or without
// an emoji message should Telegram refuse it, or that message at once.
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

// A clock never runs backwards, whatever a decision says.
const (
	// The days are those of UTC, as for budgets.
	countText = `
    texts = CASE WHEN texts_day = (now() AT TIME ZONE 'UTC')::date THEN texts ELSE 0 END + u.spoke::int, texts_day = (now() AT TIME ZONE 'UTC')::date`
	advanceClocks = `-- move clocks
UPDATE chat_clock c SET turn_no = c.turn_no + u.took::int, next_turn_at = greatest(u.next, now()), lively = u.lively,
    waiting_for = nullif(u.waiting, ''), waiting_since = CASE WHEN u.waiting <> '' THEN now() END, waiting_changed = u.changed, waiting_cast = u.may_act,
    counts = counted(c.counts, c.counted_in, slot, 12, u.spoke::int), counted_in = greatest(c.counted_in, slot), ` + countText + `
FROM unnest($1::bigint[], $2::timestamptz[], $3::bool[], $4::bool[], $5::text[], $6::timestamptz[], $7::integer[], $8::bool[])
    AS u(chat_id, next, took, spoke, waiting, changed, may_act, lively),
    LATERAL (SELECT extract(epoch FROM now())::bigint / 5 AS slot) s
WHERE c.chat_id = u.chat_id`
)

// advance moves the clocks on, in the transaction that writes the turns.
func (d *plan) advance(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, advanceClocks, d.chats, d.next, d.took, d.spoke, d.waiting, d.changed, d.cast, d.lively); err != nil {
		return fmt.Errorf("move the clocks on: %w", err)
	}
	return d.recall(ctx, tx)
}

// recall writes down to whom their personas are recalled.
func (d *plan) recall(ctx context.Context, tx pgx.Tx) error {
	if len(d.recalledIn) == 0 {
		return nil
	}
	return rosterpg.Recall(ctx, tx, d.recalledIn, d.recalledTo)
}
