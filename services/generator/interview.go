package generator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// Interview asks a bot a question as a person in its chat would. Nothing is stored or sent. Of Deps
// it needs only Pool, Texts, Roster, Now and Log, and it can run beside generators.
type Interview struct{ g *Generator }

// NewInterview returns an Interview.
func NewInterview(cfg Config, deps Deps) (*Interview, error) {
	prompts, err := prompt.New(prompt.Config{Dir: cfg.Prompts, History: cfg.History, Tokens: cfg.PromptTokens})
	if err != nil {
		return nil, fmt.Errorf("generator.prompts: %w", err)
	}
	g := &Generator{Deps: deps, cfg: cfg, prompts: prompts, meanings: &meanings{}}
	g.remember(0)
	return &Interview{g}, nil
}

// interviewTimeout limits the time for one answer.
const interviewTimeout = 2 * time.Minute

// Ask returns a bot's answer in a chat. It uses the prompt, the providers and the guard of turns,
// and returns "" if the guard or the provider refused every draft.
func (i *Interview) Ask(ctx context.Context, chat, bot int64, question string) (string, error) {
	g, asked := i.g, script.Line{Author: "Tom", Text: question, Person: 1, At: i.g.Now()}
	t := &chorusv1.Turn{
		Id: &chorusv1.TurnId{ChatId: chat}, BotId: bot, Kind: chorusv1.TurnKind_TURN_KIND_REPLY,
		Length: chorusv1.Length_LENGTH_MEDIUM, Seed: 1, ExpiresAt: timestamppb.New(g.Now().Add(interviewTimeout)),
	}
	s, err := g.load(ctx, t)
	if err != nil {
		return "", err
	}
	s.set([]script.Line{asked}, &target{Line: asked}, nil)
	s.MayPass = false
	text, err := g.write(ctx, t, s)
	if errors.Is(err, errObjected) || errors.Is(err, chain.ErrRefused) {
		return "", nil
	}
	return text, err
}
