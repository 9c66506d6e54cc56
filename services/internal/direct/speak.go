package direct

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// Speech asks for a message at once: on a topic, or with a given text.
type Speech struct {
	Chat int64
	// Bot is the speaker; 0 leaves the choice to the planner, or else to the order of silence among
	// the awake.
	Bot int64
	// Either Topic or Line is set; a Line is sent as it is.
	Topic, Line string
	// Narrated marks a line as narration.
	Narrated bool
	// By is the person who asks. Request identifies the request: repeating it only returns the same
	// turn.
	By, Request string
	// Good is the time after which an unsent turn is dropped.
	Good time.Duration
}

const (
	lockClock = `-- direct: lock a clock
SELECT k.turn_no + 1, now(), c.enabled, c.disclaimer, c.time_zone FROM chat_clock k JOIN chats c ON c.id = k.chat_id
WHERE k.chat_id = $1 AND c.removed_at IS NULL FOR UPDATE OF k`

	earlier = `-- direct: look for an earlier request
SELECT chat_id, turn_no FROM directed_turns WHERE request_id = $1`

	// The bot that has been silent longest comes first.
	cast = `-- direct: who may speak
SELECT b.id, b.name, b.enabled, b.active_hours, coalesce(m.suspended_why, b.stopped_why, ''),
    EXISTS (SELECT FROM pauses p WHERE p.chat_id IN ($1, 0) AND p.bot_id IN (b.id, 0) AND (p.until IS NULL OR p.until > now()))
FROM cast_members m JOIN bots b ON b.id = m.bot_id
WHERE m.chat_id = $1 AND b.removed_at IS NULL
ORDER BY (SELECT max(l.number) FROM (SELECT number, bot_id FROM messages WHERE chat_id = $1 ORDER BY number DESC LIMIT 50) l WHERE l.bot_id = b.id) NULLS FIRST, b.id`

	// The time of the chat's next turn stays: this turn is additional.
	takeTurn = `-- direct: take a turn
UPDATE chat_clock SET turn_no = turn_no + 1, counts = counted(counts, counted_in, slot, 12, 1), counted_in = greatest(counted_in, slot),
    texts = CASE WHEN texts_day = (now() AT TIME ZONE 'UTC')::date THEN texts ELSE 0 END + 1, texts_day = (now() AT TIME ZONE 'UTC')::date
FROM (SELECT extract(epoch FROM now())::bigint / 5 AS slot) s WHERE chat_id = $1`

	keepRequest = `-- direct: keep a request
INSERT INTO directed_turns (request_id, chat_id, turn_no) VALUES ($1, $2, $3)`
)

const (
	maxTopic   = 200
	maxRequest = 100
	narrated   = "— "
)

// Speak makes a bot say something at once, whenever the chat's next turn is due. It works while
// planning is switched off, but not if Telegram refuses the bot, nor during a pause. A line gets
// the chat's disclaimer.
func (d *Director) Speak(ctx context.Context, s Speech) (*chorusv1.TurnId, error) {
	if err := d.check(&s); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	wanted := s.Bot
	if s.Bot == 0 && d.Choose != nil {
		var err error
		if wanted, err = d.Choose(ctx, s.Chat); err != nil {
			return nil, err
		}
	}
	var done journal.Planned
	id, again := &chorusv1.TurnId{ChatId: s.Chat}, false
	err := store.InTx(ctx, d.Pool, func(tx pgx.Tx) (err error) {
		var there chat
		err = tx.QueryRow(ctx, lockClock, s.Chat).Scan(&id.Number, &there.now, &there.enabled, &there.disclaimer, &there.zone)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNone
		}
		if err != nil {
			return fmt.Errorf("lock a clock: %w", err)
		}
		if again, err = repeated(ctx, tx, s.Request, id); err != nil || again {
			return err
		}
		if !there.enabled {
			return RefusedError("the chat is switched off")
		}
		bot, err := choose(ctx, tx, &s, wanted, &there)
		if err != nil {
			return err
		}
		if done, err = there.turn(&s, id, bot); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, takeTurn, s.Chat); err != nil {
			return fmt.Errorf("take a turn: %w", err)
		}
		if err := d.Journal.Plan(ctx, tx, []journal.Planned{done}); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, keepRequest, s.Request, id.GetChatId(), id.GetNumber()); err != nil {
			return fmt.Errorf("keep a request: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if d.Bus != nil && !again {
		d.Bus.Ring(bus.OfLane(done.Lane()), s.Chat)
		d.Bus.Tell(subject.Planned, &chorusv1.Event{Turns: []*chorusv1.TurnId{id}})
	}
	return id, nil
}

