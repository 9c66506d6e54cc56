package planner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

const (
	// clocks selects the clocks of the chats, with the number up to which the chat's
	// messages are cached: NULL for a chat that isn't cached.
	clocks = `SELECT *, ($4::bigint[])[array_position($3::bigint[], chat_id)] AS after FROM chat_clock `

	// situation selects everything that decisions about the chats in k depend on and that
	// changes with their turns, at one instant: a turn that was just delivered is either
	// open or has its message. For chats that aren't cached it also selects what changes
	// rarely (place). It does so for all chats if the log of changes contains a chat or a
	// cast since the snapshot $5. The messages of a chat with $1 or more unwritten texts
	// are left out, because it gets no turn.
	//
	// Answers to commands are no talk, and open reactions delay nothing. Turns that wait
	// for Telegram are read, so that the next speaker knows of them, but only turns without
	// a text count for the limit. They are few, because they expire. Turns that wait for an
	// operator may do so for hours. After two minutes the next speaker no longer takes them
	// into account.
	//
	// Only members of basic groups have message ids of their own. OFFSET 0 prevents the
	// planner of PostgreSQL from joining a table by reading all of it, which it estimates
	// as cheap while the table is new.
	situation = `,
once AS MATERIALIZED (
    SELECT $5::text = '' OR EXISTS (
            SELECT FROM cache_changes WHERE xid >= pg_snapshot_xmin(nullif($5, '')::pg_snapshot)
            AND NOT pg_visible_in_snapshot(xid, nullif($5, '')::pg_snapshot) AND (tag LIKE 'chat.%' OR tag = '*')) AS changed,
        EXISTS (SELECT FROM deliveries WHERE lane = 'held' AND closed_at IS NULL) AS held)
SELECT k.chat_id, k.turn_no + 1, k.next_turn_at, now(), k.counts, k.counted_in, k.lively,
    CASE WHEN k.texts_day = (now() AT TIME ZONE 'UTC')::date THEN k.texts ELSE 0 END,
    (SELECT counts FROM turn_counts WHERE bot_id = 0), coalesce((SELECT counted_in FROM turn_counts WHERE bot_id = 0), 0),
    coalesce(cardinality(held.turns), 0), open.*, talk.*, ids.*,
    place.enabled IS NOT NULL, coalesce(place.enabled, false), coalesce(place.basic, false), coalesce(place.time_zone, ''), place.topics,
    coalesce(place.mean_gap, '0'), place.allowed_reactions, coalesce(place.updated_at, 'epoch'),
    place.bots, place.suspended, place.tried, place.refreshed, place.counts, place.counted_in, place.paused, place.paused_by, place.paused_until,
    coalesce(place.body, ''), coalesce(place.begins_at, 'epoch'), coalesce(place.ends_at, 'epoch'),
    (SELECT changed FROM once), pg_current_snapshot()::text,
    extract(epoch FROM (SELECT next_turn_at FROM chat_clock WHERE next_turn_at > now() ORDER BY next_turn_at LIMIT 1) - clock_timestamp())::float8, ` + open + `
FROM k
CROSS JOIN LATERAL (
    SELECT array_agg(turn_no) AS turns FROM deliveries
    WHERE lane = 'held' AND chat_id = k.chat_id AND part = 1 AND closed_at IS NULL AND (SELECT held FROM once)) held
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE unwritten) AS unwritten, coalesce(now() - min(planned_at) FILTER (WHERE unwritten), '0'),
        array_agg(bot_id) FILTER (WHERE kind <> 'command'
            AND (written_at < now() - interval '2 minutes' AND turn_no = ANY(held.turns)) IS NOT TRUE),
        array_agg(bot_id), array_agg(target_message) FILTER (WHERE kind = 'reply'), array_agg(bot_id) FILTER (WHERE kind = 'reply')
    FROM (
        SELECT *, written_at IS NULL AND kind <> 'command' AS unwritten FROM turns
        WHERE chat_id = k.chat_id AND closed_at IS NULL AND kind <> 'reaction' ORDER BY turn_no) t) open
CROSS JOIN LATERAL (
    SELECT array_agg(number) AS numbers, array_agg(coalesce(bot_id, 0)),
        array_agg(CASE WHEN bot_id IS NULL THEN coalesce((SELECT name FROM people WHERE telegram_id = m.person_id), '') ELSE '' END),
        array_agg(body), array_agg(coalesce(reply_to, 0)), array_agg(sent_at)
    FROM (
        SELECT * FROM messages WHERE chat_id = k.chat_id AND talk AND open.unwritten < $1
            AND number > coalesce(k.after, 0) ORDER BY number DESC LIMIT 50) m) talk
LEFT JOIN LATERAL (
    SELECT c.enabled AND c.removed_at IS NULL AS enabled, c.kind = 'group' AS basic, c.time_zone, c.topics, c.mean_gap, c.allowed_reactions, c.updated_at,
        member.*, paused.*, s.*
    FROM chats c
    CROSS JOIN LATERAL (
        SELECT array_agg(m.bot_id) AS bots, array_agg(suspended_at IS NOT NULL) AS suspended, array_agg(tries > 0) AS tried,
            array_agg(refreshed_at) AS refreshed,
            array_agg(coalesce(array_to_string(n.counts, ' '), '')) AS counts, array_agg(coalesce(n.counted_in, 0)) AS counted_in
        FROM (SELECT * FROM cast_members WHERE chat_id = c.id ORDER BY bot_id) m
        LEFT JOIN LATERAL (SELECT * FROM turn_counts WHERE bot_id = m.bot_id OFFSET 0) n ON true) member
    CROSS JOIN LATERAL (
        SELECT array_agg(bot_id) AS paused, array_agg(by) AS paused_by, array_agg(until) AS paused_until
        FROM pauses WHERE chat_id IN (c.id, 0) AND (until IS NULL OR until > now())) paused
    LEFT JOIN LATERAL (SELECT body, begins_at, ends_at FROM scenes WHERE chat_id = c.id OFFSET 0) s ON true
    WHERE c.id = k.chat_id AND (k.after IS NULL OR (SELECT changed FROM once)) OFFSET 0) place ON true
CROSS JOIN LATERAL (
    SELECT array_agg(number ORDER BY viewer), array_agg(viewer ORDER BY viewer)
    FROM message_ids WHERE place.basic AND chat_id = k.chat_id AND number >= (SELECT min(n) FROM unnest(talk.numbers) n)) ids
`

	// The ORDER BY makes PostgreSQL use the index of open turns, whatever its statistics
	// say.
	open = `(SELECT chat_id FROM turns WHERE closed_at IS NULL ORDER BY chat_id LIMIT 1) IS NOT NULL`

	claimDue = `-- claim due chats
WITH k AS MATERIALIZED (` + clocks + `WHERE next_turn_at <= now() ORDER BY next_turn_at LIMIT $2)` + situation

	// Each due chat goes to one planner: rows locked by another are skipped.
	lockDue = `-- lock due chats
SELECT chat_id FROM chat_clock WHERE next_turn_at <= now() ORDER BY next_turn_at LIMIT $1 FOR UPDATE SKIP LOCKED`
	lookAtLocked = `-- look at locked chats
WITH k AS MATERIALIZED (` + clocks + `WHERE chat_id = ANY($2::bigint[]))` + situation
	lookAtChat = `-- look at a chat
WITH k AS MATERIALIZED (` + clocks + `WHERE chat_id = $2)` + situation
)

