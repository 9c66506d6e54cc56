package turns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// Turn is one with all that is known of it.
type Turn struct {
	Chat      int64  `json:"chat"`
	ChatName  string `json:"chat_name"`
	ChatTitle string `json:"chat_title"`
	Number    int64  `json:"number"`
	BotName   string `json:"bot"`
	Bot       string `json:"display_name"`
	Kind      string `json:"kind"`
	Topic     string `json:"topic,omitempty"`
	Outcome   string `json:"outcome" doc:"open while it has not ended"`
	Reason    string `json:"reason,omitempty"`
	Attempts  int    `json:"attempts" doc:"how often its text could not be written"`

	Due       time.Time  `json:"due_at"`
	Planned   time.Time  `json:"planned_at"`
	Written   *time.Time `json:"written_at,omitempty" doc:"when it got its text, or ended without one"`
	Expires   time.Time  `json:"expires_at"`
	Closed    *time.Time `json:"closed_at,omitempty"`
	NotBefore *time.Time `json:"not_before,omitempty"`
	Trace     string     `json:"trace,omitempty"`
	Payload   []byte     `json:"-"`
	Newest    int64      `json:"-"`

	Plan       string     `json:"plan,omitempty" doc:"what it was planned to do, in words" db:"-"`
	Rules      []Rule     `json:"rules" doc:"that led to it, in the order in which they were applied" db:"-"`
	Answers    *Answered  `json:"answers,omitempty" db:"-"`
	Also       *Answered  `json:"also_answers,omitempty" db:"-"`
	Deliveries []Delivery `json:"deliveries" db:"-"`
	Dead       *Dead      `json:"dead_letter,omitempty" db:"-"`

	Writing
}

// Rule is one that led to a turn.
type Rule struct {
	Name   string  `json:"rule"`
	Weight float64 `json:"weight"`
	Saw    string  `json:"saw,omitempty"`
}

// Answered is a message that a turn answers.
type Answered struct {
	Number int64  `json:"number"`
	Author string `json:"author"`
	Person bool   `json:"person"`
	Turn   int64  `json:"turn,omitempty"`
	Text   string `json:"text"`
}

