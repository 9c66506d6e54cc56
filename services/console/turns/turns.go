// Package turns shows turns: which there were, why each was planned, and how it ended. It
// replays dead ones and ends open ones.
package turns

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// Deps are the dependencies of the pages of turns.
type Deps struct {
	Pool *pgxpool.Pool
	Bus  *bus.Bus // nil where nobody is told of what was done
	// Settings returns the settings that differ from the defaults; nil for the defaults.
	Settings func() *settings.Values
	Words    Words
}

// Words tells in words what a turn was planned to do, given who wrote the message that it
// answers; nil where nobody can.
type Words func(t *chorusv1.Turn, answered string) string

// Area is that part of the console.
type Area struct {
	Deps

	pages   *page.Pages
	journal *journal.Journal
	list    *operation.Of[Filter, listAnswer]
	show    *operation.Of[turnQuery, turnAnswer]
	replay  *operation.Of[turnQuery, doneAnswer]
	expire  *operation.Of[turnQuery, doneAnswer]
	all     map[string]*operation.Of[allQuery, doneAnswer]
}

// New adds it to a console.
func New(set *operation.Set, pages *page.Pages, deps Deps) *Area {
	a := &Area{Deps: deps, pages: pages, journal: journal.New(deps.Pool)}
	a.list = operation.Add(set, operation.Operation{
		ID: "list-turns", Method: http.MethodGet, Path: "/turns", Tag: "turns", Role: access.Viewer,
		Summary: "Turns, the newest first",
	}, a.readList)
	a.show = operation.Add(set, operation.Operation{
		ID: "get-turn", Method: http.MethodGet, Path: "/chats/{id}/turns/{number}", Tag: "turns", Role: access.Viewer,
		Summary: "Why a turn was planned, how its text was written, what came of it, and when",
	}, a.readTurn)
	a.replay = operation.Add(set, operation.Operation{
		ID: "replay-turn", Method: http.MethodPost, Path: "/chats/{id}/turns/{number}/replay", Tag: "turns", Role: access.Director, Changes: true,
		Summary: "Give a dead turn another chance",
	}, a.replayOne)
	a.expire = operation.Add(set, operation.Operation{
		ID: "expire-turn", Method: http.MethodPost, Path: "/chats/{id}/turns/{number}/expire", Tag: "turns", Role: access.Director, Changes: true,
		Summary: "End an open turn, unless somebody works on it at this moment",
	}, a.expireOne)
	a.all = map[string]*operation.Of[allQuery, doneAnswer]{
		"replay": operation.Add(set, operation.Operation{
			ID: "replay-turns", Method: http.MethodPost, Path: "/turns/replay", Tag: "turns", Role: access.Director, Changes: true,
			Summary: "Give all dead turns that match another chance",
		}, a.replayAll),
		"expire": operation.Add(set, operation.Operation{
			ID: "expire-turns", Method: http.MethodPost, Path: "/turns/expire", Tag: "turns", Role: access.Director, Changes: true,
			Summary: "End all open turns that match, unless somebody works on them at this moment",
		}, a.expireAll),
	}
	return a
}

// Routes adds its pages.
func (a *Area) Routes(r chi.Router) {
	r.Get("/turns", a.listPage)
	r.Get("/turns/{act:replay|expire}", a.confirmPage)
	r.Post("/turns/{act:replay|expire}", a.allForm)
	r.Get("/chats/{id}/turns/{number}", a.turnPage)
	r.Post("/chats/{id}/turns/{number}/{act:replay|expire}", a.oneForm)
}

// Path returns the path of a turn's page.
func Path(chat, number int64) string { return fmt.Sprintf("/chats/%d/turns/%d", chat, number) }

func (a *Area) tell(what string, turns []*chorusv1.TurnId) {
	if a.Bus != nil {
		a.Bus.Tell(what, &chorusv1.Event{Turns: turns})
	}
}