// noLimit disables the limit: no chat has so many unwritten texts.
const noLimit = 1 << 30

// row is a chat as a statement with situation returns it, in the order of its columns.
type row struct {
	ID, Turn           int64
	Due, Now           time.Time
	Counts             []int
	CountedIn          int64
	Lively             bool
	Today              int
	AllCounts          []int
	AllCountedIn       int64
	Held               int
	Unwritten          int
	UnwrittenFor       time.Duration
	Speakers, Busy     []int64
	Targets, Answerers []int64

	// One entry for each message that was read.
	Numbers, Authors []int64
	People, Bodies   []string
	Replies          []int64
	Times            []time.Time

	// Which bot (Viewers) has an id of which message (Known) of a basic group, from the
	// first message that was read.
	Known, Viewers []int64

	// Read tells whether the place was read.
	Read bool
	place

	// Changed tells whether chats or casts have changed since the previous snapshot.
	// Snapshot is the current one.
	Changed  bool
	Snapshot string
	// Next is the time in seconds until the next chat is due; nil for none. Open tells
	// whether there are open turns.
	Next *float64
	Open bool

	// The cached chat after this read, and its last messages if they were requested.
	cached cachedChat       `db:"-"`
	last   []decide.Message `db:"-"`
}

// place holds what changes rarely in a chat.
type place struct {
	Enabled, Basic   bool
	TimeZone         string
	Topics           []string
	MeanGap          time.Duration
	AllowedReactions []string
	ChangedAt        time.Time

	// One entry for each member of the cast, in the order of the bots' ids.
	Bots             []int64
	Suspended, Tried []bool
	Refreshed        []time.Time
	BotCounts        []string
	BotCountedIn     []int64

	// One entry for each pause of the chat or of all chats. The bot is 0 for all bots.
	PausedBots  []int64
	PausedBy    []string
	PausedUntil []*time.Time

	Scene                  string
	SceneBegins, SceneEnds time.Time

	zone *time.Location `db:"-"`
	// counts are BotCounts as numbers.
	counts [][]int `db:"-"`
	// settings are the chat's settings, computed from values.
	settings *decide.Settings `db:"-"`
	values   *settings.Values `db:"-"`
}

