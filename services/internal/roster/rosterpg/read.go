// Package rosterpg stores the roster in PostgreSQL: the cast as it was applied, its versions, and
// the states in which Telegram refuses something. It is the only writer of bots, chats and casts,
// except for chats.remember_at, a clock of package memory. Triggers announce each change: see
// package cachepg.
package rosterpg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

const (
	selectBots = `
SELECT b.id, b.name, b.token_sealed, coalesce(b.telegram_id, 0), coalesce(b.username, ''), b.enabled, b.typing_wpm, b.tempo, b.active_hours,
    b.hourly_min, b.hourly_max, b.removed_at IS NOT NULL,
    coalesce(p.display_name, ''), coalesce(p.summary, ''), coalesce(p.tone, ''), coalesce(p.hint, ''), p.phrases, p.interests,
    coalesce(p.empathy, 0), coalesce(p.energy, 0), coalesce(p.stickers, '[]'), coalesce(p.voice, '{}')
FROM bots b LEFT JOIN personas p ON p.bot_id = b.id`
	selectStances  = `SELECT bot_id, topic, stance, confidence FROM stances`
	selectHoldings = `SELECT bot_id, item, coalesce(quantity, 0)::float8, note FROM holdings`
	selectMemories = `SELECT bot_id, kind, content, relevance FROM memories WHERE chat_id IS NULL`
	selectChats    = `
SELECT id, name, telegram_id, kind, title, purpose, disclaimer, forbid_advice, enabled, time_zone, language, topics, mean_gap,
    retention_days, removed_at IS NOT NULL
FROM (SELECT * FROM chats WHERE kind <> 'private') c`
	selectCast = `SELECT m.chat_id, b.name FROM cast_members m JOIN bots b ON b.id = m.bot_id JOIN chats g ON g.id = m.chat_id AND g.kind <> 'private'`

	// These conditions select one bot and the chats it plays in, or one chat.
	named      = ` name = $1 AND removed_at IS NULL`
	ofNamed    = ` bot_id = (SELECT id FROM bots WHERE` + named + `)`
	whereNamed = ` c.id IN (SELECT chat_id FROM cast_members WHERE` + ofNamed + `)`
	inNamed    = ` m.chat_id = (SELECT id FROM chats WHERE` + named + `)`
)

// readTimeout limits the read of the whole roster.
const readTimeout = 30 * time.Second

// Read returns the whole roster, normalised, with pruned bots and chats marked as removed. Tokens
// that can't be decrypted are empty.
func Read(ctx context.Context, db store.DB, tokens Tokens) (roster.Cast, error) {
	return read(ctx, db, tokens, func(r *reader, b *pgx.Batch) {
		r.queueBots(b, ` ORDER BY b.id`, ` ORDER BY bot_id`, ` ORDER BY id`)
		b.Queue(selectChats + ` ORDER BY id`).Query(r.each(r.chat))
		b.Queue(selectCast + ` ORDER BY m.chat_id, b.name`).Query(r.each(r.member))
	})
}

// ReadBot returns the bot of a name as Read does, and the chats it plays in without their casts.
// The result is empty if the roster has no such bot.
func ReadBot(ctx context.Context, db store.DB, tokens Tokens, name string) (roster.Cast, error) {
	return read(ctx, db, tokens, func(r *reader, b *pgx.Batch) {
		r.queueBots(b, ` WHERE b.name = $1 AND b.removed_at IS NULL`, ` WHERE`+ofNamed+` ORDER BY bot_id`, ` AND`+ofNamed+` ORDER BY id`, name)
		b.Queue(selectChats+` WHERE removed_at IS NULL AND`+whereNamed+` ORDER BY id`, name).Query(r.each(r.chat))
	})
}

// ReadChat returns the chat of a name as Read does, without bots. The result is empty if the roster
// has no such chat.
func ReadChat(ctx context.Context, db store.DB, name string) (roster.Cast, error) {
	return read(ctx, db, Tokens{}, func(r *reader, b *pgx.Batch) {
		b.Queue(selectChats+` WHERE`+named, name).Query(r.each(r.chat))
		b.Queue(selectCast+` WHERE`+inNamed+` ORDER BY m.chat_id, b.name`, name).Query(r.each(r.member))
	})
}

