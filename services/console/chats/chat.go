package chats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// Chat is the state of a chat.
type Chat struct {
	ID       int64      `json:"id"`
	Name     string     `json:"name"`
	Title    string     `json:"title"`
	Kind     string     `json:"kind" doc:"group or supergroup"`
	Language string     `json:"language"`
	TimeZone string     `json:"time_zone"`
	Topics   []string   `json:"topics"`
	Removed  bool       `json:"removed,omitempty" doc:"whether it is no longer in the roster"`
	Enabled  bool       `json:"enabled"`
	Turns    int64      `json:"turns" doc:"the number of its last turn"`
	Waiting  string     `json:"waiting,omitempty"`
	NoTexts  string     `json:"no_texts,omitempty" doc:"why nobody writes texts, for any chat" db:"-"`
	NextTurn time.Time  `json:"next_turn_at"`
	Lively   bool       `json:"lively" doc:"whether it is in a spell in which turns follow each other quickly"`
	Paused   *time.Time `json:"paused_at,omitempty"`
	Until    *time.Time `json:"paused_until,omitempty"`
	Now      time.Time  `json:"now" doc:"the time of the database, by which the others are"`

	Pauses   []Pause    `json:"pauses" db:"-" doc:"of the chat and of bots in it"`
	Open     []OpenTurn `json:"open_turns" db:"-"`
	Settings []Setting  `json:"settings" db:"-"`
	Outlook  *Outlook   `json:"outlook,omitempty" db:"-"`
}

// Rests says why it is quiet; empty where its cast talks.
func (c *Chat) Rests() string {
	if c.Removed {
		return "removed from the roster"
	}
	return cmp.Or(Rests(c.Enabled, c.Waiting, c.Paused, c.Until), c.NoTexts)
}

// Spell says how quickly its turns follow each other; empty where they always do alike, or
// none follow.
func (c *Chat) Spell() string {
	even := slices.ContainsFunc(c.Settings, func(s Setting) bool { return s.Key == settings.LivelyGapFactor.Key && s.Value == "1" })
	paced := c.Outlook != nil && slices.ContainsFunc(c.Outlook.Facts, func(f Fact) bool { return f.Name == "pace" })
	switch {
	case even || paced || c.Rests() != "":
		return ""
	case c.Lively:
		return "a lively spell: turns follow each other quickly"
	}
	return "a quiet spell: turns are further apart"
}

// Called returns the chat's title, or its name without one.
func (c *Chat) Called() string {
	if c.Title == "" {
		return c.Name
	}
	return c.Title
}

// OpenTurn is one that has not ended.
type OpenTurn struct {
	Number    int64      `json:"number"`
	Kind      string     `json:"kind"`
	Bot       string     `json:"bot"`
	Planned   time.Time  `json:"planned_at"`
	Expires   time.Time  `json:"expires_at"`
	Written   *time.Time `json:"written_at,omitempty"`
	Claimed   bool       `json:"claimed" doc:"whether somebody works on it now"`
	NotBefore *time.Time `json:"not_before,omitempty" doc:"until when it waits"`
	Held      bool       `json:"held" doc:"whether its text waits for a person"`
}

// State describes what the turn waits for.
func (o *OpenTurn) State() string {
	switch {
	case o.Held:
		return "waits to be approved"
	case o.NotBefore != nil:
		return "waits until " + page.Clock(*o.NotBefore)
	case o.Written == nil && o.Claimed:
		return "is being written"
	case o.Written == nil:
		return "waits for its text"
	case o.Claimed:
		return "is being sent"
	}
	return "waits to be sent"
}

// Setting is one that holds in a chat.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from" doc:"chat, global, style or default"`
	About string `json:"about"`
}

type chatQuery struct {
	ID int64 `path:"id"`
}

type chatAnswer struct{ Body Chat }

