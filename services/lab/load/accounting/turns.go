package accounting

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// Turn is a turn of the journal with one of its deliveries, in Telegram's terms. A turn with
// several deliveries has one Turn for each.
type Turn struct {
	Chat    int64 // Telegram's id
	Number  int64
	Part    int    // which delivery of the turn, from 1
	Bot     string // username
	Kind    string // of the turn; message for a reaction that is made as one
	Outcome string // empty while it is open
	// Sent is the id, as its bot knows it, of the message that the delivery sent; 0 for none.
	Sent int64
	// Target is the id of the message that it answers or reacts to; 0 for none.
	Target int64
	// Text is the text to send, if the outcome is unknown.
	Text string
	// Due, Planned and Expires are the times at which it was due, was planned and expires.
	Due, Planned, Expires time.Time
	// Written is when it got its delivery, Closed when it ended; zero before that.
	Written, Closed time.Time
	// Attempts counts the attempts of its delivery. Reason explains its outcome.
	Attempts int
	Reason   string
}

// Said reports whether, by the journal, the turn ended with a message.
func (t Turn) Said() bool {
	return t.Outcome == FellBack || t.Outcome == Delivered && t.Kind != Reaction
}

// allTurns returns a row for each delivery, and for each turn without one. In a basic group a
// message's id is the one that the turn's bot has for it. The payload is read only for unknown
// outcomes, which need it.
const allTurns = `
SELECT c.telegram_id, t.turn_no, coalesce(d.part, 1), b.username,
       CASE WHEN d.lane = 'message' THEN 'message' ELSE t.kind END, coalesce(d.outcome, t.outcome, ''),
       coalesce(m.telegram_id, said.telegram_id, 0), coalesce(answered.telegram_id, target.telegram_id, 0),
       CASE WHEN coalesce(d.outcome, t.outcome) = 'unknown' THEN d.payload END,
       t.due_at, t.planned_at, t.expires_at, d.created_at, coalesce(d.closed_at, t.closed_at), coalesce(d.attempts, t.attempts), coalesce(d.reason, t.reason)
FROM turns t JOIN chats c ON c.id = t.chat_id JOIN bots b ON b.id = t.bot_id
LEFT JOIN deliveries d USING (chat_id, turn_no)
LEFT JOIN messages m ON m.chat_id = t.chat_id AND m.turn_no = t.turn_no AND m.part = coalesce(d.part, 1)
LEFT JOIN message_ids said ON said.chat_id = m.chat_id AND said.number = m.number AND said.viewer = t.bot_id
LEFT JOIN messages answered ON answered.chat_id = t.chat_id AND answered.number = t.target_message
LEFT JOIN message_ids target ON target.chat_id = t.chat_id AND target.number = t.target_message AND target.viewer = t.bot_id
WHERE t.planned_at >= $1
ORDER BY t.chat_id, t.turn_no, d.part`

// Turns reads the turns that were planned since a time, in the order of chats, numbers
// and parts; the zero time is all.
func Turns(ctx context.Context, pool *pgxpool.Pool, since time.Time) ([]Turn, error) {
	return store.Collect(ctx, pool, "read the turns", scanTurn, allTurns, since)
}

func scanTurn(row pgx.CollectableRow) (Turn, error) {
	var v Turn
	var payload []byte
	var written, closed *time.Time
	err := row.Scan(&v.Chat, &v.Number, &v.Part, &v.Bot, &v.Kind, &v.Outcome, &v.Sent, &v.Target,
		&payload, &v.Due, &v.Planned, &v.Expires, &written, &closed, &v.Attempts, &v.Reason)
	if err != nil {
		return v, err
	}
	if written != nil {
		v.Written = *written
	}
	if closed != nil {
		v.Closed = *closed
	}
	if payload == nil {
		return v, nil
	}
	var d chorusv1.Delivery
	if err := proto.Unmarshal(payload, &d); err != nil {
		return v, fmt.Errorf("turn %d of chat %d: %w", v.Number, v.Chat, err)
	}
	v.Text = d.GetText() + d.GetEmoji()
	return v, nil
}

// Clocks returns the number of the last turn of each chat, by Telegram's id.
func Clocks(ctx context.Context, pool *pgxpool.Pool) (map[int64]int64, error) {
	last := map[int64]int64{}
	var chat, number int64
	if err := store.Each(ctx, pool, "read the chats' clocks", []any{&chat, &number}, func() error {
		last[chat] = number
		return nil
	}, `SELECT c.telegram_id, k.turn_no FROM chat_clock k JOIN chats c ON c.id = k.chat_id`); err != nil {
		return nil, err
	}
	return last, nil
}

// Methods of the Bot API that are accounted for.
const (
	SendMessage = "sendMessage"
	SetReaction = "setMessageReaction"
)

// Effects of calls.
const (
	effectSent    = "sent"
	effectReacted = "reacted"
)

// Call is a call of the emulator's log, reduced to the fields used here, so that a million of them
// fit into memory.
type Call struct {
	Seq    uint64
	Time   time.Time
	Method string
	Bot    string
	Chat   int64
	// Status is 0 where the caller left before the answer.
	Status      int
	Description string
	RetryAfter  time.Duration
	// Message is the id of the message that was sent, or reacted to.
	Message int64
	Effect  string
	// Text is the text that was sent.
	Text string
	// Took is the time until the call took effect.
	Took time.Duration
}

// Sent reports whether the call made a message.
func (c Call) Sent() bool { return c.Effect == effectSent }

// Failed reports whether the call got no result.
func (c Call) Failed() bool { return c.Status != 200 }

// Of shortens a call of the log.
func Of(c control.Call) Call {
	short := Call{
		Seq: c.Seq, Time: c.Time, Method: c.Method, Bot: c.Bot, Chat: c.Chat, Status: c.Status, Description: c.Description,
		RetryAfter: time.Duration(c.RetryAfter) * time.Second, Message: c.EffectMessageID, Effect: c.Effect,
		Took: time.Duration(c.Duration * float64(time.Millisecond)),
	}
	if c.Effect == effectSent {
		_ = json.Unmarshal(c.Params["text"], &short.Text) // the emulator took it for a text
	}
	return short
}

// Calls reads the emulator's log after a call, as it is now.
func Calls(ctx context.Context, emulator *control.Client, since uint64) ([]Call, error) {
	var calls []Call
	for call, err := range emulator.Calls(ctx, control.Filter{Since: since}) {
		if err != nil {
			return nil, err
		}
		calls = append(calls, Of(call))
	}
	return calls, nil
}
