// Package roster holds the cast as data: bots with their personas and the chats they play in. It
// validates a cast, and computes the changes from the current cast to a wanted one. It knows no
// file format and no database.
//
// The struct tags describe every field, here only; package schema explains them.
package roster

import (
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/voice"
)

// Cast holds bots and the chats they play in.
type Cast struct {
	Bots  []Bot  `cast:"bots"  doc:"The bots and their personas." entries:"10000"`
	Chats []Chat `cast:"chats" doc:"The groups that they play in." entries:"100000"`
}

// Bot is a Telegram bot and the persona that it plays.
type Bot struct {
	Name        string     `cast:"name"         doc:"What the bot is called in files, commands and metrics. It stays when the username changes." pattern:"^[a-z0-9][a-z0-9_-]{0,63}$" want:"1 to 64 lower-case letters, digits, - and _, beginning with a letter or digit" required:"true"`
	Token       secret.Ref `cast:"token"        doc:"Where the bot's token is. The token itself never stands in a file." required:"true"`
	Username    string     `cast:"username"     doc:"The bot's @username. Left out, it stays what Telegram said it is." pattern:"^[A-Za-z][A-Za-z0-9_]{2,31}$" want:"3 to 32 letters, digits and _, beginning with a letter, without the @"`
	Enabled     bool       `cast:"enabled"      doc:"Whether the bot takes turns." default:"true"`
	TypingWPM   float32    `cast:"typing_wpm"   doc:"How fast the bot types, in words per minute." default:"40" min:"5" max:"400"`
	Tempo       float32    `cast:"tempo"        doc:"Divides the gaps between the bot's turns: at 2 it talks twice as often." default:"1" min:"0.1" max:"10"`
	ActiveHours []string   `cast:"active_hours" doc:"When the bot is awake, in the time zone of the chat. Without any it always is." entries:"24" want:"a list of up to 24 ranges such as 08:00-23:30; 22:00-02:00 crosses midnight"`
	HourlyMin   int        `cast:"hourly_min"   doc:"How many messages an hour the bot should send at least, chats and limits permitting." default:"0" min:"0" max:"1200"`
	HourlyMax   int        `cast:"hourly_max"   doc:"How many messages an hour the bot sends at most, over all its chats." default:"60" min:"1" max:"1200"`
	Persona     Persona    `cast:"persona"      doc:"What the bot is like."`
	Stances     []Stance   `cast:"stances"      doc:"What it thinks of a topic." entries:"200"`
	Holdings    []Holding  `cast:"holdings"     doc:"What it owns in the fiction." entries:"200"`
	Memories    []Memory   `cast:"memories"     doc:"What it remembers. Memories that the file does not list stay, unless the cast is pruned." entries:"1000"`

	// ID is the key of the bot's row; 0 in a cast that was read from a file.
	ID int64
	// AccountID is Telegram's id of the bot; 0 if not known.
	AccountID int64
	// Secret is the token itself; empty if it isn't known or can't be decrypted.
	Secret secret.String
	// Removed bots were pruned. Their rows stay, because messages refer to them.
	Removed bool
}

// Persona describes a bot's character.
type Persona struct {
	DisplayName string   `cast:"display_name" doc:"The name that the chat sees." min:"1" max:"64" required:"true"`
	Summary     string   `cast:"summary"      doc:"Who the persona is, in a few sentences; every prompt begins with it." min:"1" max:"4000" required:"true"`
	Tone        string   `cast:"tone"         doc:"How it speaks, in one or a few words, such as warm or dry." default:"neutral" min:"1" max:"64"`
	Hint        string   `cast:"hint"         doc:"A reminder for the writer, such as a habit of speech." max:"1000"`
	Phrases     []string `cast:"phrases"      doc:"Phrases that it likes to use." min:"1" max:"200" entries:"50"`
	Interests   []string `cast:"interests"    doc:"What draws it into a conversation." min:"1" max:"64" entries:"50"`
	Empathy     float32  `cast:"empathy"      doc:"How much the feelings of others move it." default:"0.5" min:"0" max:"1"`
	Energy      float32  `cast:"energy"       doc:"How lively it is." default:"0.5" min:"0" max:"1"`

	Voice voice.Voice `cast:"voice" doc:"How it writes, whatever it says. Fields that are left out follow from its tone, its energy and its name."`

	Stickers []Sticker `cast:"stickers" doc:"Stickers that it sends, now and then, in place of a reaction of the same mood, where reaction_mode lets reactions be messages." entries:"50"`
}

// Sticker is a sticker that a bot may send.
type Sticker struct {
	FileID string `cast:"file_id" json:"file_id" key:"true" doc:"Telegram's id of the file, as this bot got it: Telegram refuses those of other bots." pattern:"^[A-Za-z0-9_-]{20,200}$" required:"true" want:"20 to 200 letters, digits, - and _"`
	Mood   string `cast:"mood"    json:"mood"    doc:"What it expresses." enum:"love,kindness,approval,excitement,celebration,amusement,thought,surprise,sadness" required:"true"`
}