// look reads the state of chats with a statement made of situation, and merges it with the
// cached part.
func look(ctx context.Context, db store.Querier, sql string, before view, maxUnwritten int, which any) ([]*row, error) {
	ids, after := make([]int64, 0, len(before.of)), make([]int64, 0, len(before.of))
	for id, k := range before.of {
		ids, after = append(ids, id), append(after, k.after())
	}
	rows, err := store.Collect(ctx, db, "look at chats", pgx.RowToAddrOfStructByPos[row], sql, maxUnwritten, which, ids, after, before.seen)
	for _, r := range rows {
		r.cached.read = r.Now
		if k := before.of[r.ID]; k != nil {
			r.cached = *k
		}
		if r.Read {
			r.prepare()
			r.cached.place = r.place
		}
		r.place = r.cached.place
		if r.Unwritten < maxUnwritten {
			r.cached.add(r.messages())
			r.last = r.cached.messages
		}
	}
	return rows, err
}

// prepare parses the time zone and the counts.
func (p *place) prepare() {
	// Time zones are checked when a cast is applied. If this machine doesn't know one, the
	// chat uses UTC.
	var err error
	if p.zone, err = time.LoadLocation(p.TimeZone); err != nil {
		p.zone = time.UTC
	}
	for _, text := range p.BotCounts {
		p.counts = append(p.counts, numbers(text))
	}
}

// effective returns the chat's settings. It computes them once for each version of the
// values.
func (r *row) effective(values *settings.Values) decide.Settings {
	if p := &r.cached.place; p.settings == nil || p.values != values {
		set := Effective(values, r.ID)
		p.settings, p.values = &set, values
	}
	return *r.cached.settings
}

// inputs returns the inputs of the decisions about chats.
func inputs(ctx context.Context, roster *rostercache.Roster, values *settings.Values, chats []*row) ([]decide.Input, error) {
	all, err := playersOf(ctx, roster, chats)
	if err != nil {
		return nil, fmt.Errorf("look at casts: %w", err)
	}
	inputs := make([]decide.Input, len(chats))
	for i, r := range chats {
		inputs[i] = r.input(all)
		inputs[i].Settings = r.effective(values)
	}
	return inputs, nil
}

