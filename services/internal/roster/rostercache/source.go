package rostercache

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/memory"
)

// The first column is the key.
const (
	botsBy = `
SELECT id, name, coalesce(username, ''), typing_wpm, removed_at IS NOT NULL, enabled, updated_at, tempo, active_hours, hourly_min, hourly_max,
    coalesce(stopped_why, '')
FROM bots WHERE id = ANY($1)`
	tokensBy   = `SELECT id, token_sealed FROM bots WHERE id = ANY($1)` //nolint:gosec // it is a statement
	personasBy = `
SELECT bot_id, display_name, summary, tone, hint, phrases, interests, empathy, energy, voice, stickers
FROM personas WHERE bot_id = ANY($1)`
	stancesBy = `
SELECT bot_id, topic, stance, confidence, coalesce(cooldown_until, 'epoch')
FROM stances WHERE bot_id = ANY($1) ORDER BY bot_id, topic`
	holdingsBy = `
SELECT bot_id, CASE WHEN quantity IS NULL THEN item ELSE trim_scale(quantity) || ' x ' || item END || CASE WHEN note = '' THEN '' ELSE ' (' || note || ')' END
FROM holdings WHERE bot_id = ANY($1) ORDER BY bot_id, item`
	chatsBy = `
SELECT id, telegram_id, kind = 'supergroup', purpose, disclaimer, forbid_advice, language, time_zone, topics, removed_at IS NOT NULL,
    coalesce(s.body, ''), coalesce(s.begins_at, 'epoch'), coalesce(s.ends_at, 'epoch'),
    coalesce((SELECT jsonb_agg(jsonb_build_object('bot', p.bot_id, 'by', p.by, 'until', p.until)) FROM pauses p WHERE p.chat_id IN (c.id, 0)), '[]')
FROM chats c LEFT JOIN scenes s ON s.chat_id = c.id WHERE id = ANY($1)`
	castsBy = `SELECT chat_id, bot_id, coalesce(suspended_why, '') FROM cast_members WHERE chat_id = ANY($1)`
)

func scanBot(b *Bot) []any {
	return []any{&b.Name, &b.Username, &b.TypingWPM, &b.Removed, &b.Enabled, &b.UpdatedAt, &b.Tempo, &b.ActiveHours, &b.HourlyMin, &b.HourlyMax, &b.Stopped}
}

func scanToken(sealed *[]byte) []any { return []any{sealed} }

func scanPersona(p *Persona) []any {
	return []any{&p.DisplayName, &p.Summary, &p.Tone, &p.Hint, &p.Phrases, &p.Interests, &p.Empathy, &p.Energy, &p.Voice, &p.Stickers}
}

func scanStance(s *Stance) []any {
	return []any{&s.Topic, &s.Text, &s.Confidence, &s.CooldownUntil}
}

func scanHolding(words *string) []any { return []any{words} }

func scanChat(c *Chat) []any {
	return []any{
		&c.TelegramID, &c.Supergroup, &c.Purpose, &c.Disclaimer, &c.ForbidAdvice, &c.Language, &c.TimeZone, &c.Topics, &c.Removed,
		&c.Scene.Text, &c.Scene.Begins, &c.Scene.Ends, &c.Pauses,
	}
}

// one reads kinds with one row for each key.
func one[K cache.Key, V any](pool *pgxpool.Pool, sql string, fields func(*V) []any) load[K, V] {
	return func(ctx context.Context, keys []K) (map[K]V, error) {
		found := make(map[K]V, len(keys))
		err := rows(ctx, pool, sql, keys, fields, func(key K, value V) { found[key] = value })
		return found, err
	}
}

// many reads kinds with any number of rows for each key.
func many[K cache.Key, V any](pool *pgxpool.Pool, sql string, fields func(*V) []any) load[K, []V] {
	return func(ctx context.Context, keys []K) (map[K][]V, error) {
		found := make(map[K][]V, len(keys))
		err := rows(ctx, pool, sql, keys, fields, func(key K, value V) { found[key] = append(found[key], value) })
		return found, err
	}
}

func memoriesOf(pool *pgxpool.Pool) load[BotID, []memory.Chosen] {
	return func(ctx context.Context, bots []BotID) (map[BotID][]memory.Chosen, error) {
		return memory.Awake(ctx, pool, bots)
	}
}

func castsOf(pool *pgxpool.Pool) load[ChatID, Cast] {
	type member struct {
		bot BotID
		why string
	}
	fields := func(m *member) []any { return []any{&m.bot, &m.why} }
	return func(ctx context.Context, chats []ChatID) (map[ChatID]Cast, error) {
		found := make(map[ChatID]Cast, len(chats))
		err := rows(ctx, pool, castsBy, chats, fields, func(chat ChatID, m member) {
			if found[chat] == nil {
				found[chat] = Cast{}
			}
			found[chat][m.bot] = m.why
		})
		return found, err
	}
}

// rows reads the rows of keys, each into a new value.
func rows[K cache.Key, V any](ctx context.Context, pool *pgxpool.Pool, sql string, keys []K, fields func(*V) []any, add func(K, V)) error {
	result, err := pool.Query(ctx, sql, keys)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer result.Close()
	for result.Next() {
		var key K
		var value V
		if err := result.Scan(append([]any{&key}, fields(&value)...)...); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		add(key, value)
	}
	return result.Err()
}