// Stance is a bot's opinion on a topic.
type Stance struct {
	Topic      string  `cast:"topic"      key:"true" doc:"The topic; a bot has one stance on each." min:"1" max:"64" required:"true"`
	Stance     string  `cast:"stance"     doc:"The opinion, as the persona would put it." min:"1" max:"1000" required:"true"`
	Confidence float32 `cast:"confidence" doc:"How sure the persona is of it." default:"0.5" min:"0" max:"1"`
}

// Holding is something that a bot owns in the fiction.
type Holding struct {
	Item     string  `cast:"item"     key:"true" doc:"What it is; each item stands once." min:"1" max:"64" required:"true"`
	Quantity float64 `cast:"quantity" doc:"How many; 0 where that is not counted." default:"0" min:"0" max:"1e12"`
	Note     string  `cast:"note"     doc:"Anything to know about it." max:"1000"`
}

// Memory is something that a bot remembers.
type Memory struct {
	Kind      string  `cast:"kind"      key:"true" doc:"What kind of memory it is." default:"fact" enum:"fact,event,relationship,preference"`
	Content   string  `cast:"content"   key:"true" doc:"The memory, in a sentence." min:"1" max:"1000" required:"true"`
	Relevance float32 `cast:"relevance" doc:"How readily it comes to mind." default:"0.5" min:"0" max:"1"`
}

// Chat is a group that bots play in.
type Chat struct {
	Name          string        `cast:"name"           doc:"What the chat is called in files, commands and metrics." pattern:"^[a-z0-9][a-z0-9_-]{0,63}$" want:"1 to 64 lower-case letters, digits, - and _, beginning with a letter or digit" required:"true"`
	TelegramID    int64         `cast:"telegram_id"    doc:"Telegram's id of the group. Only the emulator can do without, and makes a group then." default:"0" want:"a negative number; supergroups begin with -100, as in -1001234567890"`
	Kind          string        `cast:"kind"           doc:"The kind of group. It follows from telegram_id where that is given, else it is a supergroup." pattern:"^(group|supergroup)$" want:"group or supergroup, in agreement with telegram_id"`
	Title         string        `cast:"title"          doc:"The group's title. Left out, it stays what Telegram said it is." max:"255"`
	Purpose       string        `cast:"purpose"        doc:"What the group is for, and its rules, in a few sentences; every prompt has it. Say here that the members are bots." max:"1000"`
	Disclaimer    string        `cast:"disclaimer"     doc:"Added to what is said, such as \"Simulation, not advice.\"" max:"500"`
	ForbidAdvice  bool          `cast:"forbid_advice"  doc:"Whether advice and promises of gain are kept out." default:"false"`
	Enabled       bool          `cast:"enabled"        doc:"Whether turns are planned in the chat." default:"true"`
	TimeZone      string        `cast:"time_zone"      doc:"The time zone that active hours are counted in." default:"UTC" min:"1" max:"64" want:"a name of the IANA time zone database, such as Europe/Paris"`
	Language      string        `cast:"language"       doc:"The language that the cast writes." default:"en" pattern:"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$" want:"a BCP 47 tag, such as en or pt-BR"`
	Topics        []string      `cast:"topics"         doc:"What is talked about." min:"1" max:"64" entries:"100"`
	MeanGap       time.Duration `cast:"mean_gap"       doc:"The mean time between two turns." default:"30s" min:"1s" max:"168h"`
	RetentionDays int           `cast:"retention_days" doc:"After so many days messages are deleted, and what led to them." default:"30" min:"1" max:"3650"`
	Cast          []string      `cast:"cast"           doc:"The names of the bots that play in the chat; their order does not matter." entries:"1000" want:"a list of up to 1000 names that stand under bots, each once"`

	// ID is the key of the chat's row; 0 in a cast that was read from a file.
	ID int64
	// Removed chats were pruned. Their rows stay, because messages refer to them.
	Removed bool
}

// Present returns the cast without pruned bots and chats.
func (c Cast) Present() Cast {
	var present Cast
	for _, b := range c.Bots {
		if !b.Removed {
			present.Bots = append(present.Bots, b)
		}
	}
	for _, chat := range c.Chats {
		if !chat.Removed {
			present.Chats = append(present.Chats, chat)
		}
	}
	return present
}

// Kinds of chats.
const (
	Group      = "group"
	Supergroup = "supergroup"
)

// lastSupergroup is the largest id of a supergroup: Telegram numbers supergroups from
// -1000000000000 downwards, and basic groups above it.
const lastSupergroup = -1_000_000_000_000

// KindOf returns the kind of group that a Telegram id belongs to.
func KindOf(telegramID int64) string {
	if telegramID <= lastSupergroup {
		return Supergroup
	}
	return Group
}
