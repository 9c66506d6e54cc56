package generator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/memory"
)

// scene is what a turn's text is written from.
type scene struct {
	llm.Scene
	// answering is the username or name of whom the turn answers; empty for none.
	answering string
	wpm       float64
	// present are the usernames of whom the text may mention.
	present  []string
	memories []memory.Chosen
	progress journal.Progress
}

const (
	personaOf = `
SELECT p.display_name, p.summary, p.tone, p.hint, p.phrases, p.interests, p.empathy, p.energy, b.typing_wpm,
    c.purpose, c.disclaimer, c.forbid_advice, c.language, c.time_zone
FROM bots b JOIN personas p ON p.bot_id = b.id
JOIN cast_members m ON m.bot_id = b.id AND m.suspended_at IS NULL JOIN chats c ON c.id = m.chat_id AND c.removed_at IS NULL
WHERE b.id = $1 AND c.id = $2 AND b.removed_at IS NULL AND b.stopped_at IS NULL`
	stancesOf  = `SELECT topic, stance, confidence FROM stances WHERE bot_id = $1 ORDER BY confidence DESC, topic LIMIT 6`
	holdingsOf = `
SELECT CASE WHEN quantity IS NULL THEN item ELSE trim_scale(quantity) || ' x ' || item END || CASE WHEN note = '' THEN '' ELSE ' (' || note || ')' END
FROM holdings WHERE bot_id = $1 ORDER BY item LIMIT 6`
	linesOf = `
SELECT m.number, coalesce(p.display_name, who.name, ''), coalesce(b.username, who.username, ''), m.body, m.bot_id IS NOT NULL, m.sent_at, m.topic
FROM messages m
LEFT JOIN bots b ON b.id = m.bot_id LEFT JOIN personas p ON p.bot_id = m.bot_id
LEFT JOIN people who ON who.telegram_id = m.person_id
WHERE m.chat_id = $1 AND `
	historyOf = linesOf + `true ORDER BY m.sent_at DESC, m.number DESC LIMIT $2`
	targetOf  = linesOf + `m.number = $2`
)

type line struct {
	number          int64
	username, topic string
	llm.Line
}

func scanLine(row pgx.CollectableRow) (line, error) {
	var l line
	err := row.Scan(&l.number, &l.Author, &l.username, &l.Text, &l.FromBot, &l.At, &l.topic)
	return l, err
}

// planOnce has PostgreSQL keep the plans of a batch's statements, as long as the
// batch lasts. It would plan those of messages anew each time, over all partitions,
// which takes ten times as long as to look into the one that is asked about.
const planOnce = `SELECT set_config('plan_cache_mode', 'force_generic_plan', true)`

// errNoPart says that the turn's bot has left the stage since it was planned. The
// sender would not send its text, so none is paid for.
var errNoPart = errors.New("the bot does not play in the chat")

// mostMemories is how many memories a prompt shows.
const mostMemories = 3

// load reads a scene, and how far its turn has come, in one round trip.
func load(ctx context.Context, pool *pgxpool.Pool, t *chorusv1.Turn, history int) (*scene, error) {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	s := &scene{Scene: llm.Scene{
		Topic: t.GetTopic(), Seed: t.GetSeed(), Length: lengthOf(t.GetLength()), Refresh: t.GetRefreshPersona(),
	}}
	chat := t.GetId().GetChatId()
	var past, target []line
	var zone string
	found := false
	var b pgx.Batch
	b.Queue(planOnce)
	journal.QueueProgress(&b, t.GetId(), &s.progress)
	b.Queue(personaOf, t.GetBotId(), chat).QueryRow(func(row pgx.Row) error {
		p := &s.Persona
		err := row.Scan(&p.Name, &p.Summary, &p.Tone, &p.Hint, &p.Phrases, &p.Interests, &p.Empathy, &p.Energy, &s.wpm,
			&s.Purpose, &s.Disclaimer, &s.ForbidAdvice, &s.Language, &zone)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		found = err == nil
		return err
	})
	b.Queue(stancesOf, t.GetBotId()).Query(func(rows pgx.Rows) (err error) {
		s.Stances, err = pgx.CollectRows(rows, pgx.RowToStructByPos[llm.Stance])
		return err
	})
	b.Queue(holdingsOf, t.GetBotId()).Query(func(rows pgx.Rows) (err error) {
		s.Holdings, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	b.Queue(historyOf, chat, history).Query(func(rows pgx.Rows) (err error) {
		past, err = pgx.CollectRows(rows, scanLine)
		return err
	})
	b.Queue(targetOf, chat, t.GetTargetMessage()).Query(func(rows pgx.Rows) (err error) {
		target, err = pgx.CollectRows(rows, scanLine)
		return err
	})
	memory.Queue(&b, t.GetBotId(), &s.memories)
	if err := pool.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("load the scene: %w", err)
	}
	if s.progress == journal.Open && !found {
		return nil, errNoPart
	}
	s.set(past, target)
	s.remember(past)
	if at, err := time.LoadLocation(zone); err == nil { // it was checked when the cast was applied
		s.Now = time.Now().In(at)
	}
	return s, nil
}

// set puts what was read where it belongs.
func (s *scene) set(past, target []line) {
	slices.Reverse(past)
	for _, l := range past {
		s.History = append(s.History, l.Line)
	}
	if len(target) == 1 {
		s.Answering = &target[0].Line
		s.answering = target[0].Author
		if target[0].topic != "" {
			s.Topic = target[0].topic // an answer stays with what it answers
		}
		if target[0].username != "" {
			s.answering = "@" + target[0].username
			s.present = append(s.present, s.answering)
		}
	}
}

// memorable is how many messages back somebody counts as there.
const memorable = 15

// remember leaves of the bot's memories those that come to mind.
func (s *scene) remember(past []line) {
	var present []string
	for _, l := range past[max(0, len(past)-memorable):] {
		if l.Author != s.Persona.Name {
			present = append(present, l.Author)
		}
	}
	s.memories = memory.Choose(s.memories, s.Topic, present, mostMemories)
	for _, m := range s.memories {
		s.Memories = append(s.Memories, m.Content)
	}
}

func lengthOf(l chorusv1.Length) llm.Length {
	switch l {
	case chorusv1.Length_LENGTH_SHORT:
		return llm.Short
	case chorusv1.Length_LENGTH_LONG:
		return llm.Long
	case chorusv1.Length_LENGTH_MEDIUM, chorusv1.Length_LENGTH_UNSPECIFIED:
	}
	return llm.Medium
}
