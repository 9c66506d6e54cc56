package generator

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/memory"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
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
}

const (
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

// mostMemories is how many memories a prompt shows.
const mostMemories = 3

// load reads a scene: who speaks from the cache, and in one round trip what was
// said, which every message changes.
func load(ctx context.Context, pool *pgxpool.Pool, roster *rostercache.Roster, t *chorusv1.Turn, history int) (*scene, error) {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	s := &scene{Scene: llm.Scene{
		Topic: t.GetTopic(), Seed: t.GetSeed(), Length: lengthOf(t.GetLength()), Refresh: t.GetRefreshPersona(),
	}}
	chat := t.GetId().GetChatId()
	if err := s.part(ctx, roster, rostercache.BotID(t.GetBotId()), rostercache.ChatID(chat)); err != nil {
		return nil, err
	}
	var past, target []line
	var b pgx.Batch
	b.Queue(historyOf, chat, history).Query(func(rows pgx.Rows) (err error) {
		past, err = pgx.CollectRows(rows, scanLine)
		return err
	})
	if t.GetTargetMessage() != 0 {
		b.Queue(targetOf, chat, t.GetTargetMessage()).Query(func(rows pgx.Rows) (err error) {
			target, err = pgx.CollectRows(rows, scanLine)
			return err
		})
	}
	if err := pool.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("load the scene: %w", err)
	}
	s.set(past, target)
	s.remember(past)
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
