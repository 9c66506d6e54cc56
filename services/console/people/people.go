// Package people holds the pages and operations on people's data: it shows what is stored
// about a person, exports it, erases it, and sets how long messages are kept.
package people

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/goccy/go-yaml"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	kept "github.com/chorus-cast/chorus/services/internal/people"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/roster/casting"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// Area is that part of the console.
type Area struct {
	pool  *pgxpool.Pool
	keys  secret.Keyring
	pages *page.Pages

	find      *operation.Of[sought, foundAnswer]
	read      *operation.Of[named, keptAnswer]
	erase     *operation.Of[erased, struct{}]
	retention *operation.Of[listed, retentionAnswer]
	retain    *operation.Of[retained, struct{}]
}

// New adds the pages of people to a console. Its keys are the roster's.
func New(set *operation.Set, pages *page.Pages, pool *pgxpool.Pool, keys secret.Keyring) *Area {
	a := &Area{pool: pool, keys: keys, pages: pages}
	op := func(id, at, summary string) operation.Operation {
		method, path, _ := strings.Cut(at, " ")
		return operation.Operation{ID: id, Method: method, Path: path, Summary: summary, Tag: "people", Role: access.Admin}
	}
	a.find = operation.Add(set, op("find-person", "GET /people", "Find a person by Telegram id or @username"), a.findPerson)
	a.read = operation.Add(set, op("read-person", "GET /people/{id}", "All that is kept of a person"), a.readPerson)
	erase := op("erase-person", "POST /people/{id}/erase", "Erase what is kept of a person, as /forgetme does")
	erase.Changes, erase.Secret = true, true // the log is never erased, so it must not name them
	a.erase = operation.Add(set, erase, a.erasePerson)
	a.retention = operation.Add(set, op("list-retention", "GET /retention", "For how long messages of each chat are kept"), a.listRetention)
	retain := op("set-retention", "POST /retention", "Set for how long messages of a chat are kept")
	retain.Changes = true
	a.retain = operation.Add(set, retain, a.setRetention)
	return a
}

// Routes adds its pages.
func (a *Area) Routes(r chi.Router) {
	r.Get("/people", a.pagePeople)
	r.Get("/people/{id}", a.pagePerson)
	r.Get("/people/{id}/lines", a.partLines)
	r.Get("/people/{id}/export", a.export)
	r.Post("/people/{id}/erase", a.doErase)
	r.Post("/people/retention", a.doRetain)
}

type sought struct {
	Who string `query:"who" doc:"Telegram id or @username"`
}

type foundAnswer struct {
	Body struct {
		ID int64 `json:"id" doc:"Telegram's id of the person"`
	}
}

type named struct {
	ID int64 `path:"id" doc:"Telegram's id of the person"`

	// page is the part that a page shows, without the file, which takes longer to write than
	// what is in it to read.
	page part
}

// part is of what is kept of a person.
type part string

const (
	own   part = "own"   // all but
	lines part = "lines" // what bots said about them
)

type keptAnswer struct {
	Body struct {
		File string `json:"file" doc:"YAML, as chorus export --person writes it"`
	}

	kept kept.Kept
}

type erased struct {
	ID   int64 `path:"id" doc:"Telegram's id of the person"`
	Body struct {
		Confirm string `json:"confirm" doc:"the id once more"`
	}
}

type listed struct {
	After string `query:"after" doc:"only chats after this name"`
}

// chatRetention is for how long the messages of a chat are kept.
type chatRetention struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Days  int    `json:"retention_days"`
	ETag  string `json:"etag" db:"-" doc:"for If-Match"`
}

type retentionAnswer struct {
	Body struct {
		Chats []chatRetention `json:"chats"`
		Next  string          `json:"next,omitempty" doc:"give it as after to go on"`
	}
}

type retained struct {
	operation.Seen

	Body struct {
		Chat string `json:"chat" doc:"the chat's name in the cast"`
		Days int    `json:"retention_days" doc:"after so many days messages are deleted, and what led to them"`
	}
}

