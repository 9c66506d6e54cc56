// Package script holds what a text is written from: prompts are rendered from it, the
// guard checks texts against it, and the offline writer composes from it.
package script

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/voice"
)

type key struct{}

// With gives a scene to the offline writer, wherever in a chain of providers it is
// asked: no other provider reads it.
func With(ctx context.Context, s Scene) context.Context { return context.WithValue(ctx, key{}, s) }

// From returns the scene of a context; an empty one if it has none.
func From(ctx context.Context) Scene {
	s, _ := ctx.Value(key{}).(Scene)
	return s
}

// Length is the length class of a text.
type Length int

// Length classes, with what the offline provider takes them to mean. The
// scene's disclaimer comes on top.
const (
	Short  Length = iota // a word to three sentences, at most 160 characters
	Medium               // a few sentences, at most 400 characters
	Long                 // several sentences, at most 900 characters
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

// Pass is the text of a writer who has nothing to add.
const Pass = "PASS"

// Passes tells whether a text is Pass and no more, whatever marks stand round it. It is in
// capitals: "pass" may be meant.
func Passes(text string) bool { return strings.Trim(text, " \n.\"'*`[]") == Pass }

// Scene is what a text is written from.
type Scene struct {
	Persona    Persona
	Stances    []Stance
	Holdings   []string
	Topic      string
	Topics     []string // what the chat speaks of
	Answering  *Line    // the message being replied to; nil opens a new thread
	Also       *Line    // somebody else's message that is answered with it; nil for none
	History    []Line   // oldest first
	Length     Length
	Language   string // BCP 47, "en"
	Purpose    string // the chat's purpose and rules in a sentence
	Disclaimer string // added to the text, "Simulation, not advice."; "" is none
	// Happening is what happens in the chat just now, as a director has it; "" is nothing.
	Happening string
	// Note is what whoever approves texts wants of this one; "" is nothing.
	Note string
	// ForbidAdvice keeps out advice and promises of gain.
	ForbidAdvice bool
	Memories     []string
	News         string    // a headline that the text takes up; "" is none
	Refresh      bool      // remind the model of who the persona is
	Bubbles      bool      // each line of the text may become a message
	MayPass      bool      // Pass is a text
	Now          time.Time // on the chat's clock; zero is not told
	Seed         uint64    // same scene and seed give the same text
}

// lengths are the median words of a length class, the spread of their logarithm and their
// maximum: many lines are short, and a few are long.
var lengths = map[Length]struct{ median, spread, max float64 }{ //nolint:gochecknoglobals // a constant table
	Short:  {5, 1.4, 28},
	Medium: {13, 1.3, 80},
	Long:   {95, 0.5, 150},
}

// Words is about how many words the text is to have, drawn by the seed from the
// heavy-tailed distribution of its class and of the persona's voice.
func (s Scene) Words() int {
	of, known := lengths[s.Length]
	if !known {
		of = lengths[Medium]
	}
	rng := rand.New(rand.NewPCG(s.Seed, wordsStream))
	n := of.median * s.Persona.Voice.Words() * math.Exp(of.spread*rng.NormFloat64())
	return int(math.Round(min(max(n, 1), of.max)))
}

// wordsStream keeps apart what is drawn from the seed here and elsewhere.
const wordsStream = 0x776f726473

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
	// Voice is how it writes, whole: see voice.Of.
	Voice voice.Voice
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