// Delivery is a call to Telegram, with the message that it made.
type Delivery struct {
	Part      int        `json:"part"`
	Action    string     `json:"action"`
	State     string     `json:"state"`
	Step      string     `json:"step"`
	Attempts  int        `json:"attempts"`
	Outcome   string     `json:"outcome,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Text      string     `json:"text,omitempty"`
	Created   time.Time  `json:"created_at"`
	Closed    *time.Time `json:"closed_at,omitempty"`
	NotBefore *time.Time `json:"not_before,omitempty"`
	Message   int64      `json:"message,omitempty" doc:"the number of what was sent"`
	Sent      *time.Time `json:"sent_at,omitempty" doc:"by Telegram's clock"`
	Payload   []byte     `json:"-"`

	Typing time.Duration `json:"typing,omitempty" db:"-"`
	Emoji  string        `json:"emoji,omitempty" db:"-"`
}

// became describes a delivery and its outcome.
func (d *Delivery) became() string {
	said := []string{strings.ReplaceAll(d.Action, "_", " "), strings.ReplaceAll(cmp.Or(d.Outcome, d.State), "_", " ")}
	if d.Step == "fallback" {
		said = append(said, "by its fallback")
	}
	if d.Attempts > 0 {
		said = append(said, fmt.Sprintf("%d failed attempts", d.Attempts))
	}
	if d.Typing > 0 && d.Outcome != "" {
		said = append(said, "typed for "+short(d.Typing))
	}
	return strings.Join(said, ", ")
}

// Dead is the dead letter of a turn.
type Dead struct {
	Service  string     `json:"service"`
	Reason   string     `json:"reason"`
	Attempts int        `json:"attempts"`
	DiedAt   time.Time  `json:"died_at"`
	Replays  int        `json:"replays"`
	Replayed *time.Time `json:"replayed_at,omitempty"`
}

type turnQuery struct {
	ID     int64 `path:"id" doc:"the chat's number"`
	Number int64 `path:"number" doc:"the turn's number in the chat"`
}

type turnAnswer struct{ Body Turn }

const (
	readTurn = `-- console: turn
SELECT t.chat_id, c.name, c.title, t.turn_no, coalesce(b.name, ''), coalesce(p.display_name, b.name, ''), t.kind, t.topic, coalesce(t.outcome, 'open'),
    t.reason, t.attempts, t.due_at, t.planned_at, t.written_at, t.expires_at, t.closed_at, t.not_before, t.traceparent, t.payload,
    coalesce((SELECT turn_no FROM chat_clock WHERE chat_id = t.chat_id), 0)
FROM turns t JOIN chats c ON c.id = t.chat_id LEFT JOIN bots b ON b.id = t.bot_id LEFT JOIN personas p ON p.bot_id = t.bot_id
WHERE t.chat_id = $1 AND t.turn_no = $2`
	readAnswered = `-- console: answered messages
SELECT m.number, coalesce((SELECT display_name FROM personas WHERE bot_id = m.bot_id), (SELECT name FROM people WHERE telegram_id = m.person_id), ''),
    m.person_id IS NOT NULL, coalesce(m.turn_no, 0), m.body
FROM messages m WHERE m.chat_id = $1 AND m.number = ANY($2)`
	readDeliveries = `-- console: deliveries of a turn
SELECT d.part, d.action, CASE WHEN d.lane = 'held' AND d.closed_at IS NULL THEN 'waits to be approved' ELSE d.state END,
    d.step, d.attempts, coalesce(d.outcome, ''), d.reason, coalesce(d.body, ''), d.created_at, d.closed_at, d.not_before,
    coalesce(m.number, 0), m.sent_at, d.payload
FROM deliveries d LEFT JOIN messages m ON m.chat_id = d.chat_id AND m.turn_no = d.turn_no AND m.part = d.part
WHERE d.chat_id = $1 AND d.turn_no = $2 ORDER BY d.part`
	readDead = `-- console: dead letter of a turn
SELECT service, reason, attempts, died_at, replays, replayed_at FROM dead_letters WHERE chat_id = $1 AND turn_no = $2`
)

func (a *Area) readTurn(ctx context.Context, in *turnQuery) (*turnAnswer, error) {
	t, err := Read(ctx, a.Pool, a.values(), a.Words, in.ID, in.Number)
	return &turnAnswer{t}, err
}

// Read reads all that is known of a turn. Values are the settings that hold, nil for the
// defaults.
func Read(ctx context.Context, pool *pgxpool.Pool, values *settings.Values, words Words, chat, number int64) (t Turn, err error) {
	var dead []Dead
	var b pgx.Batch
	b.Queue(readTurn, chat, number).Query(func(rows pgx.Rows) (err error) {
		t, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Turn])
		return err
	})
	queue(&b, &t.Deliveries, readDeliveries, chat, number)
	queue(&b, &dead, readDead, chat, number)
	err = pool.SendBatch(ctx, &b).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return t, operation.ErrNotFound
	}
	if err != nil {
		return t, fmt.Errorf("read a turn: %w", err)
	}
	if len(dead) > 0 {
		t.Dead = &dead[0]
	}
	for i := range t.Deliveries {
		t.Deliveries[i].decode()
	}
	t.Trace = traceID(t.Trace)
	if t.Writing, err = readWriting(ctx, pool, values, chat, number); err != nil {
		return t, err
	}
	return t, t.plan(ctx, pool, words)
}

// writes reports whether the turn needs a text.
func (t *Turn) writes() bool { return t.Kind != "reaction" && t.Kind != "command" }

// traceID is the id of the trace in a W3C trace context.
func traceID(traceParent string) string {
	if parts := strings.Split(traceParent, "-"); len(parts) == 4 { // version, trace, span, flags
		return parts[1]
	}
	return traceParent
}

func (a *Area) values() *settings.Values {
	if a.Settings == nil {
		return nil
	}
	return a.Settings()
}

func queue[T any](b *pgx.Batch, into *[]T, sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, pgx.RowToStructByPos[T])
		return err
	})
}

func (d *Delivery) decode() {
	var kept chorusv1.Delivery
	if proto.Unmarshal(d.Payload, &kept) != nil {
		return // another build wrote it
	}
	d.Typing, d.Emoji = kept.GetTyping().AsDuration(), kept.GetEmoji()
	if d.Text == "" {
		d.Text = kept.GetText()
	}
}

// plan adds what the turn was planned for, with the messages that it answers.
func (t *Turn) plan(ctx context.Context, pool *pgxpool.Pool, words Words) error {
	var planned chorusv1.Turn
	if proto.Unmarshal(t.Payload, &planned) != nil {
		return nil //nolint:nilerr // another build wrote it: the rest is told all the same
	}
	for _, r := range planned.GetReasons() {
		t.Rules = append(t.Rules, Rule{r.GetRule(), r.GetWeight(), r.GetDetail()})
	}
	numbers := []int64{planned.GetTargetMessage(), planned.GetAlsoAnswers()}
	found, err := store.Collect(ctx, pool, "read what is answered", pgx.RowToAddrOfStructByPos[Answered], readAnswered, t.Chat, numbers)
	if err != nil {
		return err
	}
	for _, m := range found {
		if m.Number == planned.GetTargetMessage() {
			t.Answers = m
		} else {
			t.Also = m
		}
	}
	if words != nil {
		author := ""
		if t.Answers != nil {
			author = t.Answers.Author
		}
		t.Plan = words(&planned, author)
	}
	return nil
}

// Moment is an event in a turn's life.
type Moment struct {
	At   time.Time
	What string
	// After is the time since the event before, in words.
	After string
}

// Moments returns the turn's events in order.
func (t *Turn) Moments() []Moment {
	all := []Moment{{At: t.Due, What: "due"}, {At: t.Planned, What: "planned"}}
	add := func(at *time.Time, what string) {
		if at != nil {
			all = append(all, Moment{At: *at, What: what})
		}
	}
	what := "text written"
	if len(t.Deliveries) == 0 {
		what = "writing ended"
	}
	if t.Kind != "reaction" {
		add(t.Written, what)
	}
	for i := range t.Deliveries {
		d := &t.Deliveries[i]
		part := ""
		if len(t.Deliveries) > 1 {
			part = fmt.Sprintf("message %d: ", d.Part)
		}
		add(d.Closed, part+strings.ReplaceAll(d.Outcome, "_", " "))
	}
	for i := range t.Decisions {
		add(&t.Decisions[i].At, t.Decisions[i].What+" by "+t.Decisions[i].By)
	}
	add(t.Closed, "ended")
	slices.SortStableFunc(all, func(a, b Moment) int { return a.At.Compare(b.At) })
	for i := range all[1:] {
		all[i+1].After = short(all[i+1].At.Sub(all[i].At))
	}
	return all
}

// short is a length of time for people.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