func (a *Area) findPerson(ctx context.Context, in *sought) (*foundAnswer, error) {
	who := strings.TrimSpace(in.Who)
	if err := kept.Check(who); err != nil {
		return nil, operation.Invalid(fmt.Errorf("who: %w", err))
	}
	id, err := kept.Find(ctx, a.pool, who)
	if errors.Is(err, kept.ErrNobody) {
		return nil, fmt.Errorf("%w: %w", operation.ErrNotFound, err)
	}
	out := &foundAnswer{}
	out.Body.ID = id
	return out, err
}

func (a *Area) readPerson(ctx context.Context, in *named) (*keptAnswer, error) {
	var found kept.Kept
	var err error
	switch in.page {
	case own:
		found, err = kept.ReadOwn(ctx, a.pool, in.ID)
	case lines:
		found.Lines, err = kept.ReadLines(ctx, a.pool, in.ID)
	default:
		found, err = kept.Read(ctx, a.pool, in.ID)
	}
	if errors.Is(err, kept.ErrNobody) {
		return nil, fmt.Errorf("%w: %w", operation.ErrNotFound, err)
	}
	out := &keptAnswer{kept: found}
	if err != nil || in.page != "" {
		return out, err
	}
	file, err := yaml.Marshal(found)
	if err != nil {
		return nil, fmt.Errorf("write what is kept of a person: %w", err)
	}
	out.Body.File = string(file)
	return out, nil
}

func (a *Area) erasePerson(ctx context.Context, in *erased) (*struct{}, error) {
	if want := strconv.FormatInt(in.ID, 10); strings.TrimSpace(in.Body.Confirm) != want {
		return nil, &operation.InvalidError{Field: "confirm", Value: "is another number", Want: "the person's Telegram id, as it stands above"}
	}
	ctx = context.WithoutCancel(ctx) // once begun it ends, whoever waits for it
	now, err := store.Time(ctx, a.pool)
	if err != nil {
		return nil, err
	}
	audit.Note(ctx, "a person", nil, nil)
	erasure := kept.Erasure{Pool: a.pool, Journal: journal.New(a.pool)}
	return &struct{}{}, erasure.Forget(ctx, in.ID, now)
}

const (
	perPage   = 50
	retention = `-- console: retention
SELECT name, title, retention_days FROM chats WHERE removed_at IS NULL AND name > $1 ORDER BY name LIMIT $2`
)

func (a *Area) listRetention(ctx context.Context, in *listed) (*retentionAnswer, error) {
	found, err := store.Collect(ctx, a.pool, "list retention", pgx.RowToStructByPos[chatRetention], retention, in.After, perPage+1)
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i].ETag = operation.ETag(found[i].Days)
	}
	out := &retentionAnswer{}
	if len(found) > perPage {
		found = found[:perPage]
		out.Body.Next = found[perPage-1].Name
	}
	out.Body.Chats = found
	return out, nil
}

// setRetention changes the chat in the cast, where retention is kept.
func (a *Area) setRetention(ctx context.Context, in *retained) (*struct{}, error) {
	cast, err := rosterpg.Read(ctx, a.pool, rosterpg.Tokens{Keyring: a.keys})
	if err != nil {
		return nil, err
	}
	tag := casting.Tag(cast)
	cast = cast.Present()
	cast.Bots = castfile.WithReferences(cast.Bots)
	found := false
	for i := range cast.Chats {
		if c := &cast.Chats[i]; c.Name == in.Body.Chat {
			found = true
			if err := in.Check("how long messages of "+c.Name+" are kept", c.RetentionDays, fmt.Sprintf("%d days", c.RetentionDays)); err != nil {
				return nil, err
			}
			audit.Note(ctx, "chat "+c.Name, c.RetentionDays, in.Body.Days)
			c.RetentionDays = in.Body.Days
		}
	}
	if !found {
		return nil, fmt.Errorf("chat %.60q: %w", in.Body.Chat, operation.ErrNotFound)
	}
	if err := cast.Validate(); err != nil {
		return nil, operation.Invalid(err)
	}
	keep := func(context.Context, roster.Bot) (secret.String, error) { return secret.String{}, nil }
	_, err = casting.ApplyShown(ctx, a.pool, a.keys, &castfile.File{Cast: cast}, tag, casting.Options{Token: keep, By: access.From(ctx).Name})
	if errors.Is(err, rosterpg.ErrChanged) {
		return nil, fmt.Errorf("%w: somebody else changed the cast; try it again", operation.ErrConflict)
	}
	return &struct{}{}, err
}

