package generator

import (
	"fmt"
	"time"

	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// Trial returns a request like those of turns, to test whether a provider accepts it.
func Trial(cfg Config) (llm.Request, error) {
	prompts, err := prompt.New(prompt.Config{Dir: cfg.Prompts, History: cfg.History, Tokens: cfg.PromptTokens})
	if err != nil {
		return llm.Request{}, fmt.Errorf("generator.prompts: %w", err)
	}
	asked := script.Line{Author: "Tom", Text: "Which tea do you drink in the evening?", At: time.Now()}
	s := script.Scene{
		Persona: script.Persona{Name: "Anna", Summary: "She reads in the evening.", Tone: "warm"},
		Topic:   "tea", Answering: &asked, History: []script.Line{asked}, Length: script.Short, Language: "en", Purpose: "A talk about tea.", Now: asked.At,
	}
	system, err := prompts.System(s)
	if err != nil {
		return llm.Request{}, err
	}
	user, err := prompts.User(s, system)
	if err != nil {
		return llm.Request{}, err
	}
	return cfg.request(system, user), nil
}

// request returns a request for a text.
func (c Config) request(messages ...llm.Message) llm.Request {
	return llm.Request{Messages: messages, MaxTokens: c.MaxTokens, Temperature: c.Temperature}
}
