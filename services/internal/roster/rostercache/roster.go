// Package rostercache reads the roster through the cache, part by part: a turn's reads of a bot or
// a chat cost no query while nobody changes them.
//
// Not cached, and read by SQL each time:
//   - The journal, the clocks, recent plans and texts, and how often a persona was shown: turns
//     depend on them, and are counted by them, in the transaction that writes the next turn.
//   - The last messages of a chat. Every message changes them and they are rarely read twice in
//     between, so a cache would not be hit. The planner must also read them in the same snapshot
//     as the open turns: otherwise a turn that was just delivered would be in neither, and be
//     answered twice.
//   - The reactions that a chat allows: decisions need them with the clock, in the same
//     statement, and the sender keeps Telegram's list until Telegram refuses a reaction.
//   - Settings. settingspg keeps all of them in every process already.
package rostercache

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/memory"
	"github.com/chorus-cast/chorus/services/internal/voice"
)

type (
	// BotID is a bot's id.
	BotID int64
	// ChatID is a chat's id.
	ChatID int64
)

// Bot holds the fields of a bot's row that are not secret.
type Bot struct {
	Name      string
	Username  string
	TypingWPM float64
	Removed   bool
	// Enabled is false for a bot that its operator has switched off.
	Enabled   bool
	UpdatedAt time.Time
	Tempo     float64
	// ActiveHours is in the format of hours.ParseAll.
	ActiveHours          []string
	HourlyMin, HourlyMax int
	// Stopped is the reason that Telegram refuses the bot; empty if it doesn't.
	Stopped string
}

// Acts reports whether the bot may do anything at all.
func (b *Bot) Acts() bool { return !b.Removed && b.Stopped == "" }

// Persona describes a bot's character.
type Persona struct {
	DisplayName        string
	Summary, Tone      string
	Hint               string
	Phrases, Interests []string
	Empathy, Energy    float64
	// Voice holds the fields that the cast file sets.
	Voice    voice.Voice
	Stickers []Sticker
}

// Sticker is a sticker that a bot may send, by Telegram's id of its file.
type Sticker struct {
	FileID string `json:"file_id"`
	// Mood is the name of a reaction.Mood.
	Mood string `json:"mood"`
}

// Stance is a bot's opinion on a topic.
type Stance struct {
	Topic, Text string
	Confidence  float64
	// CooldownUntil is the time until which the bot must not bring the topic up; in the past if it
	// may.
	CooldownUntil time.Time
}

// Chat holds the fields of a chat that planner, generator and sender use.
type Chat struct {
	TelegramID   int64
	Supergroup   bool
	Purpose      string
	Disclaimer   string
	ForbidAdvice bool
	Language     string
	TimeZone     string
	Topics       []string
	Removed      bool
	// Scene describes what happens there for a while, as the director's plan says.
	Scene Scene
	// Pauses holds the pauses of this chat and of all chats.
	Pauses []Pause
}

// Scene describes what happens in a chat from Begins to Ends.
type Scene struct {
	Text         string
	Begins, Ends time.Time
}

// At returns the scene at a time; "" if there is none.
func (s *Scene) At(now time.Time) string {
	if now.Before(s.Begins) || !now.Before(s.Ends) {
		return ""
	}
	return s.Text
}

// Pause pauses a bot, or all bots if Bot is 0. It ends at Until, or when somebody ends it.
type Pause struct {
	Bot   BotID      `json:"bot"`
	By    string     `json:"by"`
	Until *time.Time `json:"until"`
}

// Paused returns who paused a bot in the chat, and until when; "" if it isn't paused.
func (c *Chat) Paused(bot BotID, now time.Time) string {
	for _, p := range c.Pauses {
		switch {
		case p.Bot != 0 && p.Bot != bot:
		case p.Until == nil:
			return "paused by " + p.By
		case now.Before(*p.Until):
			return "paused by " + p.By + " until " + p.Until.UTC().Format("2006-01-02 15:04:05 UTC")
		}
	}
	return ""
}

// Cast maps the bots that play in a chat to the reason of their suspension, "" for none.
type Cast map[BotID]string

// Plays reports whether a bot plays in the chat and is not suspended.
func (c Cast) Plays(bot BotID) bool {
	why, member := c[bot]
	return member && why == ""
}

// ttl limits the age of a part if the announcement of its change was lost. The cache drops
// everything when it can't hear announcements, so ttl is a safeguard against errors only. It is
// long because in quiet chats reading these parts again costs more than the turn itself.
const ttl = cache.LongestTTL

// memoriesTTL is shorter, because nothing announces that a memory fades or was used. Both change
// little within it.
const memoriesTTL = 10 * time.Minute

// Roster reads the roster. It is safe for concurrent use. Its results are shared, and must not be
// changed.
type Roster struct {
	cache    *cache.Cache // nil for none
	bots     reader[BotID, Bot]
	tokens   reader[BotID, []byte]
	personas reader[BotID, Persona]
	stances  reader[BotID, []Stance]
	holdings reader[BotID, []string]
	memories reader[BotID, []memory.Chosen]
	chats    reader[ChatID, Chat]
	casts    reader[ChatID, Cast]
}

