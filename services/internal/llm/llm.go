// Package llm is the port through which Chorus gets its text: what a provider
// is asked, what it answers and how it fails. Providers are in the packages
// below it; package llmtest is the suite that each of them passes.
package llm

import (
	"context"
	"time"
)

// Provider writes one text.
//
// Generate makes at most one outside call and never retries: whoever owns the
// chain of providers decides on retries and fail-over. It is safe for
// concurrent use and does not change the request or keep it.
//
// A failure is an *Error, matched by errors.Is with ErrPermanent, ErrThrottled
// or ErrTransient, except that the end of ctx is returned as ctx's own error
// (errors.Is with context.Canceled or context.DeadlineExceeded). A provider's
// own time-out is an ErrTransient and no context error. No error carries a key.
type Provider interface {
	Generate(ctx context.Context, r Request) (Response, error)
}

// Request is one text to write.
type Request struct {
	// Scene holds the facts, for providers that compose the text themselves.
	Scene Scene
	// Messages is the rendered prompt, for model providers.
	Messages []Message
	// MaxTokens bounds the answer; 0 leaves the provider's default.
	MaxTokens int
	// Temperature is the sampling temperature; 0 leaves the provider's default.
	Temperature float64
	// Embed are texts whose meanings are wanted instead of a new text, from a
	// provider of embeddings.
	Embed []string
}

// Roles of a Message.
const (
	RoleSystem    = "system"
	RoleUser      = "user"
	RoleAssistant = "assistant"
)

// Message is one part of a rendered prompt.
type Message struct {
	Role    string // RoleSystem, RoleUser or RoleAssistant
	Content string
}

// Length is the length class of a text.
type Length int

// Length classes, with what the offline provider takes them to mean. The
// scene's disclaimer comes on top.
const (
	Short  Length = iota // one or two sentences, at most 160 characters
	Medium               // two or three sentences, at most 400 characters
	Long                 // three to five sentences, at most 900 characters
)

// String returns the class in lower case.
func (l Length) String() string {
	switch l {
	case Short:
		return "short"
	case Medium:
		return "medium"
	case Long:
		return "long"
	}
	return "unknown"
}

// Scene is what a text is written from.
type Scene struct {
	Persona    Persona
	Stances    []Stance
	Holdings   []string
	Topic      string
	Answering  *Line  // the message being replied to; nil opens a new thread
	History    []Line // oldest first
	Length     Length
	Language   string // BCP 47, "en"
	Purpose    string // the chat's purpose and rules in a sentence
	Disclaimer string // added to the text, "Simulation, not advice."; "" is none
	// ForbidAdvice keeps out advice and promises of gain.
	ForbidAdvice bool
	Memories     []string
	News         string    // a headline that the text takes up; "" is none
	Refresh      bool      // remind the model of who the persona is
	Now          time.Time // on the chat's clock; zero is not told
	Seed         uint64    // same scene and seed give the same text
}

// Persona is who speaks.
type Persona struct {
	ID        int64 // Chorus' id of its bot
	Name      string
	Summary   string
	Tone      string   // "warm", "dry", …
	Phrases   []string // signature phrases
	Interests []string
	Hint      string  // a habit of speech
	Empathy   float64 // how much the feelings of others move it, 0 to 1
	Energy    float64 // how lively it is, 0 to 1
}

// Stance is what a persona thinks of a topic.
type Stance struct {
	Topic      string
	Text       string
	Confidence float64 // 0 to 1
}

// Line is one message of the chat. Who wrote it is told by ids: a person may bear the
// name of a persona, or of somebody else.
type Line struct {
	Author  string
	Text    string
	FromBot bool
	// Bot is Chorus' id of the bot that wrote it, Person Telegram's of the person.
	Bot, Person int64
	At          time.Time
	// Mark is who wrote it as prompts show it, whatever they are called: "you", "bot",
	// "person", or with a number where several need to be told apart; "" for one of
	// the last three by FromBot alone.
	Mark string
}

// Response is a text and what it took.
type Response struct {
	Text string
	// Truncated says that the text was cut off at the request's MaxTokens.
	Truncated bool
	// Embeddings are the meanings of the texts of Embed, as vectors of one length.
	Embeddings [][]float32
	Provider   string
	Model      string
	Usage      Usage
	Limits     Limits // what the provider said about its rate limits
	Offline    bool   // composed without a model; the user is shown this
}

// Usage is the cost of one call. Token counts are 0 where the provider gives none.
type Usage struct {
	PromptTokens     int
	CompletionTokens int
	Latency          time.Duration
}
