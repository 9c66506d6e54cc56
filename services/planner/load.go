package planner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

const (
	chatAndClock = `
SELECT k.chat_id, k.turn_no + 1, k.next_turn_at, now(),
    c.enabled AND c.removed_at IS NULL, c.kind = 'group', c.time_zone, c.topics, c.mean_gap, c.allowed_reactions, c.updated_at,
    recently(k.counts, k.counted_in, extract(epoch FROM now())::bigint / 5, 12), k.lively,
    CASE WHEN k.texts_day = (now() AT TIME ZONE 'UTC')::date THEN k.texts ELSE 0 END
FROM chat_clock k JOIN chats c ON c.id = k.chat_id `

	// Each due chat goes to one planner: what another has locked is skipped.
	claimDue = `-- claim due chats` + chatAndClock + `
WHERE k.next_turn_at <= now()
ORDER BY k.next_turn_at LIMIT $1
FOR UPDATE OF k SKIP LOCKED`
)

// claim takes the chats that have been due longest.
func claim(ctx context.Context, tx pgx.Tx, limit int) ([]decide.Input, error) {
	return chatsBy(ctx, tx, claimDue, limit)
}

// chatsBy are the chats that a query made of chatAndClock finds.
func chatsBy(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]decide.Input, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("claim chats: %w", err)
	}
	chats, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (decide.Input, error) {
		var in decide.Input
		var zone string
		c := &in.Chat
		err := row.Scan(&c.ID, &in.TurnNumber, &in.Due, &in.Now, &c.Enabled, &c.Basic, &zone, &c.Topics, &c.MeanGap, &c.AllowedReactions, &c.ChangedAt,
			&in.ChatLastMinute, &in.Lively, &in.ChatToday)
		if err != nil {
			return in, err
		}
		// A zone that this machine does not know is checked when a cast is
		// applied; should it be gone, the chat goes on in UTC.
		if c.TimeZone, err = time.LoadLocation(zone); err != nil {
			c.TimeZone = time.UTC
		}
		return in, nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim chats: %w", err)
	}
	return chats, nil
}

// However many bots there are, only those of the due chats are read: the array
// keeps the database from reading the whole table to join it.
const (
	// After a pause that Telegram made, a bot has one open message at a time until one
	// was delivered.
	castOf = `-- load casts
WITH member AS MATERIALIZED (
    SELECT chat_id, bot_id, suspended_at IS NOT NULL OR tries > 0 AND 0 < (
            SELECT count(*) FROM turns t WHERE t.chat_id = c.chat_id AND t.closed_at IS NULL AND t.kind <> 'reaction' AND t.bot_id = c.bot_id) AS suspended,
        refreshed_at
    FROM cast_members c WHERE chat_id = ANY($1)),
bot AS MATERIALIZED (
    SELECT b.id, b.name, coalesce(b.username, '') AS username, coalesce(p.display_name, b.name) AS display_name,
        b.enabled AND b.removed_at IS NULL AND b.stopped_at IS NULL AS enabled, b.updated_at, b.tempo, b.active_hours, b.hourly_min, b.hourly_max,
        coalesce(n.counts, '{}') AS counts, coalesce(n.counted_in, 0) AS counted_in,
        coalesce(p.interests, '{}') AS interests, coalesce(p.empathy, 0.5) AS empathy, coalesce(p.energy, 0.5) AS energy,
        coalesce(p.stickers, '[]') AS stickers, coalesce(p.tone, '') AS tone, coalesce(p.voice ->> 'length', '') AS length
    FROM bots b LEFT JOIN personas p ON p.bot_id = b.id LEFT JOIN turn_counts n ON n.bot_id = b.id
    WHERE b.id = ANY(ARRAY(SELECT bot_id FROM member)))
SELECT m.chat_id, b.id, b.name, b.username, b.display_name, b.enabled, m.suspended, b.updated_at, b.tempo, b.active_hours, b.hourly_min, b.hourly_max,
    b.counts, b.counted_in, b.interests, b.empathy, b.energy, b.stickers, b.tone, b.length, m.refreshed_at
FROM member m JOIN bot b ON b.id = m.bot_id
ORDER BY m.chat_id, b.id`

	// In no order: to sort them here takes less time than there.
	recentOf = `-- load messages
SELECT chat.id, m.number, coalesce(m.bot_id, 0), coalesce(p.display_name, who.name, ''), m.body, coalesce(m.reply_to, 0), m.sent_at
FROM unnest($1::bigint[]) AS chat(id) CROSS JOIN LATERAL (
    SELECT * FROM messages WHERE chat_id = chat.id AND talk ORDER BY sent_at DESC, number DESC LIMIT 50) m
LEFT JOIN personas p ON p.bot_id = m.bot_id LEFT JOIN people who ON who.telegram_id = m.person_id`

	// Only members of basic groups have ids of their own.
	usableOf = `-- load replies
SELECT chat.id, m.number, i.viewer
FROM unnest($1::bigint[]) AS chat(id) CROSS JOIN LATERAL (
    SELECT number FROM messages WHERE chat_id = chat.id AND talk ORDER BY sent_at DESC, number DESC LIMIT 50) m
JOIN message_ids i ON i.chat_id = chat.id AND i.number = m.number AND i.viewer > 0
ORDER BY i.viewer`

	// Answers to commands are no talk, and what hangs of reactions holds nothing up. Turns
	// that wait for Telegram are read, so that who speaks next knows of them, but only
	// those without a text count against the limit. They are few, because they expire.
	loadOf = `-- load turns
SELECT chat.id, open.unwritten, open.speakers, open.targets, open.answerers
FROM unnest($1::bigint[]) AS chat(id)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE written_at IS NULL) AS unwritten, array_agg(bot_id ORDER BY turn_no) AS speakers,
        array_agg(target_message ORDER BY turn_no) FILTER (WHERE kind = 'reply') AS targets,
        array_agg(bot_id ORDER BY turn_no) FILTER (WHERE kind = 'reply') AS answerers
    FROM turns WHERE chat_id = chat.id AND closed_at IS NULL AND kind <> 'reaction' AND kind <> 'command') open`
)

