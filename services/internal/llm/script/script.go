// Package script holds the input of a text. Prompts are rendered from it, the guard checks texts
// against it, and the offline writer composes from it.
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

// With adds a scene to the context. The offline writer reads it, wherever it is in a chain of
// providers; no other provider does.
func With(ctx context.Context, s Scene) context.Context { return context.WithValue(ctx, key{}, s) }

// From returns the scene of a context; an empty one if it has none.
func From(ctx context.Context) Scene {
	s, _ := ctx.Value(key{}).(Scene)
	return s
}

// Length is the length class of a text.
type Length int

// Length classes, as the offline provider understands them. The scene's disclaimer is not counted.
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

// Passes reports whether a text is only Pass, perhaps with punctuation around it. Pass is in
// capitals: "pass" may be a real message.
func Passes(text string) bool { return strings.Trim(text, " \n.\"'*`[]") == Pass }

// Scene is the input of a text.
type Scene struct {
	Persona    Persona
	Stances    []Stance
	Holdings   []string
	Topic      string
	Topics     []string // the topics of the chat
	Answering  *Line    // the message to reply to; nil opens a new thread
	Also       *Line    // a message of another person that is answered, too; nil for none
	History    []Line   // oldest first
	Length     Length
	Language   string // BCP 47, "en"
	Purpose    string // the chat's purpose and rules in a sentence
	Disclaimer string // added to the text, "Simulation, not advice."; "" is none
	// Happening describes what happens in the chat now, as the director's plan says; "" is nothing.
	Happening string
	// Note is a wish for this text from the person who approves texts; "" is none.
	Note string
	// ForbidAdvice forbids advice and promises of gain.
	ForbidAdvice bool
	Memories     []string
	News         string    // a headline for the text to mention; "" is none
	Refresh      bool      // remind the model of the persona
	Bubbles      bool      // each line of the text may become a message
	MayPass      bool      // Pass is allowed
	Now          time.Time // in the chat's zone; zero leaves it out
	Seed         uint64    // same scene and seed give the same text
}

// lengths holds, for each class, the median number of words, the spread of their logarithm and the
// maximum. Many lines are short, and a few are long.
var lengths = map[Length]struct{ median, spread, max float64 }{ //nolint:gochecknoglobals // a constant table
	Short:  {5, 1.4, 28},
	Medium: {13, 1.3, 80},
	Long:   {95, 0.5, 150},
}

// Words returns the wanted number of words. The seed draws it from the heavy-tailed distribution of
// the length class and the persona's voice.
func (s Scene) Words() int {
	of, known := lengths[s.Length]
	if !known {
		of = lengths[Medium]
	}
	rng := rand.New(rand.NewPCG(s.Seed, wordsStream))
	n := of.median * s.Persona.Voice.Words() * math.Exp(of.spread*rng.NormFloat64())
	return int(math.Round(min(max(n, 1), of.max)))
}

// wordsStream separates these draws from other draws with the same seed.
const wordsStream = 0x776f726473

// Persona is the speaker.
type Persona struct {
	ID        int64 // Chorus' id of its bot
	Name      string
	Summary   string
	Tone      string   // "warm", "dry", …
	Phrases   []string // signature phrases
	Interests []string
	Hint      string  // a habit of speech
	Empathy   float64 // how much others' feelings move it, 0 to 1
	Energy    float64 // how lively it is, 0 to 1
	// Voice is its complete style of writing: see voice.Of.
	Voice voice.Voice
}

// Stance is a persona's opinion on a topic.
type Stance struct {
	Topic      string
	Text       string
	Confidence float64 // 0 to 1
}

// Line is one message of the chat. Its author is identified by ids: a person may have the name of a
// persona, or of another person.
type Line struct {
	Author  string
	Text    string
	FromBot bool
	// Bot is Chorus' id of the bot that wrote it, Person is Telegram's id of the person.
	Bot, Person int64
	At          time.Time
	// Mark shows the author in prompts, whatever its name: "you", "bot", "person", the latter two
	// with a number if there are several of the same name. "" means "bot" or "person" by FromBot.
	Mark string
}
