package decide

import (
	"time"

	"github.com/chorus-cast/chorus/services/internal/hours"
)

// Settings are the values in effect in one chat. The table of settings has their ranges; a
// value outside of its range gives odd turns, never a wrong one.
type Settings struct {
	// Active is false while nothing is planned, in this chat or in all.
	Active bool

	// Pace, where it isn't 0, is the mean time between two messages, in place of the
	// chat's mean gap, the tempo, the prime hours and the hourly limits of the bots.
	Pace time.Duration
	// ScaleFactor and tempo divide the mean gap, PrimeFactor multiplies it in PrimeHours. A
	// gap is never below MinGap or above MaxGapFactor mean gaps.
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
	// MaxWaiting is the number of people who may wait for an answer; beyond it the first of
	// them gets none. JointProbability is the probability of one answer to two of them.
	MaxWaiting       int
	JointProbability float64
	// TurnTTL is the time after which an unfinished turn is dropped.
	TurnTTL time.Duration

	// Who: factors on the weight of a bot below its hourly minimum, and of a bot that the last
	// message addresses.
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
	// FloorPull raises the probability of an addition, a change back, a second answer or an
	// answer for each of the last lines that lacks one; 0 turns this off.
	FloorPull float64
	// TempoPull is the strength by which bots below their tempo's share of the last lines are
	// favoured, and bots above it held back; 0 turns this off.
	TempoPull float64
	// SecondAnswerProbability is the probability that a bot's line gets a second answer.
	// MinNeed is the lowest score of a line that is answered.
	SecondAnswerProbability, MinNeed float64

	// What: each is the probability of a rule when it is evaluated.
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

	// The persona is repeated to the model after this many messages or this time, whichever
	// comes first; 0 is never.
	RefreshMessages int
	RefreshAfter    time.Duration

	// Order is one of the Order constants: who speaks unasked.
	Order string

	// ReactionMode is one of the Reactions constants.
	ReactionMode string
}

// The orders of speakers.
const (
	// OrderPlanner lets the rules and their weights decide.
	OrderPlanner = "planner"
	// OrderRoundRobin lets the bots speak in turn, in the order of the cast.
	OrderRoundRobin = "round_robin"
	// OrderManual lets nobody.
	OrderManual = "manual"
)

// The ways to make reactions.
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
