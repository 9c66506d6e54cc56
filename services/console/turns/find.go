package turns

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Filter chooses turns; the zero Filter chooses all. It stands in the address of the list.
type Filter struct {
	Chat    int64  `query:"chat" json:"chat,omitempty" doc:"Chorus' number of the chat; 0 for all"`
	Bot     string `query:"bot" json:"bot,omitempty" maxLength:"64" doc:"the bot's name"`
	Kind    string `query:"kind" json:"kind,omitempty" doc:"message, reply, reaction or command"`
	Outcome string `query:"outcome" json:"outcome,omitempty" doc:"open, delivered, fell_back, passed, rejected, expired, unknown or dead"`
	Rule    string `query:"rule" json:"rule,omitempty" maxLength:"64" doc:"a rule that led to it, such as target.question"`
	Text    string `query:"text" json:"text,omitempty" maxLength:"100" doc:"must be in its text, topic or reason"`
	From    string `query:"from" json:"from,omitempty" doc:"planned then or later, such as 2026-01-31 or 2026-01-31T18:30, UTC"`
	To      string `query:"to" json:"to,omitempty" doc:"planned before"`
	Before  string `query:"before" json:"before,omitempty" doc:"next of the page before"`
}

func kinds() []string { return []string{"message", "reply", "reaction", "command"} }

// open is the outcome of a turn that has none yet.
const open = "open"

func outcomes() []string {
	return []string{open, "delivered", "fell_back", "passed", "rejected", "expired", "unknown", "dead"}
}

// Found is a turn in a list.
type Found struct {
	Chat     int64      `json:"chat"`
	ChatName string     `json:"chat_name"`
	Number   int64      `json:"number"`
	Bot      string     `json:"bot"`
	Kind     string     `json:"kind"`
	Topic    string     `json:"topic,omitempty"`
	Planned  time.Time  `json:"planned_at"`
	Closed   *time.Time `json:"closed_at,omitempty"`
	Outcome  string     `json:"outcome" doc:"open while it has not ended"`
	Reason   string     `json:"reason,omitempty"`
	Text     string     `json:"text,omitempty" doc:"the beginning of what was said, or is to be"`
}

// Took returns the duration of an ended turn.
func (f *Found) Took() string {
	if f.Closed == nil {
		return ""
	}
	return short(f.Closed.Sub(f.Planned))
}

// List is a page of turns.
type List struct {
	Turns []Found `json:"turns"`
	// Next is before, for the next page; empty on the last.
	Next string `json:"next,omitempty"`
	// SearchedTo is the end of the search, if there may be more turns before it.
	SearchedTo *time.Time `json:"searched_to,omitempty" doc:"how far back it was looked, where there may be more beyond"`
}

type listAnswer struct{ Body List }

const (
	listed = 50
	// looked limits the turns of an outcome or chat that are read for a page when no index
	// finds the matching ones. It bounds the time of a page.
	looked = 8000
	// maxRule limits the name of a rule: its encoded length must fit in one byte.
	maxRule = 64
	// lookedText is the same where their texts are searched.
	lookedText = 2000
)

