package generator

import (
	"errors"
	"fmt"
	"time"

	"github.com/chorus-cast/chorus/services/internal/news"
)

// Config is how the generator behaves.
type Config struct {
	MaxInFlight  int           `config:"max_in_flight" doc:"turns that one process works on at a time; what waits for a provider counts"`
	History      int           `config:"history" doc:"messages of the chat that the prompt shows at most"`
	PromptTokens int           `config:"prompt_tokens" doc:"longest prompt, in tokens as far as they can be told; older messages are left out to keep to it"`
	Prompts      string        `config:"prompts" doc:"folder with system.tmpl and user.tmpl to be used instead of the built-in prompt"`
	MaxTokens    int           `config:"max_tokens" doc:"longest answer, in the model's tokens; a model that thinks first uses up most of them for that"`
	Temperature  float64       `config:"temperature" doc:"how freely the model chooses its words"`
	MaxTyping    time.Duration `config:"max_typing" doc:"longest time that a bot is seen typing, however long its text"`
	Similarity   float64       `config:"similarity" doc:"part of its trigrams from which a text counts as a repetition; 1 lets all through but the same"`
	Likeness     float64       `config:"likeness" doc:"how near a text's meaning is to that of an earlier one, 0 to 1, for it to count as a repetition; needs llm.embeddings, 1 turns it off"`
	JudgeStances bool          `config:"judge_stances" doc:"ask the model whether a text contradicts a stance, where that can't be told without"`
	LearnEvery   time.Duration `config:"learn_every" doc:"how often a chat's talk is searched for what its bots should remember; 0s is never"`
	News         news.Config   `config:"news"`
}

// DefaultConfig suits a hosted model.
func DefaultConfig() Config {
	return Config{
		MaxInFlight: 256,
		History:     15, PromptTokens: 3000, MaxTokens: 300, Temperature: 0.9, MaxTyping: 6 * time.Second,
		Similarity: 0.7, Likeness: 0.93, JudgeStances: true, LearnEvery: 30 * time.Minute, News: news.DefaultConfig(),
	}
}

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.MaxInFlight >= 1 && c.MaxInFlight <= 10_000, "max_in_flight: %d, want 1 to 10000", c.MaxInFlight)
	check(c.History >= 0 && c.History <= 100, "history: %d, want 0 to 100", c.History)
	check(c.PromptTokens >= 500 && c.PromptTokens <= 100_000, "prompt_tokens: %d, want 500 to 100000", c.PromptTokens)
	check(c.MaxTokens >= 16 && c.MaxTokens <= 65536, "max_tokens: %d, want 16 to 65536", c.MaxTokens)
	check(c.Temperature >= 0 && c.Temperature <= 2, "temperature: %v, want 0 to 2", c.Temperature)
	check(c.MaxTyping >= 0 && c.MaxTyping <= time.Minute, "max_typing: %v, want 0s to 1m", c.MaxTyping)
	check(c.Similarity >= 0.3 && c.Similarity <= 1, "similarity: %v, want 0.3 to 1", c.Similarity)
	check(c.Likeness >= 0.5 && c.Likeness <= 1, "likeness: %v, want 0.5 to 1", c.Likeness)
	check(c.LearnEvery == 0 || c.LearnEvery >= time.Minute && c.LearnEvery <= 24*time.Hour, "learn_every: %v, want 0s or 1m to 24h", c.LearnEvery)
	return errors.Join(append(errs, c.News.Validate())...)
}