func (a *Area) pagePeople(w http.ResponseWriter, r *http.Request) {
	who := strings.TrimSpace(r.URL.Query().Get("who"))
	said := ""
	if who != "" {
		found, err := a.find.Call(r.Context(), &sought{Who: who})
		switch status := operation.Status(err); {
		case err == nil:
			http.Redirect(w, r, fmt.Sprintf("/people/%d", found.Body.ID), http.StatusSeeOther)
			return
		case status != http.StatusNotFound && status != http.StatusUnprocessableEntity:
			a.pages.Fail(w, r, err)
			return
		case status == http.StatusNotFound:
			said = "Nothing is kept of this person."
		default:
			said = err.Error()
		}
	}
	chats, err := a.retention.Call(r.Context(), &listed{After: r.URL.Query().Get("after")})
	a.pages.Show(w, r, err, func() page.View {
		return page.View{Title: "People", Section: "people", Body: peoplePage(who, said, chats.Body.Chats, chats.Body.Next)}
	})
}

// person is the one of a page's address.
func person(r *http.Request) (id int64) {
	id, _ = strconv.ParseInt(chi.URLParam(r, "id"), 10, 64) // nothing is kept of 0
	return id
}

func (a *Area) pagePerson(w http.ResponseWriter, r *http.Request) {
	found, err := a.read.Call(r.Context(), &named{ID: person(r), page: own})
	a.pages.Show(w, r, err, func() page.View {
		title := cmp.Or(found.kept.Name, fmt.Sprintf("Person %d", found.kept.TelegramID))
		return page.View{Title: title, Section: "people", Body: personPage(found.kept)}
	})
}

// partLines responds with the lines in which bots mention a person. The page asks for it once
// it is shown.
func (a *Area) partLines(w http.ResponseWriter, r *http.Request) {
	found, err := a.read.Call(r.Context(), &named{ID: person(r), page: lines})
	switch {
	case err != nil:
		a.pages.Fail(w, r, err)
	case r.Header.Get("Hx-Request") == "true":
		a.pages.Fragment(w, r, linesPart(found.kept.Lines))
	default:
		a.pages.Render(w, r, page.View{Title: fmt.Sprintf("Person %d", person(r)), Section: "people", Body: linesPart(found.kept.Lines)})
	}
}

func (a *Area) export(w http.ResponseWriter, r *http.Request) {
	found, err := a.read.Call(r.Context(), &named{ID: person(r)})
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	file, kind := []byte(found.Body.File), "yaml"
	if r.URL.Query().Get("as") == "json" {
		kind = "json"
		if file, err = yaml.YAMLToJSON(file); err != nil {
			a.pages.Fail(w, r, fmt.Errorf("export a person: %w", err))
			return
		}
	}
	w.Header().Set("Content-Type", "application/"+kind)
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="person-%d.%s"`, found.kept.TelegramID, kind))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(file) // the client is gone
}

func (a *Area) doErase(w http.ResponseWriter, r *http.Request) {
	in := &erased{ID: person(r)}
	in.Body.Confirm = r.PostFormValue("confirm")
	back := "/people"
	_, err := a.erase.Call(r.Context(), in)
	if err != nil {
		back = fmt.Sprintf("/people/%d", in.ID)
	}
	a.pages.Done(w, r, back, "Everything that was kept of this person is erased.", err)
}

func (a *Area) doRetain(w http.ResponseWriter, r *http.Request) {
	in := &retained{Seen: operation.Seen{Match: r.PostFormValue("match")}}
	in.Body.Chat = r.PostFormValue("chat")
	var err error
	if in.Body.Days, err = strconv.Atoi(r.PostFormValue("days")); err != nil {
		err = &operation.InvalidError{Field: "days", Value: fmt.Sprintf("%.20q", r.PostFormValue("days")), Want: "1 to 3650"}
	} else {
		_, err = a.retain.Call(r.Context(), in)
	}
	a.pages.Done(w, r, "/people#retention", fmt.Sprintf("Messages of %s are kept for %d days.", in.Body.Chat, in.Body.Days), err)
}