const (
	columns = `t.chat_id, (SELECT name FROM chats WHERE id = t.chat_id), t.turn_no, coalesce((SELECT name FROM bots WHERE id = t.bot_id), ''),
    t.kind, t.topic, t.planned_at, t.closed_at, coalesce(t.outcome, 'open'), t.reason,
    coalesce((SELECT left(d.body, 160) FROM deliveries d WHERE d.chat_id = t.chat_id AND d.turn_no = t.turn_no ORDER BY part LIMIT 1), '')`
	// $1 bot, $2 kind, $3 outcomes, $4 rule, $5 text, $6 from, $7 to, $8 how many.
	matching = `
  AND ($1 = '' OR x.bot_id = (SELECT id FROM bots WHERE name = $1)) AND ($2 = '' OR x.kind = $2)
  AND ($4::bytea = '' OR position($4::bytea IN x.payload) > 0)
  AND ($5 = '' OR position(lower($5) IN lower(x.topic || ' ' || x.reason)) > 0 OR EXISTS (
      SELECT FROM deliveries d WHERE d.chat_id = x.chat_id AND d.turn_no = x.turn_no AND position(lower($5) IN lower(d.body)) > 0))
  AND x.planned_at >= $6 AND x.planned_at < $7`
	inOrder = ` ORDER BY planned_at DESC, chat_id DESC, turn_no DESC LIMIT $8`

	// $9 to $11 are the position of the last turn on the page before, $12 is the start of the
	// period.
	findAll = `-- console: find turns
SELECT ` + columns + ` FROM (
    SELECT * FROM (
        SELECT * FROM (SELECT * FROM turns WHERE closed_at IS NULL AND 'open' = ANY($3) LIMIT 20000) x
        WHERE (x.planned_at, x.chat_id, x.turn_no) < ($9, $10, $11) AND x.planned_at >= $12` + matching + `
        UNION ALL
        SELECT e.* FROM unnest($3::text[]) AS o(outcome) CROSS JOIN LATERAL (
            SELECT * FROM turns x WHERE x.closed_at IS NOT NULL AND x.outcome = o.outcome AND x.planned_at <= $9 AND x.planned_at >= $12
              AND (x.planned_at, x.chat_id, x.turn_no) < ($9, $10, $11)` + matching + inOrder + `) e) f` + inOrder + `) t
ORDER BY t.planned_at DESC, t.chat_id DESC, t.turn_no DESC`
	// A chat's turns are planned in the order of their numbers: $9 is the chat, $10 and $11
	// are between which.
	findInChat = `-- console: find turns of a chat
SELECT ` + columns + ` FROM (
    SELECT * FROM turns x WHERE x.chat_id = $9 AND x.turn_no >= $10 AND x.turn_no < $11 AND coalesce(x.outcome, 'open') = ANY($3)` + matching + `
    ORDER BY turn_no DESC LIMIT $8) t
ORDER BY t.turn_no DESC`
	// The start of the period when searching by outcomes.
	lookBack = `-- console: look back
SELECT max(f.planned_at) FROM unnest($1::text[]) AS o(outcome) CROSS JOIN LATERAL (
    SELECT planned_at FROM turns WHERE closed_at IS NOT NULL AND outcome = o.outcome AND planned_at <= $2 ORDER BY planned_at DESC OFFSET $3 LIMIT 1) f`
	lookBackInChat = `-- console: look back in a chat
SELECT planned_at FROM turns WHERE chat_id = $1 AND turn_no = $2`
	lastTurn = `-- console: last turn
SELECT turn_no FROM turns WHERE chat_id = $1 ORDER BY turn_no DESC LIMIT 1`
)

// place is a turn's position in the list's order.
type place struct {
	at           time.Time
	chat, number int64
}

func (p place) String() string { return fmt.Sprintf("%d-%d-%d", p.at.UnixMicro(), p.chat, p.number) }

// end is after all turns.
func end() place {
	const last = 1<<63 - 1
	return place{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), last, last}
}

func parsePlace(text string) (p place, err error) {
	if text == "" {
		return end(), nil
	}
	var micros int64
	_, err = fmt.Sscanf(text, "%d-%d-%d", &micros, &p.chat, &p.number)
	if p.at = time.UnixMicro(micros); err != nil || p.String() != text {
		return p, &operation.InvalidError{Field: "before", Value: strconv.Quote(text), Want: "next of the page before"}
	}
	return p, nil
}

// search is a filter that was read.
type search struct {
	Filter

	outcomes []string
	from, to time.Time
	before   place
	limit    int
}

func (f Filter) read(limit int) (s search, err error) {
	s = search{Filter: f, outcomes: outcomes(), from: time.Unix(0, 0), to: end().at, limit: limit}
	if f.Outcome != "" {
		s.outcomes = []string{f.Outcome}
	}
	for _, c := range []struct {
		field, value string
		allowed      []string
	}{{"kind", f.Kind, kinds()}, {"outcome", f.Outcome, outcomes()}} {
		if c.value != "" && !slices.Contains(c.allowed, c.value) {
			return s, &operation.InvalidError{Field: c.field, Value: strconv.Quote(c.value), Want: strings.Join(c.allowed, ", ")}
		}
	}
	if s.from, err = operation.Instant("from", f.From, s.from); err != nil {
		return s, err
	}
	if s.to, err = operation.Instant("to", f.To, s.to); err != nil {
		return s, err
	}
	if len(f.Rule) > maxRule {
		return s, &operation.InvalidError{Field: "rule", Value: strconv.Quote(f.Rule[:maxRule]) + "…", Want: "a rule's name"}
	}
	s.before, err = parsePlace(f.Before)
	return s, err
}

// rule returns the encoding of a rule in a turn's payload: field 1 of a reason.
func (s *search) rule() []byte {
	if s.Rule == "" {
		return []byte{}
	}
	return append([]byte{0x0a, byte(len(s.Rule))}, s.Rule...) //nolint:gosec // it is short
}

// sifts reports whether turns must be read one by one.
func (s *search) sifts() bool { return s.Bot+s.Kind+s.Rule+s.Text != "" }

