// Package rostercache reads the roster through the cache, part by part: what a
// turn needs of a bot or a chat costs no query while nobody changes it.
//
// Not here, and read by SQL whenever it is needed, is what must be exact or can't
// be had twice:
//   - The journal, the clocks, what was planned and said lately, and how often a
//     persona was shown: turns depend on them, and are counted by them, in the
//     transaction that writes the next one.
//   - The last messages of a chat. Every message changes them and hardly anybody
//     reads them twice in between, so a cache would not be hit; and the planner
//     must see them as of the same instant as the open turns, or a turn that was
//     just delivered would be neither here nor there, and be answered twice.
//   - Which reactions a chat allows: whoever decides needs it with the clock, in
//     the same statement, and the sender keeps what Telegram said until it refuses
//     one.
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

// Bot is what is not secret of a bot's row.
type Bot struct {
	Name      string
	Username  string
	TypingWPM float64
	Removed   bool
	// Enabled is false for a bot that its owner has switched off.
	Enabled   bool
	UpdatedAt time.Time
	Tempo     float64
	// ActiveHours are as hours.ParseAll reads them.
	ActiveHours          []string
	HourlyMin, HourlyMax int
	// Stopped says why Telegram refuses the bot; empty if it doesn't.
	Stopped string
}

// Acts tells whether the bot may do anything at all.
func (b *Bot) Acts() bool { return !b.Removed && b.Stopped == "" }

// Persona is what a bot is like.
type Persona struct {
	DisplayName        string
	Summary, Tone      string
	Hint               string
	Phrases, Interests []string
	Empathy, Energy    float64
	// Voice is what is given of it.
	Voice    voice.Voice
	Stickers []Sticker
}

// Sticker is one that a bot may send, by Telegram's id of its file.
type Sticker struct {
	FileID string `json:"file_id"`
	// Mood is the name of a reaction.Mood.
	Mood string `json:"mood"`
}

// Stance is what a bot thinks of a topic.
type Stance struct {
	Topic, Text string
	Confidence  float64
	// CooldownUntil is until when the bot does not bring the topic up; long ago
	// for a topic that it may.
	CooldownUntil time.Time
}

// Chat is what is planned, written and sent by.
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
	// Scene is what happens there for a while, as a director has it.
	Scene Scene
	// Pauses are those of the chat and of all chats.
	Pauses []Pause
}

// Scene is what happens in a chat from its begin to its end.
type Scene struct {
	Text         string
	Begins, Ends time.Time
}

// At is what happens at a time; "" for nothing.
func (s *Scene) At(now time.Time) string {
	if now.Before(s.Begins) || !now.Before(s.Ends) {
		return ""
	}
	return s.Text
}

// Pause is of a bot, or of all where that is 0. It has an end, or somebody ends it.
type Pause struct {
	Bot   BotID      `json:"bot"`
	By    string     `json:"by"`
	Until *time.Time `json:"until"`
}

// Paused says by whom and until when a bot is paused in the chat; "" if it isn't.
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

// Cast is who plays in a chat: why each bot is suspended, or "" if it isn't.
type Cast map[BotID]string

// Plays tells whether a bot plays in the chat, and is not suspended.
func (c Cast) Plays(bot BotID) bool {
	why, member := c[bot]
	return member && why == ""
}

// ttl is how old a part may get if the announcement of its change was lost. The cache
// forgets everything when it hears none, so it is there for mistakes only; and where chats
// are quiet, what is read for each turn anew costs more than the turn.
const ttl = cache.LongestTTL

// memoriesTTL is shorter, because nobody announces that a memory fades, or was
// used. Both change little within it.
const memoriesTTL = 10 * time.Minute

// Roster reads the roster. It is safe for concurrent use. What it gives away is
// shared, and must not be changed.
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

// New makes a roster that is read through a cache. A nil cache reads everything
// anew.
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

// Changed makes what is read from now on be read anew: of a bot and a chat that
// the caller has changed, or wants to be sure of. Other processes hear of a
// change by themselves.
func (r *Roster) Changed(ctx context.Context, bot BotID, chat ChatID) {
	if r.cache != nil {
		r.cache.Drop(ctx, cache.Tag{Kind: "bot", ID: int64(bot)}, cache.Tag{Kind: "chat", ID: int64(chat)})
	}
}

// Bot gets a bot; found is false if it doesn't exist.
func (r *Roster) Bot(ctx context.Context, id BotID) (b Bot, found bool, err error) {
	return r.bots.Get(ctx, id)
}

// Bots gets bots. Those that don't exist are left out, as in all that follows.
func (r *Roster) Bots(ctx context.Context, ids ...BotID) (map[BotID]Bot, error) {
	return r.bots.GetAll(ctx, ids)
}

// Token gets the sealed token of a bot. It is not put in Redis.
func (r *Roster) Token(ctx context.Context, id BotID) ([]byte, error) {
	sealed, _, err := r.tokens.Get(ctx, id)
	return sealed, err
}

// Persona gets what a bot is like; found is false if it has no persona.
func (r *Roster) Persona(ctx context.Context, id BotID) (p Persona, found bool, err error) {
	return r.personas.Get(ctx, id)
}

// Personas gets what bots are like.
func (r *Roster) Personas(ctx context.Context, ids ...BotID) (map[BotID]Persona, error) {
	return r.personas.GetAll(ctx, ids)
}

// Stances gets what bots think, in the order of the topics.
func (r *Roster) Stances(ctx context.Context, ids ...BotID) (map[BotID][]Stance, error) {
	return r.stances.GetAll(ctx, ids)
}

// Holdings gets what a bot owns, in words, in the order of the alphabet.
func (r *Roster) Holdings(ctx context.Context, id BotID) ([]string, error) {
	all, _, err := r.holdings.Get(ctx, id)
	return all, err
}

// Memories gets what may come to a bot's mind, the strongest first. It is about
// people, and is not put in Redis.
func (r *Roster) Memories(ctx context.Context, id BotID) ([]memory.Chosen, error) {
	all, _, err := r.memories.Get(ctx, id)
	return all, err
}

// Chat gets a chat; found is false if it doesn't exist.
func (r *Roster) Chat(ctx context.Context, id ChatID) (c Chat, found bool, err error) {
	return r.chats.Get(ctx, id)
}

// Cast gets who plays in a chat.
func (r *Roster) Cast(ctx context.Context, id ChatID) (Cast, error) {
	cast, _, err := r.casts.Get(ctx, id)
	return cast, err
}

// reader is a cache.Kind, or reads anew each time.
type reader[K cache.Key, V any] interface {
	Get(ctx context.Context, key K) (value V, found bool, err error)
	GetAll(ctx context.Context, keys []K) (map[K]V, error)
}

type load[K cache.Key, V any] func(ctx context.Context, keys []K) (map[K]V, error)

// Get reads one value anew.
func (l load[K, V]) Get(ctx context.Context, key K) (value V, found bool, err error) {
	values, err := l(ctx, []K{key})
	value, found = values[key]
	return value, found, err
}

// GetAll reads values anew.
func (l load[K, V]) GetAll(ctx context.Context, keys []K) (map[K]V, error) { return l(ctx, keys) }

// Version is that of the encoding of all parts. Whoever changes one raises it.
const Version = 4

// Kinds are those of the parts that are shared through Redis, in order. Those
// that begin with bot have the ids of bots for keys, the others those of chats.
func Kinds() []string {
	return []string{"bot.holdings", "bot.persona", "bot.profile", "bot.stances", "chat.cast", "chat.profile"}
}

// Rows are the kinds by which changes of bots, chats and casts are announced.
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
