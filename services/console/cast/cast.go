// Package cast is the part of the console where bots, personas and chats are looked at and
// changed: by forms or as a file, always shown as a diff before it is applied, and with a
// way back.
package cast

import (
	"context"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/casting"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// Deps are the dependencies of the pages of the cast.
type Deps struct {
	Pool *pgxpool.Pool
	// Keys seal tokens.
	Keys secret.Keyring
	Tools
}

// Tools are functions that other services provide. Each may be nil.
type Tools struct {
	// Token and Chat make the account of a bot and a group, where Telegram is emulated.
	Token casting.TokenResolver
	Chat  casting.ChatResolver
	// Say returns a bot's answer in a chat, without sending it.
	Say func(ctx context.Context, chat, bot int64, text string) (string, error)
	// Write asks a model for a text. It is nil where none is configured.
	Write func(ctx context.Context, system, user string) (string, error)
}

// Area is that part of the console.
type Area struct {
	Deps

	pages *page.Pages

	bots     *operation.Of[listed, botsAnswer]
	chats    *operation.Of[listed, chatsAnswer]
	read     *operation.Of[struct{}, fileAnswer]
	plan     *operation.Of[planned, planAnswer]
	apply    *operation.Of[applied, planAnswer]
	versions *operation.Of[versionsAsked, versionsAnswer]
	version  *operation.Of[versionAsked, versionAnswer]
	draft    *operation.Of[draftAsked, draftAnswer]
	memories *operation.Of[memoriesAsked, memoriesAnswer]
	remember *operation.Of[memoryGiven, memoryAnswer]
	forget   *operation.Of[memoryNamed, struct{}]
	say      *operation.Of[said, sayAnswer]
}

// New adds it to a console.
func New(set *operation.Set, pages *page.Pages, deps Deps) *Area {
	a := &Area{Deps: deps, pages: pages}
	op := func(id, at, summary string, least access.Role) operation.Operation {
		method, path, _ := strings.Cut(at, " ")
		return operation.Operation{ID: id, Method: method, Path: path, Summary: summary, Tag: "cast", Role: least}
	}
	spends := func(o operation.Operation) operation.Operation { o.Spends = true; return o }
	changes := func(o operation.Operation) operation.Operation { // what they are given may hold tokens, or words about people
		o.Changes, o.Secret = true, true
		return o
	}
	a.bots = operation.Add(set, op("list-bots", "GET /cast/bots", "The bots of the cast, by name", access.Viewer), a.listBots)
	a.chats = operation.Add(set, op("list-cast-chats", "GET /cast/chats", "The chats of the cast, by name", access.Viewer), a.listChats)
	a.read = operation.Add(set, op("read-cast", "GET /cast", "The whole cast as a file, without tokens", access.Viewer), a.readCast)
	a.plan = operation.Add(set, op("plan-cast", "POST /cast/plan", "What applying a cast file would change", access.Editor), a.planCast)
	a.apply = operation.Add(set, changes(op("apply-cast", "POST /cast/apply", "Apply a cast file to the roster of its plan", access.Editor)), a.applyCast)
	a.versions = operation.Add(set, op("list-cast-versions", "GET /cast/versions", "What was applied, the newest first", access.Viewer), a.listVersions)
	a.version = operation.Add(set, op("read-cast-version", "GET /cast/versions/{id}", "The cast as it was after it was applied", access.Viewer), a.readVersion)
	a.draft = operation.Add(set, spends(op("draft-persona", "POST /cast/draft", "Draft a persona; nothing is saved", access.Editor)), a.draftPersona)
	a.memories = operation.Add(set, op("list-memories", "GET /cast/bots/{bot}/memories", "What a bot remembers", access.Viewer), a.listMemories)
	a.remember = operation.Add(set, changes(op("add-memory", "POST /cast/bots/{bot}/memories", "Give a bot a memory", access.Editor)), a.addMemory)
	a.forget = operation.Add(set, changes(op("forget-memory", "DELETE /cast/memories/{id}", "Take a memory back", access.Editor)), a.forgetMemory)
	a.say = operation.Add(set, spends(op("say-to-bot", "POST /cast/bots/{bot}/say", "What a bot would answer; nothing is sent", access.Editor)), a.sayToBot)
	return a
}

// Routes adds its pages.
func (a *Area) Routes(r chi.Router) {
	r.Get("/cast", a.pageBots)
	r.Get("/cast/chats", a.pageChats)
	r.Get("/cast/file", a.pageFile)
	r.Get("/cast/export", a.export)
	r.Post("/cast/plan", a.pagePlan)
	r.Post("/cast/apply", a.doApply)
	r.Get("/cast/history", a.pageHistory)
	r.Get("/cast/history/{id}", a.pageVersion)
	r.Get("/cast/new", a.pageNew)
	r.Post("/cast/new", a.pageDraft)
	r.Get("/cast/bots/{name}", a.pageBot)
	r.Post("/cast/bots/{name}", a.planBot)
	r.Post("/cast/bots/{name}/memories", a.doRemember)
	r.Post("/cast/bots/{name}/memories/{id}", a.doForget)
	r.Post("/cast/bots/{name}/say", a.pageSay)
	r.Get("/cast/chats/{name}", a.pageChat)
	r.Post("/cast/chats/{name}", a.planChat)
}

// perPage is the number of bots, chats and versions on a page.
const perPage = 50

type listed struct {
	After string `query:"after" doc:"only those after this name"`
	Limit int    `query:"limit" default:"50" minimum:"1" maximum:"500"`
}

func (l *listed) limit() int {
	const maxListed = 500
	if l.Limit < 1 {
		return perPage
	}
	return min(l.Limit, maxListed)
}

// listedBot is a bot in a list.
type listedBot struct {
	ID       int64    `json:"id" doc:"by which operations that take a bot_id know it"`
	Name     string   `json:"name"`
	Display  string   `json:"display_name"`
	Username string   `json:"username,omitempty"`
	Summary  string   `json:"summary"`
	Tone     string   `json:"tone"`
	Enabled  bool     `json:"enabled"`
	Stopped  string   `json:"stopped,omitempty" doc:"why Telegram stopped it"`
	Chats    []string `json:"chats" doc:"where it plays, at most 20"`
}

// listedChat is a chat in a list.
type listedChat struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Title    string `json:"title"`
	Language string `json:"language"`
	Enabled  bool   `json:"enabled"`
	Bots     int    `json:"bots"`
}

