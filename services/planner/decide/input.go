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
	// UnwrittenTurns is the number of the chat's messages and replies without a text.
	UnwrittenTurns int
	// UnwrittenFor is the age of the oldest of them, since its planning.
	UnwrittenFor time.Duration
	// Held is the number of the chat's texts that wait for approval.
	Held int
	// AsksNature tells that the prompting message asks whether this is a bot. Its answer
	// waits for no person.
	AsksNature bool
	// Coming are the bots of the messages and replies that are planned and that Recent
	// can't show yet, in the order of their turns. Those whose texts have waited for a
	// person for long are left out: nobody knows whether they come.
	Coming []int64
	// Lively reports whether the chat is in a lively spell: the Decision.Lively of the
	// decision before.
	Lively bool
	// Answering are the replies that are planned and that Recent can't show yet.
	Answering []Answer
	// Messages and replies planned in the last minute, in the chat and in all.
	ChatLastMinute, GlobalLastMinute int
	// ChatToday is the number of messages and replies planned in the chat today, in UTC.
	ChatToday int
	// Due is the time at which the turn was due, Now the time of the decision.
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
	// PersonAnswers counts the answers of the last hour, in all chats, to the person who wrote
	// the prompt. ChatAnswers counts those to all people of the chat. They only matter for a
	// prompted decision.
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
	// MayJoin allows one answer to this person and to the author of the prompt together.
	MayJoin bool
}

// Pause is a director's pause.
type Pause struct {
	By string
	// Until is its end; zero for a pause that somebody must end.
	Until time.Time
}

// Chat is the chat to decide for.
type Chat struct {
	ID      int64
	Enabled bool
	// Basic is true for basic groups, where a bot can name only messages that
	// it received itself.
	Basic bool
	// TimeZone is the time zone of active hours and prime hours; nil is UTC.
	TimeZone *time.Location
	Topics   []string
	// MeanGap is the mean time between turns at scale and tempo 1.
	MeanGap time.Duration
	// AllowedReactions are the emoji that the chat allows; nil is all of them.
	AllowedReactions []string
	// Scene is a director's description of what happens in the chat for a while; "" for none.
	Scene string
	// ChangedAt is the time of the last change of the chat or one of its bots by an operator
	// or Telegram. No rule uses it.
	ChangedAt time.Time
}

// Bot is a member of the cast.
type Bot struct {
	ID int64
	// Name is the stable name in cast files. People see Username and DisplayName, and address
	// the bot by them.
	Name, Username, DisplayName string
	Enabled                     bool
	// Suspended is true while Telegram doesn't let the bot act in this chat.
	Suspended bool
	// Muted is set while a director has muted the bot.
	Muted *Pause
	// Tempo divides the gaps between the bot's turns; 0 is 1.
	Tempo float64
	// ActiveHours are the hours in which the bot may act, on the chat's clock; none means
	// always.
	ActiveHours []hours.Range
	// LastHour is the number of the bot's messages in the last hour, in all chats. At
	// HourlyMax it is silent; below HourlyMin it is chosen more often.
	HourlyMin, HourlyMax, LastHour int
	Interests                      []string
	Stances                        []Stance
	// Empathy and Energy are its emotion profile, 0 to 1.
	Empathy, Energy float64
	// Tone is the bot's tone. Length is the length of its voice.Voice; with "" it follows from
	// tone, energy and DisplayName.
	Tone, Length string
	Stickers     []Sticker
	// SinceRefresh is the number of the bot's messages in this chat since its persona was last
	// repeated to it, at LastRefresh.
	SinceRefresh int
	LastRefresh  time.Time
}

// Sticker is one that a bot may send, by Telegram's id of its file.
type Sticker struct {
	FileID string `json:"file_id"`
	// Mood is the name of a reaction.Mood.
	Mood string `json:"mood"`
}

// Stance holds the part of a bot's stance on a topic that planning uses.
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