func read(ctx context.Context, db store.DB, tokens Tokens, queue func(*reader, *pgx.Batch)) (roster.Cast, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	r := reader{tokens: tokens, bots: map[int64]int{}, chats: map[int64]int{}}
	var b pgx.Batch
	queue(&r, &b)
	if err := db.SendBatch(ctx, &b).Close(); err != nil {
		return roster.Cast{}, fmt.Errorf("read the roster: %w", err)
	}
	r.cast.Normalise()
	return r.cast, nil
}

// queueBots queues the reads of bots and their lists.
func (r *reader) queueBots(b *pgx.Batch, which, whose, whoseMemories string, args ...any) {
	b.Queue(selectBots+which, args...).Query(r.each(r.bot))
	b.Queue(selectStances+whose+`, topic`, args...).Query(ofBot(r, func(v *roster.Stance) []any { return []any{&v.Topic, &v.Stance, &v.Confidence} },
		func(b *roster.Bot) *[]roster.Stance { return &b.Stances }))
	b.Queue(selectHoldings+whose+`, item`, args...).Query(ofBot(r, func(v *roster.Holding) []any { return []any{&v.Item, &v.Quantity, &v.Note} },
		func(b *roster.Bot) *[]roster.Holding { return &b.Holdings }))
	b.Queue(selectMemories+whoseMemories, args...).Query(ofBot(r, func(v *roster.Memory) []any { return []any{&v.Kind, &v.Content, &v.Relevance} },
		func(b *roster.Bot) *[]roster.Memory { return &b.Memories }))
}

// reader collects rows. Bots and chats must be read before the rows that belong to them.
type reader struct {
	tokens      Tokens
	cast        roster.Cast
	bots, chats map[int64]int // indexes in the cast, by id
}

func (*reader) each(row func(pgx.Rows) error) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			if err := row(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

func (r *reader) bot(rows pgx.Rows) error {
	var b roster.Bot
	var sealed []byte
	p := &b.Persona
	if err := rows.Scan(&b.ID, &b.Name, &sealed, &b.AccountID, &b.Username, &b.Enabled, &b.TypingWPM, &b.Tempo, &b.ActiveHours,
		&b.HourlyMin, &b.HourlyMax, &b.Removed,
		&p.DisplayName, &p.Summary, &p.Tone, &p.Hint, &p.Phrases, &p.Interests, &p.Empathy, &p.Energy, &p.Stickers, &p.Voice); err != nil {
		return err
	}
	// Not an error: the next apply replaces a token whose key is lost.
	if token, err := r.tokens.Open(b.Name, sealed); err == nil {
		b.Secret = token
	}
	r.bots[b.ID] = len(r.cast.Bots)
	r.cast.Bots = append(r.cast.Bots, b)
	return nil
}

// of returns the bot of a row; nil for one that was inserted after the bots were read.
func (r *reader) of(id int64) *roster.Bot {
	if i, found := r.bots[id]; found {
		return &r.cast.Bots[i]
	}
	return nil
}

// ofBot returns a function that adds each row to a list of its bot. The bot's id is the first
// column.
func ofBot[T any](r *reader, fields func(*T) []any, list func(*roster.Bot) *[]T) func(pgx.Rows) error {
	return r.each(func(rows pgx.Rows) error {
		var id int64
		var v T
		if err := rows.Scan(append([]any{&id}, fields(&v)...)...); err != nil {
			return err
		}
		if b := r.of(id); b != nil {
			all := list(b)
			*all = append(*all, v)
		}
		return nil
	})
}

func (r *reader) chat(rows pgx.Rows) error {
	var c roster.Chat
	if err := rows.Scan(&c.ID, &c.Name, &c.TelegramID, &c.Kind, &c.Title, &c.Purpose, &c.Disclaimer, &c.ForbidAdvice, &c.Enabled,
		&c.TimeZone, &c.Language, &c.Topics, &c.MeanGap, &c.RetentionDays, &c.Removed); err != nil {
		return err
	}
	r.chats[c.ID] = len(r.cast.Chats)
	r.cast.Chats = append(r.cast.Chats, c)
	return nil
}

func (r *reader) member(rows pgx.Rows) error {
	var id int64
	var name string
	if err := rows.Scan(&id, &name); err != nil {
		return err
	}
	if i, found := r.chats[id]; found {
		r.cast.Chats[i].Cast = append(r.cast.Chats[i].Cast, name)
	}
	return nil
}