// New returns a roster that reads through a cache. With a nil cache it reads everything from the
// database.
func New(pool *pgxpool.Pool, c *cache.Cache) *Roster {
	return &Roster{
		cache:    c,
		bots:     read(c, "bot.profile", ttl, one[BotID](pool, botsBy, scanBot)),
		tokens:   readHere(c, "bot.token", ttl, one[BotID](pool, tokensBy, scanToken)),
		personas: read(c, "bot.persona", ttl, one[BotID](pool, personasBy, scanPersona)),
		stances:  read(c, "bot.stances", ttl, many[BotID](pool, stancesBy, scanStance)),
		holdings: read(c, "bot.holdings", ttl, many[BotID](pool, holdingsBy, scanHolding)),
		memories: readHere(c, "bot.memories", memoriesTTL, memoriesOf(pool)),
		chats:    read(c, "chat.profile", ttl, one[ChatID](pool, chatsBy, scanChat)),
		casts:    read(c, "chat.cast", ttl, castsOf(pool)),
	}
}

// Changed drops a bot and a chat from the cache, because the caller changed them or needs their
// current state. Other processes hear of a change by its announcement.
func (r *Roster) Changed(ctx context.Context, bot BotID, chat ChatID) {
	if r.cache != nil {
		r.cache.Drop(ctx, cache.Tag{Kind: "bot", ID: int64(bot)}, cache.Tag{Kind: "chat", ID: int64(chat)})
	}
}

// Bot returns a bot; found is false if it doesn't exist.
func (r *Roster) Bot(ctx context.Context, id BotID) (b Bot, found bool, err error) {
	return r.bots.Get(ctx, id)
}

// Bots returns bots. Bots that don't exist are left out, also by the methods below.
func (r *Roster) Bots(ctx context.Context, ids ...BotID) (map[BotID]Bot, error) {
	return r.bots.GetAll(ctx, ids)
}

// Token returns the sealed token of a bot. It is not stored in Redis.
func (r *Roster) Token(ctx context.Context, id BotID) ([]byte, error) {
	sealed, _, err := r.tokens.Get(ctx, id)
	return sealed, err
}

// Persona returns a bot's persona; found is false if it has none.
func (r *Roster) Persona(ctx context.Context, id BotID) (p Persona, found bool, err error) {
	return r.personas.Get(ctx, id)
}

// Personas returns bots' personas.
func (r *Roster) Personas(ctx context.Context, ids ...BotID) (map[BotID]Persona, error) {
	return r.personas.GetAll(ctx, ids)
}

// Stances returns bots' opinions, ordered by topic.
func (r *Roster) Stances(ctx context.Context, ids ...BotID) (map[BotID][]Stance, error) {
	return r.stances.GetAll(ctx, ids)
}

// Holdings describes a bot's holdings, in alphabetical order.
func (r *Roster) Holdings(ctx context.Context, id BotID) ([]string, error) {
	all, _, err := r.holdings.Get(ctx, id)
	return all, err
}

// Memories returns a bot's memories, the strongest first. They are about people, and not stored in
// Redis.
func (r *Roster) Memories(ctx context.Context, id BotID) ([]memory.Chosen, error) {
	all, _, err := r.memories.Get(ctx, id)
	return all, err
}

// Chat returns a chat; found is false if it doesn't exist.
func (r *Roster) Chat(ctx context.Context, id ChatID) (c Chat, found bool, err error) {
	return r.chats.Get(ctx, id)
}

// Cast returns the bots that play in a chat.
func (r *Roster) Cast(ctx context.Context, id ChatID) (Cast, error) {
	cast, _, err := r.casts.Get(ctx, id)
	return cast, err
}

// reader is a cache.Kind, or a load, which reads from the database each time.
type reader[K cache.Key, V any] interface {
	Get(ctx context.Context, key K) (value V, found bool, err error)
	GetAll(ctx context.Context, keys []K) (map[K]V, error)
}

type load[K cache.Key, V any] func(ctx context.Context, keys []K) (map[K]V, error)

// Get reads one value from the database.
func (l load[K, V]) Get(ctx context.Context, key K) (value V, found bool, err error) {
	values, err := l(ctx, []K{key})
	value, found = values[key]
	return value, found, err
}

// GetAll reads values from the database.
func (l load[K, V]) GetAll(ctx context.Context, keys []K) (map[K]V, error) { return l(ctx, keys) }

// Version is the version of the encoding of all parts. Raise it with each change of one.
const Version = 4

// Kinds returns the kinds of the parts that are shared through Redis, in order. Kinds that begin
// with bot have bots' ids as keys, the others chats'.
func Kinds() []string {
	return []string{"bot.holdings", "bot.persona", "bot.profile", "bot.stances", "chat.cast", "chat.profile"}
}

// Rows returns the kinds that announce changes of bots, chats and casts.
func Rows() []string { return []string{"bot", "chat.profile", "chat.cast"} }

func read[K cache.Key, V any](c *cache.Cache, kind string, ttl time.Duration, source load[K, V]) reader[K, V] {
	return kindOf(c, cache.Spec[K, V]{Name: kind, Version: Version, TTL: ttl, Load: source})
}

func readHere[K cache.Key, V any](c *cache.Cache, kind string, ttl time.Duration, source load[K, V]) reader[K, V] {
	return kindOf(c, cache.Spec[K, V]{Name: kind, Version: Version, TTL: ttl, Load: source, Private: true})
}

func kindOf[K cache.Key, V any](c *cache.Cache, spec cache.Spec[K, V]) reader[K, V] {
	if c == nil {
		return load[K, V](spec.Load)
	}
	return cache.NewKind(c, spec)
}
