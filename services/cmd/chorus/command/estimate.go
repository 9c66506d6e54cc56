package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/planner/decide"
	"github.com/chorus-cast/chorus/services/planner/simulate"
)

// These are assumptions about texts that don't exist yet.
const (
	// charsOfLine is the length of a chat's message.
	charsOfLine = 120
	// charsPerToken is the approximate length of a token.
	charsPerToken = 4
	// again is the number of calls for a text: some drafts are rewritten.
	again = 1.1
	// tokensOfMemories and tokensFound are the sizes of the prompt and the answer of a
	// search for memories.
	tokensOfMemories, tokensFound = 1800, 100
)

// tokensOf returns the approximate tokens of an answer of a length.
func tokensOf(l decide.Length) int {
	switch l {
	case decide.LengthLong:
		return 130
	case decide.LengthMedium:
		return 70
	case decide.LengthShort, decide.LengthNone:
	}
	return 30
}

// estimate is the expected usage of a cast in a day.
type estimate struct {
	texts, prompts, answers float64 // the number of texts, and tokens
}

// estimated scales a simulation to one day. It renders the prompts like the generator, with
// a full history.
func estimated(cfg *configuration, cast roster.Cast, played simulate.Result) (estimate, error) {
	renderer, err := prompt.New(prompt.Config{Dir: cfg.generator.Prompts, History: cfg.generator.History, Tokens: cfg.generator.PromptTokens})
	if err != nil {
		return estimate{}, fmt.Errorf("generator.prompts: %w", err)
	}
	tokens, err := promptTokens(renderer, cast, cfg.generator.History)
	if err != nil {
		return estimate{}, err
	}
	var e estimate
	for _, t := range played.Turns {
		if t.Turn.Kind == decide.KindReaction {
			continue
		}
		e.texts++
		e.prompts += again * float64(tokens[t.Bot])
		e.answers += again * float64(tokensOf(t.Turn.Length))
	}
	if every := cfg.generator.LearnEvery; every > 0 {
		searches := float64(len(cast.Chats)) * float64(played.Duration) / float64(every)
		searches = min(searches, e.texts/fewLines)
		e.prompts, e.answers = e.prompts+searches*tokensOfMemories, e.answers+searches*tokensFound
	}
	days := float64(played.Duration) / float64(24*time.Hour)
	return estimate{texts: e.texts / days, prompts: e.prompts / days, answers: e.answers / days}, nil
}

// fewLines is the minimum of messages between two searches for memories.
const fewLines = 12

// promptTokens returns the tokens of each bot's prompt.
func promptTokens(renderer *prompt.Renderer, cast roster.Cast, history int) (map[string]int, error) {
	line := script.Line{Author: "Somebody", Text: strings.Repeat("word ", charsOfLine/len("word "))}
	lines := make([]script.Line, history)
	for i := range lines {
		lines[i] = line
	}
	tokens := make(map[string]int, len(cast.Bots))
	for _, b := range cast.Bots {
		scene := script.Scene{Persona: script.Persona{
			Name: b.Persona.DisplayName, Summary: b.Persona.Summary, Tone: b.Persona.Tone, Phrases: b.Persona.Phrases,
			Interests: b.Persona.Interests, Hint: b.Persona.Hint,
		}, Language: "en", Topic: "a topic", History: lines, Answering: &line, Now: time.Unix(0, 0)}
		for _, s := range b.Stances {
			scene.Stances = append(scene.Stances, script.Stance{Topic: s.Topic, Text: s.Stance, Confidence: float64(s.Confidence)})
		}
		system, err := renderer.System(scene)
		if err != nil {
			return nil, err
		}
		user, err := renderer.User(scene, system)
		if err != nil {
			return nil, err
		}
		tokens[b.Name] = (len(system.Content) + len(user.Content)) / charsPerToken
	}
	return tokens, nil
}

// write prints the estimate.
func (e estimate) write(w io.Writer, cfg *configuration, set decide.Settings, chats int) error {
	table := newTable(w)
	table.linef("\nA DAY TAKES, ABOUT")
	table.linef("texts\t%.0f", e.texts)
	table.linef("tokens\t%.0f of prompts, %.0f of answers", e.prompts, e.answers)
	one := cfg.llm.One
	if price := one.PromptPrice + one.CompletionPrice; price > 0 {
		table.linef("cost\t%.2f by llm.prompt_price %v and llm.completion_price %v",
			(e.prompts*one.PromptPrice+e.answers*one.CompletionPrice)/1e6, one.PromptPrice, one.CompletionPrice)
	} else {
		table.linef("cost\tnobody knows: llm.prompt_price and llm.completion_price are not set")
	}
	if set.ChatAnswers > 0 {
		table.linef("people\tat most %d answers to them more (max_answers_per_hour %d)", set.ChatAnswers*24*chats, set.ChatAnswers)
	} else {
		table.linef("people\tas many answers to them more as they ask for (max_answers_per_hour 0)")
	}
	return table.end()
}
