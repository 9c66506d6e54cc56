package chats

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// Summary is a chat in a list.
type Summary struct {
	ID      int64  `json:"id" doc:"Chorus' number of the chat"`
	Name    string `json:"name"`
	Title   string `json:"title"`
	Enabled bool   `json:"enabled" doc:"whether the cast may talk there"`
	Waiting string `json:"waiting,omitempty" doc:"what its clock waits for; empty where a turn is planned"`
	NoTexts string `json:"no_texts,omitempty" doc:"why nobody writes texts, for any chat; empty where they are written" db:"-"`
	// Paused is since when an administrator of the chat wants it quiet.
	Paused      *time.Time `json:"paused_at,omitempty"`
	PausedUntil *time.Time `json:"paused_until,omitempty" doc:"empty for until somebody ends the pause"`
	NextTurn    time.Time  `json:"next_turn_at" doc:"when the planner looks at it next"`
	Bots        int        `json:"bots"`
	Open        int        `json:"open_turns"`
	LastAt      *time.Time `json:"last_line_at,omitempty"`
	LastAuthor  string     `json:"last_line_by,omitempty"`
	LastText    string     `json:"last_line,omitempty" doc:"its beginning"`
}

// Rests says why it is quiet; empty where its cast talks.
func (s *Summary) Rests() string {
	return cmp.Or(Rests(s.Enabled, s.Waiting, s.Paused, s.PausedUntil), s.NoTexts)
}

// Called returns the chat's title, or its name without one.
func (s *Summary) Called() string {
	if s.Title == "" {
		return s.Name
	}
	return s.Title
}

type listQuery struct {
	Q     string `query:"q" maxLength:"100" doc:"must be in the name or title"`
	After string `query:"after" maxLength:"64" doc:"the name of the last chat of the page before"`
}

// List is a page of chats.
type List struct {
	Chats []Summary `json:"chats"`
	Next  string    `json:"next,omitempty" doc:"after, for the next page; empty on the last"`
}

type listAnswer struct{ Body List }

const (
	listed = 50

	listChats = `-- console: list chats
SELECT c.id, c.name, c.title, c.enabled, ` + summary + `
FROM (
    SELECT * FROM chats WHERE removed_at IS NULL AND kind <> 'private' AND name > $1 AND ($2 = '' OR position(lower($2) IN lower(name || ' ' || title)) > 0)
    ORDER BY name LIMIT $3) c` + summarised + `
ORDER BY c.name`
	recentChats = `-- console: recent chats
SELECT c.id, c.name, c.title, c.enabled, ` + summary + `
FROM (
    SELECT x.* FROM chats x JOIN chat_clock y ON y.chat_id = x.id WHERE x.removed_at IS NULL AND x.kind <> 'private'
    ORDER BY y.turn_no = 0, y.next_turn_at LIMIT $1) c` + summarised + `
ORDER BY l.sent_at DESC NULLS LAST, c.name`
	summary = `coalesce(k.waiting_for, ''), p.paused_at, p.paused_until, coalesce(k.next_turn_at, 'epoch'),
    (SELECT count(*) FROM cast_members m WHERE m.chat_id = c.id)::integer,
    (SELECT count(*) FROM turns t WHERE t.chat_id = c.id AND t.closed_at IS NULL)::integer,
    l.sent_at, coalesce(l.author, ''), coalesce(l.body, '')`
	summarised = `
LEFT JOIN chat_clock k ON k.chat_id = c.id
LEFT JOIN chat_pauses p ON p.chat_id = c.id AND p.paused_at IS NOT NULL AND (p.paused_until IS NULL OR p.paused_until > now())
LEFT JOIN LATERAL (
    SELECT m.sent_at, left(m.body, 160) AS body, ` + author + ` AS author FROM messages m WHERE m.chat_id = c.id ORDER BY m.number DESC LIMIT 1) l ON true`
	author = `coalesce((SELECT display_name FROM personas WHERE bot_id = m.bot_id), (SELECT name FROM people WHERE telegram_id = m.person_id),
        (SELECT name FROM bots WHERE id = m.bot_id), '')`
)

func (a *Area) readList(ctx context.Context, in *listQuery) (*listAnswer, error) {
	found, err := store.Collect(ctx, a.Pool, "list chats", pgx.RowToStructByPos[Summary], listChats, in.After, in.Q, listed+1)
	if err != nil {
		return nil, err
	}
	out := &listAnswer{List{Chats: found}}
	if err := withTexts(ctx, a.Pool, found); err != nil {
		return nil, err
	}
	if len(found) > listed {
		out.Body.Chats = found[:listed]
		out.Body.Next = found[listed-1].Name
	}
	return out, nil
}

// Recent are the chats that talk first, at most so many.
func Recent(ctx context.Context, pool *pgxpool.Pool, limit int) ([]Summary, error) {
	found, err := store.Collect(ctx, pool, "read chats", pgx.RowToStructByPos[Summary], recentChats, limit)
	if err != nil {
		return nil, err
	}
	return found, withTexts(ctx, pool, found)
}

// withTexts notes in chats whether their texts are written.
func withTexts(ctx context.Context, pool *pgxpool.Pool, found []Summary) error {
	why, err := noTexts(ctx, pool)
	for i := range found {
		found[i].NoTexts = why
	}
	return err
}

// noTexts returns why no texts are written at present; empty if they are.
func noTexts(ctx context.Context, pool *pgxpool.Pool) (string, error) {
	silence, err := usage.FindSilence(ctx, pool)
	if err != nil || !silence.Lasts() {
		return "", err
	}
	return silence.String(), nil
}

func (a *Area) listPage(w http.ResponseWriter, r *http.Request) {
	in := listQuery{Q: r.URL.Query().Get("q"), After: r.URL.Query().Get("after")}
	found, err := a.list.Call(r.Context(), &in)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	next := ""
	if found.Body.Next != "" {
		next = "/chats?" + url.Values{"q": {in.Q}, "after": {found.Body.Next}}.Encode()
	}
	a.pages.Render(w, r, page.View{Title: "Chats", Section: "chats", Body: list(found.Body.Chats, in.Q, next)})
}