// players holds the properties, personas and stances of bots. They come from the roster's
// cache and may be older than the rest of the input.
type players struct {
	bots     map[rostercache.BotID]rostercache.Bot
	personas map[rostercache.BotID]rostercache.Persona
	stances  map[rostercache.BotID][]rostercache.Stance
	members  map[int64]decide.Bot // the bots requested so far
}

// playersOf reads the bots of the casts, and the personas of the bots that wrote messages.
func playersOf(ctx context.Context, roster *rostercache.Roster, chats []*row) (p players, err error) {
	casts, authors := map[rostercache.BotID]bool{}, map[rostercache.BotID]bool{}
	for _, r := range chats {
		for _, bot := range r.Bots {
			casts[rostercache.BotID(bot)], authors[rostercache.BotID(bot)] = true, true
		}
		for i := range r.last {
			authors[rostercache.BotID(r.last[i].BotID)] = true
		}
	}
	delete(authors, 0)
	p.members = make(map[int64]decide.Bot, len(casts))
	cast := slices.Collect(maps.Keys(casts))
	if p.bots, err = roster.Bots(ctx, cast...); err != nil {
		return p, err
	}
	if p.stances, err = roster.Stances(ctx, cast...); err != nil {
		return p, err
	}
	p.personas, err = roster.Personas(ctx, slices.Collect(maps.Keys(authors))...)
	return p, err
}

func (r *row) input(all players) decide.Input {
	in := decide.Input{
		Chat: decide.Chat{
			ID: r.ID, Enabled: r.Enabled, Basic: r.Basic, TimeZone: r.zone, Topics: r.Topics, MeanGap: r.MeanGap,
			AllowedReactions: r.AllowedReactions, ChangedAt: r.ChangedAt,
		},
		TurnNumber: r.Turn, Due: r.Due, Now: r.Now, Lively: r.Lively, ChatToday: r.Today,
		ChatLastMinute: recently(r.Counts, r.CountedIn, r.Now.Unix()/5, 12), GlobalLastMinute: recently(r.AllCounts, r.AllCountedIn, r.Now.Unix(), 60),
		UnwrittenTurns: r.Unwritten, UnwrittenFor: r.UnwrittenFor, Held: r.Held, Coming: r.Speakers, Recent: r.recent(all), Paused: r.pause(0),
	}
	if !r.Now.Before(r.SceneBegins) && r.Now.Before(r.SceneEnds) {
		in.Chat.Scene = r.Scene
	}
	for i, target := range r.Targets {
		in.Answering = append(in.Answering, decide.Answer{Message: target, BotID: r.Answerers[i]})
	}
	in.Cast = make([]decide.Bot, 0, len(r.Bots))
	for i, bot := range r.Bots {
		b, known := all.bots[rostercache.BotID(bot)]
		if !known {
			continue // it is being deleted
		}
		if b.UpdatedAt.After(in.Chat.ChangedAt) {
			in.Chat.ChangedAt = b.UpdatedAt
		}
		in.Cast = append(in.Cast, all.member(bot, &b))
		m := &in.Cast[len(in.Cast)-1]
		// A bot on trial after Telegram suspended it has one open message at a time until
		// one is delivered.
		m.Suspended = r.Suspended[i] || r.Tried[i] && slices.Contains(r.Busy, bot)
		m.LastRefresh, m.Muted = r.Refreshed[i], r.pause(bot)
		m.LastHour = recently(r.counts[i], r.BotCountedIn[i], r.Now.Unix()/60, 60)
		m.SinceRefresh = countSinceRefresh(in.Recent, m)
	}
	return in
}