type botsAnswer struct {
	Body struct {
		Bots []listedBot `json:"bots"`
		Next string      `json:"next,omitempty" doc:"give it as after to go on"`
	}
}

type chatsAnswer struct {
	Body struct {
		Chats []listedChat `json:"chats"`
		Next  string       `json:"next,omitempty" doc:"give it as after to go on"`
	}
}

const (
	listBots = `-- console: cast bots
SELECT b.id, b.name, coalesce(p.display_name, b.name), coalesce(b.username, ''), coalesce(p.summary, ''), coalesce(p.tone, ''), b.enabled,
    coalesce(b.stopped_why, ''),
    ARRAY(SELECT c.name FROM cast_members m JOIN chats c ON c.id = m.chat_id WHERE m.bot_id = b.id AND c.removed_at IS NULL ORDER BY c.name LIMIT 20)
FROM bots b LEFT JOIN personas p ON p.bot_id = b.id WHERE b.removed_at IS NULL AND b.name > $1 ORDER BY b.name LIMIT $2`
	listChats = `-- console: cast chats
SELECT c.id, c.name, c.title, c.language, c.enabled, (SELECT count(*) FROM cast_members m WHERE m.chat_id = c.id)::integer
FROM chats c WHERE c.removed_at IS NULL AND c.name > $1 ORDER BY c.name LIMIT $2`
)

func (a *Area) listBots(ctx context.Context, in *listed) (*botsAnswer, error) {
	out := &botsAnswer{}
	found, err := store.Collect(ctx, a.Pool, "list bots", pgx.RowToStructByPos[listedBot], listBots, in.After, in.limit()+1)
	if err != nil {
		return nil, err
	}
	out.Body.Bots, out.Body.Next = cut(found, in.limit(), func(b listedBot) string { return b.Name })
	return out, nil
}

func (a *Area) listChats(ctx context.Context, in *listed) (*chatsAnswer, error) {
	out := &chatsAnswer{}
	found, err := store.Collect(ctx, a.Pool, "list chats", pgx.RowToStructByPos[listedChat], listChats, in.After, in.limit()+1)
	if err != nil {
		return nil, err
	}
	out.Body.Chats, out.Body.Next = cut(found, in.limit(), func(c listedChat) string { return c.Name })
	return out, nil
}

// cut removes the extra row that shows whether there are more, and returns its name, at which
// the next page begins.
func cut[T any](found []T, limit int, name func(T) string) (shown []T, next string) {
	if len(found) <= limit {
		return found, ""
	}
	return found[:limit], name(found[limit-1])
}

// roster reads the whole cast.
func (a *Area) roster(ctx context.Context) (roster.Cast, error) {
	return rosterpg.Read(ctx, a.Pool, rosterpg.Tokens{Keyring: a.Keys})
}
