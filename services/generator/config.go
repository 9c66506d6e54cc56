package generator

import (
	"errors"
	"fmt"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
	"github.com/chorus-cast/chorus/services/internal/news"
)

// Config configures the generator.
type Config struct {
	MaxInFlight  int           `config:"max_in_flight" min:"1" max:"10000" doc:"turns that one process works on at a time; what waits for a provider counts"`
	History      int           `config:"history" min:"0" max:"100" doc:"messages of the chat that the prompt shows at most"`
	PromptTokens int           `config:"prompt_tokens" min:"500" max:"100000" doc:"longest prompt, in tokens as far as they can be told; older messages are left out to keep to it"`
	Prompts      string        `config:"prompts" doc:"folder with system.tmpl and user.tmpl to be used instead of the built-in prompt"`
	MaxTokens    int           `config:"max_tokens" min:"16" max:"65536" doc:"longest answer, in the model's tokens; a model that thinks first uses up most of them for that"`
	Temperature  float64       `config:"temperature" min:"0" max:"2" doc:"how freely the model chooses its words"`
	MaxTyping    time.Duration `config:"max_typing" min:"0s" max:"1m" doc:"longest time that a bot is seen typing, however long its text"`
	Similarity   float64       `config:"similarity" min:"0.3" max:"1" doc:"part of its trigrams from which a text counts as a repetition; 1 lets all through but the same"`
	Likeness     float64       `config:"likeness" min:"0.5" max:"1" doc:"how near a text's meaning is to that of an earlier one, 0 to 1, for it to count as a repetition; needs llm.embeddings, 1 turns it off"`
	JudgeStances bool          `config:"judge_stances" doc:"ask the model whether a text contradicts a stance, where that can't be told without"`
	LearnEvery   time.Duration `config:"learn_every" doc:"how often a chat's talk is searched for what its bots should remember; 0s is never, else 1m to 24h"`
	News         news.Config   `config:"news"`
}

// DefaultConfig returns the defaults, which suit a hosted model.
func DefaultConfig() Config {
	return Config{
		MaxInFlight: 256,
		History:     15, PromptTokens: 3000, MaxTokens: 300, Temperature: 0.9, MaxTyping: 6 * time.Second,
		Similarity: 0.7, Likeness: 0.93, JudgeStances: true, LearnEvery: 30 * time.Minute, News: news.DefaultConfig(),
	}
}

// Validate joins all errors.
func (c Config) Validate() error {
	var learn error
	if c.LearnEvery != 0 && (c.LearnEvery < time.Minute || c.LearnEvery > 24*time.Hour) {
		learn = fmt.Errorf("learn_every: %v, want 0s or 1m to 24h", c.LearnEvery)
	}
	return errors.Join(config.Check(c), learn, c.News.Validate())
}
