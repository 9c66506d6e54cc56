package rosterpg

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/roster"
)

const (
	// Usernames and accounts are unique: a bot that changes them, or was pruned, must release them
	// before another bot takes them.
	freeBots = `
UPDATE bots SET telegram_id = NULL, username = NULL
WHERE id = ANY($1) OR removed_at IS NOT NULL AND (telegram_id = ANY($2) OR lower(username) = ANY($3))`

	insertBot = `
INSERT INTO bots (name, token_sealed, telegram_id, username, enabled, typing_wpm, tempo, active_hours, hourly_min, hourly_max)
VALUES ($1, $2, nullif($3::bigint, 0), nullif($4, ''), $5, $6, $7, coalesce($8::text[], '{}'), $9, $10)`
	// A new token restarts a stopped bot.
	updateBot = `
UPDATE bots SET name = $1, token_sealed = coalesce($2, token_sealed), telegram_id = nullif($3::bigint, 0), username = nullif($4, ''),
    enabled = $5, typing_wpm = $6, tempo = $7, active_hours = coalesce($8::text[], '{}'), hourly_min = $9, hourly_max = $10,
    stopped_at = CASE WHEN $2::bytea IS NULL THEN stopped_at END, stopped_why = CASE WHEN $2::bytea IS NULL THEN stopped_why END,
    next_try_at = CASE WHEN $2::bytea IS NULL THEN next_try_at END, tries = CASE WHEN $2::bytea IS NULL THEN tries ELSE 0 END,
    removed_at = NULL, updated_at = now()
WHERE id = $11`
	putPersona = `
INSERT INTO personas (bot_id, display_name, summary, tone, hint, phrases, interests, empathy, energy, stickers, voice)
SELECT id, $2, $3, $4, $5, coalesce($6::text[], '{}'), coalesce($7::text[], '{}'), $8, $9, coalesce($10::jsonb, '[]'), $11::jsonb FROM bots WHERE name = $1
ON CONFLICT (bot_id) DO UPDATE SET display_name = excluded.display_name, summary = excluded.summary, tone = excluded.tone,
    hint = excluded.hint, phrases = excluded.phrases, interests = excluded.interests, empathy = excluded.empathy, energy = excluded.energy,
    stickers = excluded.stickers, voice = excluded.voice`
	// A stance that stays keeps its cool-down.
	dropStances = `DELETE FROM stances s USING bots b WHERE b.id = s.bot_id AND b.name = $1 AND s.topic <> ALL(coalesce($2::text[], '{}'))`
	putStances  = `
INSERT INTO stances (bot_id, topic, stance, confidence)
SELECT b.id, t.* FROM bots b, unnest($2::text[], $3::text[], $4::real[]) AS t WHERE b.name = $1
ON CONFLICT (bot_id, topic) DO UPDATE SET stance = excluded.stance, confidence = excluded.confidence`
	dropHoldings = `DELETE FROM holdings h USING bots b WHERE b.id = h.bot_id AND b.name = $1 AND h.item <> ALL(coalesce($2::text[], '{}'))`
	putHoldings  = `
INSERT INTO holdings (bot_id, item, quantity, note)
SELECT b.id, t.item, nullif(t.quantity::numeric, 0), t.note
FROM bots b, unnest($2::text[], $3::text[], $4::text[]) AS t(item, quantity, note) WHERE b.name = $1
ON CONFLICT (bot_id, item) DO UPDATE SET quantity = excluded.quantity, note = excluded.note`
	dropMemories = `
DELETE FROM memories m USING bots b WHERE b.id = m.bot_id AND b.name = $1 AND m.chat_id IS NULL
    AND NOT EXISTS (SELECT FROM unnest($2::text[], $3::text[]) AS t(kind, content) WHERE t.kind = m.kind AND t.content = m.content)`
	// A memory that stays keeps its uses.
	putMemories = `
INSERT INTO memories (bot_id, kind, content, relevance)
SELECT b.id, t.* FROM bots b, unnest($2::text[], $3::text[], $4::real[]) AS t WHERE b.name = $1
ON CONFLICT (bot_id, kind, content) WHERE chat_id IS NULL DO UPDATE SET relevance = excluded.relevance`

	removeBot        = `UPDATE bots SET removed_at = now(), updated_at = now() WHERE id = $1`
	leaveChats       = `DELETE FROM cast_members WHERE bot_id = $1`
	removeChat       = `UPDATE chats SET removed_at = now(), updated_at = now() WHERE id = $1`
	emptyChat        = `DELETE FROM cast_members WHERE chat_id = $1`
	reactionsUnknown = `UPDATE chats SET allowed_reactions = NULL WHERE id = $1 AND telegram_id <> $2`

	insertChat = `
INSERT INTO chats (name, telegram_id, kind, title, purpose, disclaimer, forbid_advice, enabled, time_zone, language, topics, mean_gap, retention_days)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce($11::text[], '{}'), $12, $13)`
	updateChat = `
UPDATE chats SET name = $1, telegram_id = $2, kind = $3, title = $4, purpose = $5, disclaimer = $6, forbid_advice = $7, enabled = $8,
    time_zone = $9, language = $10, topics = coalesce($11::text[], '{}'), mean_gap = $12, retention_days = $13,
    removed_at = NULL, updated_at = now()
WHERE id = $14`
	// A chat whose gap became shorter must not wait for the end of the old one.
	shortenClock = `UPDATE chat_clock SET next_turn_at = least(next_turn_at, now() + $2::interval) WHERE chat_id = $1`
	startClock   = `
INSERT INTO chat_clock (chat_id, next_turn_at) SELECT id, now() FROM chats WHERE name = $1
ON CONFLICT (chat_id) DO NOTHING`
	// A member that stays keeps its suspension.
	dropMembers = `
DELETE FROM cast_members m USING chats c, bots b
WHERE c.id = m.chat_id AND b.id = m.bot_id AND c.name = $1 AND b.name <> ALL(coalesce($2::text[], '{}'))`
	putMembers = `
INSERT INTO cast_members (chat_id, bot_id)
SELECT c.id, b.id FROM chats c, bots b WHERE c.name = $1 AND b.name = ANY($2::text[])
ON CONFLICT (chat_id, bot_id) DO NOTHING`
)

