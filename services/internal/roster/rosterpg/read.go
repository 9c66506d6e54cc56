// Package rosterpg keeps the roster in PostgreSQL. It is the only writer of bots, chats
// and casts, except for chats.remember_at, which is a clock of package memory. Triggers
// announce each change: see package cachepg.
package rosterpg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/roster"
)

// Batcher sends a batch of queries; a pgx pool, connection or transaction does.
type Batcher interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

const (
	selectBots = `
SELECT b.id, b.name, b.token_sealed, coalesce(b.telegram_id, 0), coalesce(b.username, ''), b.enabled, b.typing_wpm, b.tempo, b.active_hours,
    b.hourly_min, b.hourly_max, b.removed_at IS NOT NULL,
    coalesce(p.display_name, ''), coalesce(p.summary, ''), coalesce(p.tone, ''), coalesce(p.hint, ''), p.phrases, p.interests,
    coalesce(p.empathy, 0), coalesce(p.energy, 0), coalesce(p.stickers, '[]'), coalesce(p.voice, '{}')
FROM bots b LEFT JOIN personas p ON p.bot_id = b.id
ORDER BY b.id`
	selectStances  = `SELECT bot_id, topic, stance, confidence FROM stances ORDER BY bot_id, topic`
	selectHoldings = `SELECT bot_id, item, coalesce(quantity, 0)::float8, note FROM holdings ORDER BY bot_id, item`
	selectMemories = `SELECT bot_id, kind, content, relevance FROM memories WHERE chat_id IS NULL ORDER BY id`
	selectChats    = `
SELECT id, name, telegram_id, kind, title, purpose, disclaimer, forbid_advice, enabled, time_zone, language, topics, mean_gap,
    retention_days, removed_at IS NOT NULL
FROM chats ORDER BY id`
	selectCast = `SELECT m.chat_id, b.name FROM cast_members m JOIN bots b ON b.id = m.bot_id ORDER BY m.chat_id, b.name`
)

// readTimeout bounds reading the whole roster.
const readTimeout = 30 * time.Second

// Read gives the whole roster, normalised, with what was pruned marked as
// removed. Tokens that can't be opened are empty.
func Read(ctx context.Context, db Batcher, tokens Tokens) (roster.Cast, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	r := reader{tokens: tokens, bots: map[int64]int{}, chats: map[int64]int{}}
	var b pgx.Batch
	b.Queue(selectBots).Query(r.each(r.bot))
	b.Queue(selectStances).Query(ofBot(&r, func(v *roster.Stance) []any { return []any{&v.Topic, &v.Stance, &v.Confidence} },
		func(b *roster.Bot) *[]roster.Stance { return &b.Stances }))
	b.Queue(selectHoldings).Query(ofBot(&r, func(v *roster.Holding) []any { return []any{&v.Item, &v.Quantity, &v.Note} },
		func(b *roster.Bot) *[]roster.Holding { return &b.Holdings }))
	b.Queue(selectMemories).Query(ofBot(&r, func(v *roster.Memory) []any { return []any{&v.Kind, &v.Content, &v.Relevance} },
		func(b *roster.Bot) *[]roster.Memory { return &b.Memories }))
	b.Queue(selectChats).Query(r.each(r.chat))
	b.Queue(selectCast).Query(r.each(r.member))
	if err := db.SendBatch(ctx, &b).Close(); err != nil {
		return roster.Cast{}, fmt.Errorf("read the roster: %w", err)
	}
	r.cast.Normalise()
	return r.cast, nil
}

// reader collects rows. Bots and chats come before what belongs to them.
type reader struct {
	tokens      Tokens
	cast        roster.Cast
	bots, chats map[int64]int // places in the cast by id
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
	// A token whose key is lost is replaced by the next apply, so it is no error.
	if token, err := r.tokens.Open(b.Name, sealed); err == nil {
		b.Secret = token
	}
	r.bots[b.ID] = len(r.cast.Bots)
	r.cast.Bots = append(r.cast.Bots, b)
	return nil
}

// of finds the bot of a row; nil for one that was made since the bots were read.
func (r *reader) of(id int64) *roster.Bot {
	if i, found := r.bots[id]; found {
		return &r.cast.Bots[i]
	}
	return nil
}

// ofBot adds what stands in rows after the id of a bot to a list of that bot's.
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