// pause returns the longest pause of a bot, 0 for all bots; nil for none.
func (r *row) pause(bot int64) *decide.Pause {
	var longest *decide.Pause
	for i, of := range r.PausedBots {
		until := r.PausedUntil[i]
		if of != bot || longest != nil && longest.Until.IsZero() || until != nil && !until.After(r.Now) {
			continue
		}
		p := &decide.Pause{By: r.PausedBy[i]}
		if until != nil {
			p.Until = *until
		}
		if longest == nil || p.Until.IsZero() || p.Until.After(longest.Until) {
			longest = p
		}
	}
	return longest
}

// member returns a bot's part of the input that depends neither on the chat nor on its
// messages.
func (p *players) member(id int64, b *rostercache.Bot) decide.Bot {
	if m, made := p.members[id]; made {
		return m
	}
	m := decide.Bot{
		ID: id, Name: b.Name, Username: b.Username, DisplayName: b.Name, Enabled: b.Enabled && b.Acts(),
		Tempo: b.Tempo, HourlyMin: b.HourlyMin, HourlyMax: b.HourlyMax, Empathy: 0.5, Energy: 0.5,
	}
	if persona, has := p.personas[rostercache.BotID(id)]; has {
		m.DisplayName, m.Interests, m.Empathy, m.Energy = persona.DisplayName, persona.Interests, persona.Empathy, persona.Energy
		m.Tone, m.Length = persona.Tone, persona.Voice.Length
		for _, s := range persona.Stickers {
			m.Stickers = append(m.Stickers, decide.Sticker(s))
		}
	}
	for _, s := range p.stances[rostercache.BotID(id)] {
		m.Stances = append(m.Stances, decide.Stance{Topic: s.Topic, Confidence: s.Confidence, CooldownUntil: s.CooldownUntil})
	}
	var err error
	if m.ActiveHours, err = hours.ParseAll(b.ActiveHours); err != nil {
		// A bot with invalid hours stays silent. It must not talk at an hour that its owner
		// excluded.
		m.Enabled = false
	}
	p.members[id] = m
	return m
}

// messages returns the messages that were read, without the names of bots.
func (r *row) messages() []decide.Message {
	read := make([]decide.Message, len(r.Numbers))
	for i := range read {
		read[i] = decide.Message{
			Number: r.Numbers[i], BotID: r.Authors[i], Author: r.People[i], Text: r.Bodies[i], Words: decide.WordsOf(r.Bodies[i]),
			ReplyTo: r.Replies[i], At: r.Times[i],
		}
	}
	for i, number := range r.Known {
		if at := slices.Index(r.Numbers, number); at >= 0 { // otherwise it is no talk
			read[at].Usable = append(read[at].Usable, r.Viewers[i])
		}
	}
	return read
}

// recent returns the last messages, the oldest first, with the names of their authors.
func (r *row) recent(all players) []decide.Message {
	for i := range r.last { // nothing else uses this slice
		if m := &r.last[i]; m.BotID != 0 {
			m.Author = all.personas[rostercache.BotID(m.BotID)].DisplayName
		}
	}
	return r.last
}

// recently sums the counts of the last slots. It does the same as the SQL function
// recently, which takes 50 µs for a call.
func recently(counts []int, countedIn, slot, slots int64) (n int) {
	passed := max(slot-countedIn, 0)
	for _, c := range counts[:min(max(slots+1-passed, 0), int64(len(counts)))] {
		n += c
	}
	return n
}

// numbers parses a row of numbers, separated by spaces.
func numbers(text string) []int {
	all := make([]int, 0, len(text)/2+1)
	for field := range strings.FieldsSeq(text) {
		n, _ := strconv.Atoi(field) // the database writes numbers only
		all = append(all, n)
	}
	return all
}

// each queues a query and scans its rows one by one.
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

// countSinceRefresh counts the messages of a bot since its persona was last recalled to it.
func countSinceRefresh(recent []decide.Message, b *decide.Bot) (n int) {
	for i := range recent {
		if m := &recent[i]; m.BotID == b.ID && m.At.After(b.LastRefresh) {
			n++
		}
	}
	return n
}
