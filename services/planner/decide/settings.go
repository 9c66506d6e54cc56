package decide

import (
	"time"

	"github.com/chorus-cast/chorus/services/internal/hours"
)

// Settings are the values that hold for one chat. Their ranges are those of the
// table of settings; a value outside gives odd turns, never a wrong one.
type Settings struct {
	// Active is false while nothing is to be planned, here or at all.
	Active bool

	// Pace, where it isn't 0, is the mean time between two messages, in place of the
	// chat's mean gap, the tempo, the prime hours and the hourly limits of the bots.
	Pace time.Duration
	// ScaleFactor and tempo divide the mean gap, PrimeFactor multiplies it
	// in PrimeHours; a gap is never below MinGap, nor above MaxGapFactor means.
	ScaleFactor  float64
	PrimeBoost   bool
	PrimeHours   []hours.Range
	PrimeFactor  float64
	MinGap       time.Duration
	MaxGapFactor float64

	// LivelyGap multiplies the mean gap in lively spells.
	LivelyGap float64

	// Limits: messages and replies a minute (a global limit of 0 is none), and
	// turns of a chat whose texts may be unwritten at once.
	ChatPerMinute, GlobalPerMinute, MaxUnwrittenTurns int
	// Limits of what people can cause, each 0 for none: answers that one person gets
	// in an hour, in all chats, and that all people of the chat get. ChatPerDay is
	// messages and replies a day, for whatever reason.
	PersonAnswers, ChatAnswers, ChatPerDay int
	// Holds tells that texts wait for a person, MaxHeld how many may, those that are to be
	// written among them.
	Holds   bool
	MaxHeld int
	// MaxWaiting is how many people may wait for an answer until the first of them gets
	// none, JointProbability that of one answer to two of them.
	MaxWaiting       int
	JointProbability float64
	// TurnTTL is how long a turn may take until it is dropped.
	TurnTTL time.Duration

	// Who: factors on the weight of a bot below its hourly minimum, and of one
	// that the last message is for.
	LagBoost, AddressedBoost float64

	// The floor: how likely a line is by the speaker of the one before, and how many it
	// says in a row at most; how likely a change of speaker leads back to who spoke
	// before, and how many lines in a row are by the same two at most; and which part of
	// the last lines may be one bot's until it holds back. They don't hold for answers to
	// people.
	AdditionProbability float64
	MaxRun              int
	ExchangeProbability float64
	MaxRally            int
	FairShare           float64
	// FloorPull is what each of the last lines that lacks something adds to the
	// probability of it: of an addition, of a change back, of a second answer and of an
	// answer at all; 0 leaves them to chance.
	FloorPull float64
	// TempoPull is how strongly who had less of the last lines than its tempo's part is
	// drawn to speak, and who had more held back; 0 is not at all.
	TempoPull float64
	// SecondAnswerProbability is that of a bot's line to get a second answer,
	// MinNeed the least score of a reply that isn't better left out.
	SecondAnswerProbability, MinNeed float64

	// What: each is the probability that the rule fires when it is asked.
	ReactionProbability   float64
	ReplyProbability      float64 // after a person's message
	ReplyToBotProbability float64 // after a bot's message
	MentionProbability    float64 // of replies
	MentionAtStart        float64 // of mentions
	NewsProbability       float64 // of new messages
	BubblesProbability    float64 // of texts

	// To what: how many messages back, and how old.
	ReplyWindow, ReactionWindow, TopicWindow int
	ReplyMaxAge                              time.Duration
	// CooldownFilter keeps a bot off topics that its stance rests on.
	CooldownFilter bool

	// Weights of the length classes; their sum need not be 1.
	LengthShort, LengthMedium, LengthLong float64

	// The persona is recalled after this many messages or this time, whichever
	// is first; 0 is never.
	RefreshMessages int
	RefreshAfter    time.Duration

	// Order is one of the Order constants: who speaks unasked.
	Order string

	// ReactionMode is one of the Reactions constants.
	ReactionMode string
}

// Who speaks unasked.
const (
	// OrderPlanner lets the rules and their weights decide.
	OrderPlanner = "planner"
	// OrderRoundRobin gives each bot that may act its turn, in the order of the cast.
	OrderRoundRobin = "round_robin"
	// OrderManual lets nobody.
	OrderManual = "manual"
)

// How reactions are made.
const (
	// ReactionsNative makes reactions, or nothing where Telegram refuses them.
	ReactionsNative = "native"
	// ReactionsNativeThenMessage sends the emoji as a reply where it refuses.
	ReactionsNativeThenMessage = "native_then_message"
	// ReactionsMessage always sends the emoji as a reply.
	ReactionsMessage = "message"
	// ReactionsOff plans none.
	ReactionsOff = "off"
)