// writer collects a plan's statements in one batch, and so in one round trip.
type writer struct {
	tokens Tokens
	prune  bool
	batch  pgx.Batch
}

// clocks must be queued first: the planner locks clocks, bots and chats in this order.
func (w *writer) clocks(plan roster.Plan) {
	for _, c := range plan.Changes {
		if c.Chat != nil && c.Chat.ID != 0 && c.Op != roster.Remove {
			w.batch.Queue(shortenClock, c.Chat.ID, c.Chat.MeanGap)
		}
	}
}

func (w *writer) free(plan roster.Plan) {
	var ids, accounts []int64
	var usernames []string
	for _, c := range plan.Changes {
		if c.Bot == nil || c.Op == roster.Remove || !c.Edited("username") && !c.Edited(roster.TokenPath) {
			continue
		}
		ids, accounts = append(ids, c.Bot.ID), append(accounts, c.Bot.AccountID)
		usernames = append(usernames, strings.ToLower(c.Bot.Username))
	}
	if len(ids) > 0 {
		w.batch.Queue(freeBots, ids, accounts, usernames)
	}
}

func (w *writer) remove(plan roster.Plan) {
	for _, c := range plan.Changes {
		switch {
		case c.Op != roster.Remove:
		case c.Bot != nil:
			w.batch.Queue(removeBot, c.Bot.ID)
			w.batch.Queue(leaveChats, c.Bot.ID)
		default:
			w.batch.Queue(removeChat, c.Chat.ID)
			w.batch.Queue(emptyChat, c.Chat.ID)
		}
	}
}

func (w *writer) change(c roster.Change) error {
	switch {
	case c.Op == roster.Remove: // see remove
		return nil
	case c.Bot != nil:
		return w.bot(*c.Bot, c)
	}
	w.chat(*c.Chat)
	return nil
}

func (w *writer) bot(b roster.Bot, c roster.Change) error {
	var sealed []byte
	if b.ID == 0 || c.Edited(roster.TokenPath) {
		var err error
		if sealed, err = w.tokens.Seal(b.Name, b.Secret); err != nil {
			return err
		}
	}
	args := []any{b.Name, sealed, b.AccountID, b.Username, b.Enabled, b.TypingWPM, b.Tempo, b.ActiveHours, b.HourlyMin, b.HourlyMax}
	if b.ID == 0 {
		w.batch.Queue(insertBot, args...)
	} else {
		w.batch.Queue(updateBot, append(args, b.ID)...)
	}
	p := b.Persona
	w.batch.Queue(putPersona, b.Name, p.DisplayName, p.Summary, p.Tone, p.Hint, p.Phrases, p.Interests, p.Empathy, p.Energy, p.Stickers, p.Voice)
	w.stances(b)
	w.holdings(b)
	w.memories(b)
	return nil
}

func (w *writer) stances(b roster.Bot) {
	var topics, stances []string
	var confidence []float32
	for _, s := range b.Stances {
		topics, stances, confidence = append(topics, s.Topic), append(stances, s.Stance), append(confidence, s.Confidence)
	}
	w.batch.Queue(dropStances, b.Name, topics)
	w.batch.Queue(putStances, b.Name, topics, stances, confidence)
}

func (w *writer) holdings(b roster.Bot) {
	var items, quantities, notes []string
	for _, h := range b.Holdings {
		// As text, because PostgreSQL rounds a float8 that is converted to numeric.
		items, quantities, notes = append(items, h.Item), append(quantities, strconv.FormatFloat(h.Quantity, 'g', -1, 64)), append(notes, h.Note)
	}
	w.batch.Queue(dropHoldings, b.Name, items)
	w.batch.Queue(putHoldings, b.Name, items, quantities, notes)
}

func (w *writer) memories(b roster.Bot) {
	var kinds, contents []string
	var relevance []float32
	for _, m := range b.Memories {
		kinds, contents, relevance = append(kinds, m.Kind), append(contents, m.Content), append(relevance, m.Relevance)
	}
	if w.prune {
		w.batch.Queue(dropMemories, b.Name, kinds, contents)
	}
	w.batch.Queue(putMemories, b.Name, kinds, contents, relevance)
}

func (w *writer) chat(c roster.Chat) {
	args := []any{
		c.Name, c.TelegramID, c.Kind, c.Title, c.Purpose, c.Disclaimer, c.ForbidAdvice, c.Enabled, c.TimeZone, c.Language, c.Topics,
		c.MeanGap, c.RetentionDays,
	}
	if c.ID == 0 {
		w.batch.Queue(insertChat, args...)
	} else {
		w.batch.Queue(reactionsUnknown, c.ID, c.TelegramID)
		w.batch.Queue(updateChat, append(args, c.ID)...)
	}
	w.batch.Queue(startClock, c.Name)
	w.batch.Queue(dropMembers, c.Name, c.Cast)
	w.batch.Queue(putMembers, c.Name, c.Cast)
}
