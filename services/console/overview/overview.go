// Package overview is the console's first page: what talks, what rests and why, what needs
// a person, and what it costs.
package overview

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// Chat is one as the overview shows it.
type Chat struct {
	ID    int64  `json:"id" doc:"Chorus' number of the chat"`
	Name  string `json:"name"`
	Title string `json:"title"`
	// Enabled tells that the cast may talk there.
	Enabled bool `json:"enabled"`
	// Waiting is why no turn is planned; empty where one is.
	Waiting  string     `json:"waiting,omitempty"`
	NextTurn time.Time  `json:"next_turn" doc:"when the planner looks at it next"`
	LastSaid *time.Time `json:"last_said,omitempty" doc:"when somebody wrote there last"`
	Open     int        `json:"open_turns"`
}

// Overview is what it shows.
type Overview struct {
	Chats       []Chat   `json:"chats" doc:"those that said something last first, at most 50"`
	Total       int      `json:"total_chats"`
	Refusals    []string `json:"refusals" doc:"what Telegram refuses: what, why, and when it is tried again"`
	DeadLetters int      `json:"dead_letters"`
	CostToday   float64  `json:"cost_today_usd" doc:"of texts, since midnight UTC"`
	CallsToday  int64    `json:"calls_today"`
}

type answer struct{ Body Overview }

const (
	maxChats = 50

	readChats = `-- console: overview chats
SELECT c.id, c.name, c.title, c.enabled, coalesce(k.waiting_for, ''), k.next_turn_at,
    (SELECT max(sent_at) FROM (SELECT sent_at FROM messages m WHERE m.chat_id = c.id ORDER BY number DESC LIMIT 1) l),
    (SELECT count(*) FROM turns t WHERE t.chat_id = c.id AND t.closed_at IS NULL)::integer
FROM chats c JOIN chat_clock k ON k.chat_id = c.id WHERE c.removed_at IS NULL
ORDER BY k.turn_no = 0, k.next_turn_at LIMIT $1`
	readCounts = `-- console: overview counts
SELECT (SELECT count(*) FROM chats WHERE removed_at IS NULL)::integer, (SELECT count(*) FROM dead_letters)::integer`
)

// Area is that part of the console.
type Area struct {
	pool  *pgxpool.Pool
	pages *page.Pages
	show  *operation.Of[struct{}, answer]
}

// New adds it to a console.
func New(set *operation.Set, pages *page.Pages, pool *pgxpool.Pool) *Area {
	a := &Area{pool: pool, pages: pages}
	a.show = operation.Add(set, operation.Operation{
		ID: "overview", Method: http.MethodGet, Path: "/overview", Tag: "overview", Role: access.Viewer,
		Summary: "What talks, what rests and why, and what needs a person",
	}, a.read)
	return a
}

// Routes adds its pages.
func (a *Area) Routes(r chi.Router) {
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		found, err := a.show.Call(r.Context(), &struct{}{})
		if err != nil {
			a.pages.Fail(w, r, err)
			return
		}
		a.pages.Render(w, r, page.View{Title: "Overview", Section: "overview", Body: overview(found.Body)})
	})
}

func (a *Area) read(ctx context.Context, _ *struct{}) (*answer, error) {
	found := Overview{Refusals: []string{}}
	var err error
	if found.Chats, err = store.Collect(ctx, a.pool, "read chats", pgx.RowToStructByPos[Chat], readChats, maxChats); err != nil {
		return nil, err
	}
	if err := a.pool.QueryRow(ctx, readCounts).Scan(&found.Total, &found.DeadLetters); err != nil {
		return nil, err
	}
	refused, err := rosterpg.Refusals(ctx, a.pool)
	if err != nil {
		return nil, err
	}
	for i := range refused {
		found.Refusals = append(found.Refusals, refused[i].Subject()+": "+refused[i].String())
	}
	return &answer{found}, nil
}
