package cast

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/memory"
)

// BotMemory is something that a bot remembers.
type BotMemory struct {
	ID       int64    `json:"id"`
	Kind     string   `json:"kind"`
	Content  string   `json:"content"`
	Source   string   `json:"source" doc:"cast, operator or learned"`
	Chat     string   `json:"chat,omitempty" doc:"where it was learned, and comes to mind"`
	About    []string `json:"about,omitempty" doc:"the people and bots that it was learned about"`
	Strength float64  `json:"strength" doc:"how readily it comes to mind now"`
	Uses     int      `json:"uses"`
}

type memoriesAsked struct {
	Bot string `path:"bot"`
}

type memoriesAnswer struct {
	Body struct {
		Memories []BotMemory `json:"memories" doc:"at most 200"`
	}
}

type memoryGiven struct {
	Bot  string `path:"bot"`
	Body struct {
		Kind      string  `json:"kind" doc:"fact, event, relationship or preference"`
		Content   string  `json:"content" doc:"a sentence about the bot, in the third person"`
		Relevance float64 `json:"relevance,omitempty" default:"0.5" doc:"how readily it comes to mind, 0 to 1"`
	}
}

type memoryAnswer struct {
	Body struct {
		ID int64 `json:"id"`
	}
}

type memoryNamed struct {
	ID int64 `path:"id"`
}

const maxMemories = 200

func (a *Area) listMemories(ctx context.Context, in *memoriesAsked) (*memoriesAnswer, error) {
	all, err := memory.List(ctx, a.Pool, in.Bot, maxMemories)
	if err != nil {
		return nil, err
	}
	out := &memoriesAnswer{}
	out.Body.Memories = []BotMemory{}
	for _, m := range all {
		out.Body.Memories = append(out.Body.Memories, BotMemory{m.ID, m.Kind, m.Content, m.Source, m.Chat, m.About, m.Strength, m.Uses})
	}
	return out, nil
}

func (a *Area) addMemory(ctx context.Context, in *memoryGiven) (*memoryAnswer, error) {
	m := memory.Memory{Bot: in.Bot, Kind: in.Body.Kind, Content: strings.TrimSpace(in.Body.Content), Relevance: in.Body.Relevance, Source: memory.Operator}
	if err := m.Validate(); err != nil {
		return nil, operation.Invalid(err)
	}
	id, err := memory.Add(ctx, a.Pool, m)
	if errors.Is(err, memory.ErrNoBot) {
		return nil, fmt.Errorf("bot %s: %w", in.Bot, operation.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	// The log is never erased, so what it says of memories is only which they are.
	audit.Note(ctx, "bot "+in.Bot, nil, map[string]any{"memory": id, "kind": m.Kind})
	out := &memoryAnswer{}
	out.Body.ID = id
	return out, nil
}

func (a *Area) forgetMemory(ctx context.Context, in *memoryNamed) (*struct{}, error) {
	was, err := memory.Forget(ctx, a.Pool, in.ID)
	if err != nil {
		return nil, err
	}
	audit.Note(ctx, fmt.Sprintf("memory %d", in.ID), nil, nil)
	if !was {
		return nil, fmt.Errorf("memory %d: %w", in.ID, operation.ErrNotFound)
	}
	return &struct{}{}, nil
}

type said struct {
	Bot  string `path:"bot"`
	Body struct {
		Chat string `json:"chat,omitempty" doc:"in whose talk it answers; left out, one where it plays"`
		Text string `json:"text" doc:"what somebody says to it"`
	}
}

type sayAnswer struct {
	Body struct {
		Text string `json:"text" doc:"what it would answer; empty where nothing passed the guard"`
	}
}

const (
	whereItPlays = `-- console: where a bot plays
SELECT b.id, c.id FROM bots b JOIN cast_members m ON m.bot_id = b.id JOIN chats c ON c.id = m.chat_id
WHERE b.name = $1 AND b.removed_at IS NULL AND c.removed_at IS NULL AND ($2 = '' OR c.name = $2) ORDER BY c.id LIMIT 1`
	longestSaid = 1000
	// sayTimeout limits the wait for an answer.
	sayTimeout = 90 * time.Second
)

func (a *Area) sayToBot(ctx context.Context, in *said) (*sayAnswer, error) {
	text := strings.TrimSpace(in.Body.Text)
	if err := lengthOf("text", text, longestSaid); err != nil {
		return nil, operation.Invalid(err)
	}
	if a.Say == nil {
		return nil, operation.Invalid(errors.New("text: this console knows no writer, want the configuration of the generators in llm"))
	}
	var bot, chat int64
	err := a.Pool.QueryRow(ctx, whereItPlays, in.Bot, in.Body.Chat).Scan(&bot, &chat)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, operation.Invalid(fmt.Errorf("bot: %.60q plays in no such chat, want one that does: what it answers depends on the talk", in.Bot))
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	out := &sayAnswer{}
	out.Body.Text, err = a.Say(ctx, chat, bot, text)
	return out, err
}