// check cleans and validates a request.
func (d *Director) check(s *Speech) error {
	s.Topic, s.Line = names.Line(names.Text(s.Topic), 0), names.Text(s.Line)
	switch {
	case (s.Topic == "") == (s.Line == ""):
		return wrong("line", s.Line, "either a line or a topic")
	case len([]rune(s.Topic)) > maxTopic:
		return wrong("topic", s.Topic, fmt.Sprintf("at most %d characters", maxTopic))
	case s.Line == "" && s.Narrated:
		return wrong("narrated", "true", "a line to be told")
	case s.Request == "" || len(s.Request) > maxRequest:
		return wrong("request", s.Request, fmt.Sprintf("1 to %d bytes", maxRequest))
	case d.Honest != nil && !d.Honest(s.Line):
		return wrong("line", s.Line, "nothing that makes of a bot a human")
	}
	return nil
}

// repeated reports whether a request was made before, and sets its turn.
func repeated(ctx context.Context, tx pgx.Tx, request string, id *chorusv1.TurnId) (bool, error) {
	var chat, number int64
	err := tx.QueryRow(ctx, earlier, request).Scan(&chat, &number)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for an earlier request: %w", err)
	case chat != id.GetChatId():
		return false, RefusedError("this request was made for another chat")
	}
	id.Number = number
	return true, nil
}

// chat is the chat of a speech.
type chat struct {
	now              time.Time
	enabled          bool
	disclaimer, zone string
}

// member is a bot of the cast.
type member struct {
	ID          int64
	Name        string
	Enabled     bool
	ActiveHours []string
	Refused     string
	Paused      bool
}

// obstacle returns the reason why a member can't speak; empty if it can.
func (m *member) obstacle() string {
	switch {
	case !m.Enabled:
		return m.Name + " is switched off"
	case m.Refused != "":
		return "Telegram refuses " + m.Name + ": " + m.Refused
	case m.Paused:
		return m.Name + " is paused here: resume it first"
	}
	return ""
}

// awake reports whether it is in its active hours.
func (m *member) awake(now time.Time) bool {
	open, err := hours.ParseAll(m.ActiveHours)
	return err == nil && hours.Open(open, now)
}

// choose returns the speaker: the requested bot, the planner's choice, or the first bot that is
// awake.
func choose(ctx context.Context, tx pgx.Tx, s *Speech, wanted int64, there *chat) (int64, error) {
	members, err := store.Collect(ctx, tx, "read the cast", pgx.RowToStructByPos[member], cast, s.Chat)
	if err != nil {
		return 0, err
	}
	zone, err := time.LoadLocation(there.zone)
	if err != nil {
		zone = time.UTC
	}
	var awake int64
	why := "the chat has no cast"
	for i := range members {
		m := &members[i]
		obstacle := m.obstacle()
		switch {
		case s.Bot == m.ID && obstacle != "":
			return 0, RefusedError(obstacle)
		case wanted == m.ID && obstacle == "":
			return m.ID, nil
		case obstacle != "":
			why = obstacle
		case !m.awake(there.now.In(zone)):
			why = m.Name + " is asleep"
		default:
			awake = cmp.Or(awake, m.ID)
		}
	}
	switch {
	case s.Bot != 0:
		return 0, ErrNone
	case awake == 0:
		return 0, RefusedError("nobody can speak there now: " + why)
	}
	return awake, nil
}

// turn returns the planned turn, with its delivery if the line is given.
func (c *chat) turn(s *Speech, id *chorusv1.TurnId, bot int64) (journal.Planned, error) {
	now := timestamppb.New(c.now)
	t := &chorusv1.Turn{
		Id: id, BotId: bot, Kind: chorusv1.TurnKind_TURN_KIND_MESSAGE, Topic: s.Topic, Length: chorusv1.Length_LENGTH_MEDIUM,
		PlannedAt: now, DueAt: now, ExpiresAt: timestamppb.New(c.now.Add(max(s.Good, time.Second))), Seed: rand.Uint64(),
		Reasons: []*chorusv1.Reason{{Rule: "directed", Weight: 1, Detail: "by " + s.By}},
	}
	if s.Line == "" {
		return journal.Planned{Turn: t}, nil
	}
	text := s.Line
	if s.Narrated {
		text = narrated + text
	}
	text = Disclaimed(text, c.disclaimer)
	if n := telegram.TextLength(text); n > telegram.MaxText {
		return journal.Planned{}, wrong("line", s.Line, fmt.Sprintf("at most %d characters with the chat's disclaimer; it has %d", telegram.MaxText, n))
	}
	return journal.Planned{Turn: t, Delivery: &chorusv1.Delivery{
		Id: id, BotId: bot, Action: chorusv1.Action_ACTION_SEND_MESSAGE, Text: text, PlannedAt: now, ExpiresAt: t.GetExpiresAt(), CreatedAt: now,
	}}, nil
}

// Disclaimed returns a text with the chat's disclaimer at its end, once.
func Disclaimed(text, disclaimer string) string {
	disclaimer = names.Line(names.Text(disclaimer), 0)
	text = strings.TrimSpace(strings.TrimSuffix(names.Text(text), disclaimer))
	return strings.TrimSpace(text + " " + disclaimer)
}