// looks returns how many turns of an outcome or chat are read: only a page if all of them
// match, because the database would sort everything it reads.
func (s *search) looks() int {
	switch {
	case s.Text != "":
		return lookedText
	case s.sifts() || s.Chat != 0:
		return looked
	}
	return s.limit + 1
}

func (a *Area) readList(ctx context.Context, in *Filter) (*listAnswer, error) {
	s, err := in.read(listed)
	if err != nil {
		return nil, err
	}
	l, err := a.find(ctx, s)
	if err != nil {
		return nil, err
	}
	return &listAnswer{l}, nil
}

// find returns turns, newest first, and the position of the next page.
func (a *Area) find(ctx context.Context, s search) (List, error) {
	if s.Chat != 0 {
		return a.findInChat(ctx, s)
	}
	if s.to.Before(s.before.at) {
		s.before = place{s.to, 0, 0}
	}
	back := s.from
	var floor *time.Time
	if err := a.Pool.QueryRow(ctx, lookBack, s.outcomes, s.before.at, s.looks()).Scan(&floor); err != nil {
		return List{}, fmt.Errorf("look how far to look: %w", err)
	}
	if floor != nil && floor.After(back) {
		back = *floor
	} else {
		floor = nil
	}
	found, err := a.query(ctx, findAll, s, s.before.at, s.before.chat, s.before.number, back)
	if err != nil {
		return List{}, err
	}
	l := s.page(found)
	if l.Next == "" && floor != nil {
		l.SearchedTo, l.Next = floor, place{*floor, 0, 0}.String()
	}
	return l, nil
}

func (a *Area) findInChat(ctx context.Context, s search) (List, error) {
	to := s.before.number
	if to == end().number {
		newest, err := store.Collect(ctx, a.Pool, "look for the last turn", pgx.RowTo[int64], lastTurn, s.Chat)
		if err != nil || len(newest) == 0 {
			return List{Turns: []Found{}}, err
		}
		to = newest[0] + 1
	}
	from := max(0, to-int64(s.looks()))
	found, err := a.query(ctx, findInChat, s, s.Chat, from, to)
	if err != nil {
		return List{}, err
	}
	l := s.page(found)
	if l.Next != "" || from <= 1 {
		return l, nil
	}
	at, err := store.Collect(ctx, a.Pool, "look how far it was looked", pgx.RowTo[time.Time], lookBackInChat, s.Chat, from)
	if err != nil || len(at) == 0 || at[0].Before(s.from) { // else it is older than what is kept
		return l, err
	}
	l.SearchedTo, l.Next = &at[0], place{at[0], s.Chat, from}.String()
	return l, nil
}

// query finds turns, by a plan for what is asked.
func (a *Area) query(ctx context.Context, sql string, s search, bounds ...any) ([]Found, error) {
	args := append([]any{pgx.QueryExecModeDescribeExec, s.Bot, s.Kind, s.outcomes, s.rule(), s.Text, s.from, s.to, s.limit + 1}, bounds...)
	return store.Collect(ctx, a.Pool, "find turns", pgx.RowToStructByPos[Found], sql, args...)
}

func (s *search) page(found []Found) List {
	if len(found) <= s.limit {
		return List{Turns: found}
	}
	last := found[s.limit-1]
	return List{Turns: found[:s.limit], Next: place{last.Planned, last.Chat, last.Number}.String()}
}

// Query is the filter as it stands in an address, but for some fields.
func (f Filter) Query(without ...string) string {
	q := url.Values{}
	for name, value := range map[string]string{
		"bot": f.Bot, "kind": f.Kind, "outcome": f.Outcome, "rule": f.Rule, "text": f.Text, "from": f.From, "to": f.To, "before": f.Before,
	} {
		if value != "" && !slices.Contains(without, name) {
			q.Set(name, value)
		}
	}
	if f.Chat != 0 && !slices.Contains(without, "chat") {
		q.Set("chat", strconv.FormatInt(f.Chat, 10))
	}
	return q.Encode()
}

func filterOf(r *http.Request) (Filter, error) {
	q := r.URL.Query()
	f := Filter{
		Bot: q.Get("bot"), Kind: q.Get("kind"), Outcome: q.Get("outcome"), Rule: q.Get("rule"), Text: q.Get("text"),
		From: q.Get("from"), To: q.Get("to"), Before: q.Get("before"),
	}
	if text := q.Get("chat"); text != "" {
		var err error
		if f.Chat, err = strconv.ParseInt(text, 10, 64); err != nil || f.Chat < 1 {
			return f, &operation.InvalidError{Field: "chat", Value: strconv.Quote(text), Want: "a chat's number"}
		}
	}
	return f, nil
}
