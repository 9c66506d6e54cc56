package generator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/memory"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

const (
	learnLook    = 30 * time.Second
	learnTimeout = 2 * time.Minute
	learnTokens  = 500
	// mostFound is how many memories one search may give.
	mostFound = 6
	// mostLearned is how long one is at most, in characters.
	mostLearnedContent = 240
	pruneEvery         = time.Hour
)

// learn searches the chats' talks for memories, one after the other, until the
// context ends. It asks for no text where a turn could want one: it waits for
// nothing, and stops for a while when the budget is nearly used up.
func (g *Generator) learn(ctx context.Context) {
	look, prune := time.NewTicker(learnLook), time.NewTicker(pruneEvery)
	defer look.Stop()
	defer prune.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-prune.C:
			if err := usage.Prune(ctx, g.Pool); err != nil && ctx.Err() == nil {
				g.Log.Warn("old usage stays", zap.Error(err))
			}
			continue
		case <-look.C:
		}
		if g.cfg.LearnEvery == 0 || !g.Texts.Model() {
			continue
		}
		for {
			searched, err := g.learnOne(ctx)
			if err != nil && ctx.Err() == nil && !errors.Is(err, chain.ErrUnavailable) {
				g.Log.Info("a talk was searched for memories in vain", zap.Error(err))
			}
			if !searched || err != nil {
				break
			}
		}
	}
}

// learnOne searches one chat's talk, if one is due.
func (g *Generator) learnOne(ctx context.Context) (searched bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, learnTimeout)
	defer cancel()
	talk, err := memory.Claim(ctx, g.Pool, g.cfg.LearnEvery)
	if err != nil || talk == nil {
		return false, err
	}
	lines := make([]llm.Line, len(talk.Lines))
	for i, l := range talk.Lines {
		lines[i] = llm.Line{Author: l.Author, Text: l.Text, FromBot: l.Bot != 0, At: l.At}
	}
	names := make([]string, 0, len(talk.Cast))
	for name := range talk.Cast {
		names = append(names, name)
	}
	messages, err := prompt.Remember(names, lines)
	if err != nil {
		return true, err
	}
	answer, err := g.Texts.GenerateInBackground(ctx, llm.Request{Messages: messages, MaxTokens: learnTokens},
		usage.About{Purpose: usage.Memory, Chat: talk.Chat, Prompt: g.prompts.Version()})
	if err != nil {
		return true, err
	}
	var found []memory.New
	if !answer.Offline {
		if found, err = readMemories(answer.Text, talk.Cast); err != nil {
			g.Log.Debug("an answer has no memories", zap.Error(err))
		}
	}
	if err := memory.Learn(ctx, g.Pool, talk, found); err != nil {
		return true, err
	}
	g.Metrics.found(len(found))
	return true, nil
}

// readMemories reads what a model found: {"memories":[{"who","kind","content",
// "relevance"}]}, with whatever else it said around it. What people said went into
// it, so what a guard would object to is left out: a memory is in every prompt.
func readMemories(text string, cast map[string]int64) ([]memory.New, error) {
	first, last := strings.IndexByte(text, '{'), strings.LastIndexByte(text, '}')
	if first < 0 || last < first {
		return nil, errors.New("it is no JSON object")
	}
	var doc struct {
		Memories []struct {
			Who       string  `json:"who"`
			Kind      string  `json:"kind"`
			Content   string  `json:"content"`
			Relevance float64 `json:"relevance"`
		} `json:"memories"`
	}
	if err := json.Unmarshal([]byte(text[first:last+1]), &doc); err != nil {
		return nil, fmt.Errorf("read memories: %w", err)
	}
	var found []memory.New
	for _, m := range doc.Memories {
		content := flat(names.Text(m.Content))
		bot, known := cast[strings.TrimSpace(m.Who)]
		valid := memory.Memory{Kind: m.Kind, Content: content, Relevance: m.Relevance}.Validate() == nil && len([]rune(content)) <= mostLearnedContent
		if !known || !valid || guard.Check(guard.Draft{Text: content, Scene: llm.Scene{ForbidAdvice: true}}) != nil {
			continue
		}
		if found = append(found, memory.New{Bot: bot, Kind: m.Kind, Content: content, Relevance: m.Relevance}); len(found) == mostFound {
			break
		}
	}
	return found, nil
}