// loadTurns gives chats their settings and open turns, in as many queries for a thousand
// chats as for one.
func loadTurns(ctx context.Context, tx pgx.Tx, due []decide.Input, values *settings.Values) error {
	l := loading{chats: make(map[int64]*decide.Input, len(due))}
	ids := make([]int64, len(due))
	for i := range due {
		ids[i] = due[i].Chat.ID
		due[i].Settings = Effective(values, ids[i])
		l.chats[ids[i]] = &due[i]
	}
	var b pgx.Batch
	each(&b, loadOf, l.load, ids)
	if limit := settings.GlobalMaxMessagesPerMinute.Of(values, 0, 0); limit > 0 {
		b.Queue(countAll).QueryRow(func(row pgx.Row) error {
			var planned int
			err := row.Scan(&planned)
			for i := range due {
				due[i].GlobalLastMinute = planned
			}
			return err
		})
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("load the open turns: %w", err)
	}
	return nil
}

// loadCasts completes what the decisions depend on: who may speak, and what was said.
func loadCasts(ctx context.Context, tx pgx.Tx, roster *rostercache.Roster, due []*decide.Input) error {
	if len(due) == 0 {
		return nil
	}
	l := loading{chats: make(map[int64]*decide.Input, len(due)), casts: make(map[int64][]member), usable: make(map[message][]int64)}
	ids, basic := make([]int64, len(due)), []int64{}
	for i, in := range due {
		ids[i] = in.Chat.ID
		l.chats[ids[i]] = in
		if in.Chat.Basic {
			basic = append(basic, ids[i])
		}
	}
	var b pgx.Batch
	each(&b, castOf, l.member, ids)
	each(&b, recentOf, l.message, ids)
	if len(basic) > 0 {
		each(&b, usableOf, l.knows, basic)
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("load what the turns depend on: %w", err)
	}
	l.order()
	return l.stances(ctx, roster)
}

// load is all of it for all chats, also for those where nothing may be planned.
func load(ctx context.Context, tx pgx.Tx, roster *rostercache.Roster, due []decide.Input, values *settings.Values) error {
	if err := loadTurns(ctx, tx, due, values); err != nil {
		return err
	}
	all := make([]*decide.Input, len(due))
	for i := range due {
		all[i] = &due[i]
	}
	return loadCasts(ctx, tx, roster, all)
}

// mayPlan are the chats where something may be planned, whoever is in the cast: where texts
// are behind, most aren't, and to read casts and messages is most of a decision's cost.
func mayPlan(due []decide.Input) []*decide.Input {
	var found []*decide.Input
	for i := range due {
		if decide.Closed(&due[i]) == decide.SkipNone {
			found = append(found, &due[i])
		}
	}
	return found
}