const (
	maxOpen, maxPauses = 20, 20

	readChat = `-- console: chat
SELECT c.id, c.name, c.title, c.kind, c.language, c.time_zone, c.topics, c.removed_at IS NOT NULL, c.enabled, coalesce(k.turn_no, 0),
    coalesce(k.waiting_for, ''), coalesce(k.next_turn_at, 'epoch'), coalesce(k.lively, false), p.paused_at, p.paused_until, now()
FROM chats c LEFT JOIN chat_clock k ON k.chat_id = c.id
LEFT JOIN chat_pauses p ON p.chat_id = c.id AND p.paused_at IS NOT NULL AND (p.paused_until IS NULL OR p.paused_until > now())
WHERE c.id = $1`
	// The first open delivery of a written turn tells what the turn waits for.
	openTurns = `-- console: open turns
SELECT t.turn_no, t.kind, coalesce((SELECT display_name FROM personas WHERE bot_id = t.bot_id), ''), t.planned_at, t.expires_at, t.written_at,
    coalesce(d.owner, t.owner) IS NOT NULL, coalesce(d.not_before, t.not_before), coalesce(d.lane = 'held', false)
FROM (SELECT * FROM turns WHERE chat_id = $1 AND closed_at IS NULL ORDER BY turn_no LIMIT $2) t
LEFT JOIN LATERAL (
    SELECT owner, not_before, lane FROM deliveries x
    WHERE x.chat_id = t.chat_id AND x.turn_no = t.turn_no AND x.closed_at IS NULL ORDER BY part LIMIT 1) d ON true
ORDER BY t.turn_no`
)

func (a *Area) readChat(ctx context.Context, in *chatQuery) (*chatAnswer, error) {
	var c Chat
	var b pgx.Batch
	b.Queue(readChat, in.ID).Query(func(rows pgx.Rows) (err error) {
		c, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Chat])
		return err
	})
	b.Queue(openTurns, in.ID, maxOpen).Query(func(rows pgx.Rows) (err error) {
		c.Open, err = pgx.CollectRows(rows, pgx.RowToStructByPos[OpenTurn])
		return err
	})
	err := a.Pool.SendBatch(ctx, &b).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, operation.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read a chat: %w", err)
	}
	if c.Pauses, err = Pauses(ctx, a.Pool, in.ID, maxPauses); err != nil {
		return nil, err
	}
	c.Settings = a.settings(in.ID)
	if c.NoTexts, err = noTexts(ctx, a.Pool); err != nil {
		return nil, err
	}
	if a.Outlook != nil && !c.Removed {
		o, err := a.Outlook(ctx, c.Name)
		if err != nil {
			return nil, err
		}
		c.Outlook = &o
	}
	return &chatAnswer{c}, nil
}

// settings returns the settings in effect in a chat, changed ones first.
func (a *Area) settings(chat int64) []Setting {
	var values *settings.Values
	if a.Settings != nil {
		values = a.Settings()
	}
	var set, rest []Setting
	for _, d := range settings.All() {
		text, from := values.Text(d, chat, 0)
		s := Setting{Key: d.Key, Value: text, From: string(from), About: d.Description}
		switch {
		case from != "":
			set = append(set, s)
			continue
		case text != d.Default:
			s.From = "style"
		default:
			s.From = "default"
		}
		rest = append(rest, s)
	}
	return append(set, rest...)
}

func chatOf(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
	if err != nil {
		return 0, operation.ErrNotFound
	}
	return id, nil
}

func (a *Area) chat(r *http.Request) (Chat, error) {
	id, err := chatOf(r)
	if err != nil {
		return Chat{}, err
	}
	found, err := a.show.Call(r.Context(), &chatQuery{id})
	if err != nil {
		return Chat{}, err
	}
	return found.Body, nil
}

func (a *Area) chatPage(w http.ResponseWriter, r *http.Request) {
	c, err := a.chat(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	before, err := whole(r, "before")
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	said, err := a.lines.Call(r.Context(), &linesQuery{ID: c.ID, Before: before})
	a.pages.Show(w, r, err, func() page.View {
		at := seen{Turn: c.Turns}
		at.add(said.Body.Lines)
		return page.View{Title: c.Called(), Section: "chats", Body: chat(c, said.Body.Lines, said.Body.More, before > 0, at)}
	})
}

// statePart answers an open page that looks again how things stand.
func (a *Area) statePart(w http.ResponseWriter, r *http.Request) {
	c, err := a.chat(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	a.pages.Fragment(w, r, state(c))
}
