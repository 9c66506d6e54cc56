package decide

import (
	"time"

	"github.com/chorus-cast/chorus/services/internal/hours"
)

// maxRecent limits how many of the recent messages are looked at, the newest.
const maxRecent = 50

// Input is everything that a decision depends on.
type Input struct {
	Chat Chat
	Cast []Bot
	// Recent are the chat's last messages, the oldest first. Only the newest 50
	// are looked at.
	Recent   []Message
	Settings Settings
	// TurnNumber is the number that the turn will have in its chat.
	TurnNumber int64
	// UnwrittenTurns is how many messages and replies of the chat have no text yet.
	UnwrittenTurns int
	// UnwrittenFor is how long ago the oldest of them was planned.
	UnwrittenFor time.Duration
	// Held is how many of the chat's texts wait for a person.
	Held int
	// AsksNature tells that the prompting message asks whether this is a bot. Its answer
	// waits for no person.
	AsksNature bool
	// Coming are the bots of the messages and replies that are planned and that Recent
	// can't show yet, in the order of their turns. Those whose texts have waited for a
	// person for long are left out: nobody knows whether they come.
	Coming []int64
	// Lively tells whether the chat is in a lively spell: Decision.Lively of the
	// decision before.
	Lively bool
	// Answering are the replies that are planned and that Recent can't show yet.
	Answering []Answer
	// Messages and replies planned in the last minute, in the chat and in all.
	ChatLastMinute, GlobalLastMinute int
	// ChatToday is how many messages and replies were planned in the chat today, in
	// UTC.
	ChatToday int
	// Due is when the turn was due, Now is when it is decided.
	Due, Now time.Time
	// Paused is set while a director has paused the chat, or all.
	Paused *Pause
	// Seed and TurnNumber are the only source of randomness.
	Seed uint64
	// Prompted is the number of a person's message that asks for an answer now;
	// 0 for none. For that one, Answering has every reply that was ever planned.
	Prompted int64
	// Addressed are the bots that the prompting message is known to be for,
	// besides those that its text names or that it replies to.
	Addressed []int64
	// PersonAnswers is how many answers who wrote the prompting message got in the
	// last hour in all chats, ChatAnswers how many all people of the chat got in it.
	// They count only for a prompted decision.
	PersonAnswers, ChatAnswers int
	// Waiting are the messages that wait for an answer behind the prompting one, the
	// oldest first.
	Waiting []Waiting
}

// Waiting is a person's message that waits for an answer.
type Waiting struct {
	Message int64
	// Addressed are the bots that it is known to be for, as Input.Addressed.
	Addressed []int64
	// MayJoin tells that whoever wrote it may be answered together with who wrote the
	// prompting message.
	MayJoin bool
}

// Pause is what a director has paused.
type Pause struct {
	By string
	// Until is when it ends by itself; zero for when somebody ends it.
	Until time.Time
}

// Chat is the chat to decide for.
type Chat struct {
	ID      int64
	Enabled bool
	// Basic is true for basic groups, where a bot can name only messages that
	// it received itself.
	Basic bool
	// TimeZone is that of active hours and prime hours; nil is UTC.
	TimeZone *time.Location
	Topics   []string
	// MeanGap is the mean time between turns at scale and tempo 1.
	MeanGap time.Duration
	// AllowedReactions are the emoji that the chat allows; nil is all of them.
	AllowedReactions []string
	// Scene is what happens in the chat for a while, as a director has it; "" for nothing.
	Scene string
	// ChangedAt is when an operator or Telegram last changed the chat or one of its
	// bots. No rule looks at it.
	ChangedAt time.Time
}

// Bot is a member of the cast.
type Bot struct {
	ID int64
	// Name is the stable name in cast files; Username and DisplayName are what
	// people see, and call it.
	Name, Username, DisplayName string
	Enabled                     bool
	// Suspended is true while Telegram doesn't let the bot act in this chat.
	Suspended bool
	// Muted is set while a director has muted the bot.
	Muted *Pause
	// Tempo divides the gaps between the bot's turns; 0 is 1.
	Tempo float64
	// ActiveHours are when it may act, on the chat's clock; none is always.
	ActiveHours []hours.Range
	// LastHour is how many messages it wrote in the last hour, in all chats. At
	// HourlyMax it is silent; below HourlyMin it is chosen more often.
	HourlyMin, HourlyMax, LastHour int
	Interests                      []string
	Stances                        []Stance
	// Empathy and Energy are its emotion profile, 0 to 1.
	Empathy, Energy float64
	// Tone is how it speaks; Length is its voice.Voice's, "" for what follows from tone,
	// energy and DisplayName.
	Tone, Length string
	Stickers     []Sticker
	// SinceRefresh is how many messages it has written in this chat since its
	// persona was last recalled to it, at LastRefresh.
	SinceRefresh int
	LastRefresh  time.Time
}

// Sticker is one that a bot may send, by Telegram's id of its file.
type Sticker struct {
	FileID string `json:"file_id"`
	// Mood is the name of a reaction.Mood.
	Mood string `json:"mood"`
}

// Stance is what a bot thinks of a topic, as far as planning cares.
type Stance struct {
	Topic string
	// Confidence is 0 to 1.
	Confidence float64
	// CooldownUntil is until when the bot doesn't bring the topic up.
	CooldownUntil time.Time
}

// Answer is a bot's reply to a message.
type Answer struct{ Message, BotID int64 }

// Message is one that was said in the chat.
type Message struct {
	// Number is Chorus' number of it.
	Number int64
	// BotID is 0 for a person's message.
	BotID        int64
	Author, Text string
	// Words are WordsOf the text. Nil has each decision read them, which is most of what one
	// about many messages does.
	Words []uint64
	// ReplyTo is the number of the message that it answers; 0 for none.
	ReplyTo int64
	At      time.Time
	// Usable are the bots that can name it in a basic group; ignored elsewhere.
	Usable []int64
}