// each queues a query whose rows are scanned one by one.
func each(b *pgx.Batch, sql string, scan func(pgx.Rows) error, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

type (
	// member is a bot in a chat, by its index in the cast.
	member struct {
		chat int64
		cast int
	}
	message struct{ chat, number int64 }
)

// loading puts rows where they belong.
type loading struct {
	chats  map[int64]*decide.Input
	casts  map[int64][]member  // where a bot plays
	usable map[message][]int64 // who knows a message of a basic group
}

func (l *loading) member(rows pgx.Rows) error {
	var chat int64
	var b decide.Bot
	var active []string
	var changed time.Time
	var counts []int32
	var countedIn int64
	err := rows.Scan(&chat, &b.ID, &b.Name, &b.Username, &b.DisplayName, &b.Enabled, &b.Suspended, &changed, &b.Tempo, &active,
		&b.HourlyMin, &b.HourlyMax, &counts, &countedIn, &b.Interests, &b.Empathy, &b.Energy, &b.Stickers, &b.Tone, &b.Length, &b.LastRefresh)
	if err != nil {
		return err
	}
	in := l.chats[chat]
	b.LastHour = recently(counts, countedIn, in.Now)
	if b.ActiveHours, err = hours.ParseAll(active); err != nil {
		// Rather silent than at an hour that its owner ruled out.
		b.Enabled = false
	}
	if changed.After(in.Chat.ChangedAt) {
		in.Chat.ChangedAt = changed
	}
	l.casts[b.ID] = append(l.casts[b.ID], member{chat, len(in.Cast)})
	in.Cast = append(in.Cast, b)
	return nil
}

// recently is how many messages were counted in the last hour. Counts are those of
// minutes, the newest first, which is minute countedIn of the Unix epoch. The minute in
// which the hour begins counts as a whole.
func recently(counts []int32, countedIn int64, now time.Time) (n int) {
	passed := max(now.Unix()/60-countedIn, 0)
	for _, c := range counts[:min(max(61-passed, 0), int64(len(counts)))] {
		n += int(c)
	}
	return n
}

// stances come from the cache. They do not depend on what is read of the chats
// and their casts, which must be as of one instant, and are counted as well.
func (l *loading) stances(ctx context.Context, roster *rostercache.Roster) error {
	if len(l.casts) == 0 {
		return nil
	}
	bots := make([]rostercache.BotID, 0, len(l.casts))
	for bot := range l.casts {
		bots = append(bots, rostercache.BotID(bot))
	}
	all, err := roster.Stances(ctx, bots...)
	if err != nil {
		return fmt.Errorf("load what the bots think: %w", err)
	}
	for bot, members := range l.casts {
		for _, m := range members {
			b := &l.chats[m.chat].Cast[m.cast]
			for _, s := range all[rostercache.BotID(bot)] {
				b.Stances = append(b.Stances, decide.Stance{Topic: s.Topic, Confidence: s.Confidence, CooldownUntil: s.CooldownUntil})
			}
		}
	}
	return nil
}

func (l *loading) message(rows pgx.Rows) error {
	var chat int64
	var m decide.Message
	if err := rows.Scan(&chat, &m.Number, &m.BotID, &m.Author, &m.Text, &m.ReplyTo, &m.At); err != nil {
		return err
	}
	in := l.chats[chat]
	in.Recent = append(in.Recent, m)
	return nil
}

// said is how many of the messages a bot wrote since its persona was recalled to it.
func said(recent []decide.Message, b *decide.Bot) (n int) {
	for _, m := range recent {
		if m.BotID == b.ID && m.At.After(b.LastRefresh) {
			n++
		}
	}
	return n
}

// order puts the messages of each chat in order, and to those of basic groups who
// knows them. It counts what bots said.
func (l *loading) order() {
	for id, in := range l.chats {
		slices.SortFunc(in.Recent, func(a, b decide.Message) int {
			return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Number, b.Number))
		})
		for i := range in.Cast {
			in.Cast[i].SinceRefresh = said(in.Recent, &in.Cast[i])
		}
		if !in.Chat.Basic {
			continue
		}
		for i := range in.Recent {
			in.Recent[i].Usable = l.usable[message{id, in.Recent[i].Number}]
		}
	}
}

func (l *loading) knows(rows pgx.Rows) error {
	var m message
	var viewer int64
	if err := rows.Scan(&m.chat, &m.number, &viewer); err != nil {
		return err
	}
	l.usable[m] = append(l.usable[m], viewer)
	return nil
}

func (l *loading) load(rows pgx.Rows) error {
	var chat int64
	var unwritten int
	var speakers, targets, answerers []int64
	if err := rows.Scan(&chat, &unwritten, &speakers, &targets, &answerers); err != nil {
		return err
	}
	in := l.chats[chat]
	for i, target := range targets {
		in.Answering = append(in.Answering, decide.Answer{Message: target, BotID: answerers[i]})
	}
	in.UnwrittenTurns, in.Coming = unwritten, speakers
	return nil
}
