// Package operate is the part of the console for who runs an installation: what lives, what
// waits and why, what it costs, the settings, the keys and the checks.
package operate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/account"
	"github.com/chorus-cast/chorus/services/console/live"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/overview"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// Deps are the dependencies of the pages for operators.
type Deps struct {
	Pool *pgxpool.Pool
	// Bus reaches the processes to ask for their state; nil shows none.
	Bus  *bus.Bus
	Keys secret.Keyring
	// Check looks whether everything is there and as it should be. It may be nil.
	Check func(ctx context.Context) (preflight.Report, error)
	// Budgets returns today's budgets of the providers that have one. It may be nil.
	Budgets func(ctx context.Context) ([]overview.Budget, error)
}

// Area is that part of the console.
type Area struct {
	Deps

	pages *page.Pages
	again live.Fragment

	state    *operation.Of[struct{}, stateAnswer]
	ask      *operation.Of[struct{}, processesAnswer]
	usage    *operation.Of[usageAsked, usageAnswer]
	settings *operation.Of[settingsAsked, settingsAnswer]
	set      *operation.Of[settingGiven, struct{}]
	unset    *operation.Of[settingTaken, struct{}]
	check    *operation.Of[struct{}, checkAnswer]
	keys     *operation.Of[struct{}, keysAnswer]
	rotate   *operation.Of[rotated, rotateAnswer]
}

// New adds it to a console.
func New(set *operation.Set, pages *page.Pages, deps Deps) *Area {
	a := &Area{Deps: deps, pages: pages, again: live.Fragment{Every: stateEvery}}
	op := func(id, at, summary string, least access.Role, changes bool) operation.Operation {
		method, path, _ := strings.Cut(at, " ")
		return operation.Operation{ID: id, Method: method, Path: path, Summary: summary, Tag: "operate", Role: least, Changes: changes}
	}
	a.state = operation.Add(set, op("read-state", "GET /operate", "What lives, what waits and why", access.Viewer, false), a.readState)
	a.ask = operation.Add(set, op("list-processes", "GET /processes", "Ask each process how it is", access.Viewer, false), a.askProcesses)
	a.usage = operation.Add(set, op("read-usage", "GET /usage", "What the texts cost", access.Viewer, false), a.readUsage)
	a.settings = operation.Add(set, op("list-settings", "GET /settings", "Every setting with its value", access.Viewer, false), a.listSettings)
	a.set = operation.Add(set, op("set-setting", "PUT /settings/{key}", "Set a setting for all, a chat or a bot", access.Director, true), a.setSetting)
	a.unset = operation.Add(set, op("unset-setting", "DELETE /settings/{key}", "Take a setting back", access.Director, true), a.unsetSetting)
	check := op("run-checks", "POST /checks", "Look whether everything is as it should be", access.Director, false)
	check.Spends = true // each model is asked for a text
	a.check = operation.Add(set, check, a.runChecks)
	a.keys = operation.Add(set, op("list-keys", "GET /keys", "Which keys seal how many tokens and authenticators", access.Admin, false), a.listKeys)
	a.rotate = operation.Add(set, op("rotate-keys", "POST /keys/rotate", "Seal all tokens anew with the first key", access.Admin, true), a.rotateKeys)
	return a
}

// Routes adds its pages.
func (a *Area) Routes(r chi.Router) {
	r.Get("/operate", a.pageState)
	r.Get("/operate/now", a.partState)
	r.Get("/operate/usage", a.pageUsage)
	r.Get("/operate/settings", a.pageSettings)
	r.Post("/operate/settings", a.doSet)
	r.Get("/operate/checks", a.pageChecks)
	r.Post("/operate/checks", a.doCheck)
	r.Get("/operate/keys", a.pageKeys)
	r.Post("/operate/keys", a.doRotate)
}

func view(title string, body templ.Component) page.View {
	return page.View{Title: title, Section: "operate", Body: body}
}

// String describes how many chats plan nothing, and why.
func (q quiet) String() string {
	many := "chats have"
	if q.Chats == 1 {
		many = "chat has"
	}
	return fmt.Sprintf("%d %s no turns planned: %s", q.Chats, many, strings.ReplaceAll(q.Why, "_", " "))
}

// queue is the work that waits for a stage.
type queue struct {
	Name   string     `json:"name"`
	Open   int        `json:"open" doc:"counted up to 10000"`
	Parked int        `json:"parked" doc:"how many of them must wait for a time"`
	Oldest *time.Time `json:"oldest,omitempty"`
}

// waiting is something that waits, and until when.
type waiting struct {
	Bot   string    `json:"bot"`
	Chat  string    `json:"chat,omitempty" doc:"empty for all chats"`
	Until time.Time `json:"until"`
}

type quiet struct {
	Why   string `json:"why"`
	Chats int    `json:"chats"`
}

type stateAnswer struct {
	Body struct {
		Services    map[string]int `json:"services" doc:"how many processes of each live"`
		Queues      []queue        `json:"queues"`
		Waits       []waiting      `json:"waits" doc:"bots that Telegram told to wait, at most 50"`
		Quiet       []quiet        `json:"quiet" doc:"why chats have no turns planned"`
		Refusals    []string       `json:"refusals"`
		DeadLetters int            `json:"dead_letters" doc:"counted up to 10000"`
	}
}

// stateEvery is the interval at which open pages of the state get changes.
const stateEvery = 5 * time.Second

// Each count ends at what a page can tell: a queue that is longer is just long.
const (
	queues = `-- console: queues
SELECT 'texts to write', count(*)::integer, count(*) FILTER (WHERE not_before > now())::integer, min(planned_at)
FROM (SELECT not_before, planned_at FROM turns WHERE closed_at IS NULL AND written_at IS NULL LIMIT 10000) t
UNION ALL (SELECT CASE lane WHEN 'held' THEN 'texts to approve' ELSE lane || 's to send' END,
    count(*)::integer, count(*) FILTER (WHERE not_before > now())::integer, min(created_at)
FROM (SELECT lane, not_before, created_at FROM deliveries WHERE closed_at IS NULL LIMIT 10000) d GROUP BY lane ORDER BY lane)
UNION ALL SELECT 'people to answer', count(*)::integer, count(*) FILTER (WHERE not_before > now())::integer, min(heard_at)
FROM (SELECT not_before, heard_at FROM prompts LIMIT 10000) p
UNION ALL SELECT 'commands to obey', count(*)::integer, count(*) FILTER (WHERE next_at > now())::integer, min(said_at)
FROM (SELECT next_at, said_at FROM commands LIMIT 10000) c`
	waits = `-- console: waits
SELECT coalesce(b.name, w.bot_id::text), coalesce(c.name, ''), w.until
FROM (SELECT * FROM waits WHERE until > now() ORDER BY until DESC LIMIT 50) w LEFT JOIN bots b ON b.id = w.bot_id LEFT JOIN chats c ON c.id = w.chat_id
ORDER BY w.until DESC`
	quiets = `-- console: quiet chats
SELECT waiting_for, count(*)::integer FROM chat_clock k
WHERE waiting_for IS NOT NULL AND NOT EXISTS (SELECT FROM chats c WHERE c.id = k.chat_id AND c.kind = 'private')
GROUP BY waiting_for ORDER BY 2 DESC`
	deadLetters = `-- console: dead letters
SELECT count(*)::integer FROM (SELECT FROM dead_letters LIMIT 10000) d`
)

// byName counts the processes of each service; one that runs all is one of each.
func byName(living map[lease.Kind]int) map[string]int {
	names := map[lease.Kind]string{
		lease.Planner: "planner", lease.Generator: "generator", lease.Sender: "sender", lease.Listener: "listener", lease.Console: "console",
	}
	services := map[string]int{}
	for kind, name := range names {
		services[name] = living[kind] + living[lease.All]
	}
	return services
}

func (a *Area) readState(ctx context.Context, _ *struct{}) (*stateAnswer, error) {
	out := &stateAnswer{}
	o := &out.Body
	living, err := lease.Living(ctx, a.Pool)
	if err != nil {
		return nil, err
	}
	o.Services = byName(living)
	if o.Queues, err = store.Collect(ctx, a.Pool, "read the queues", pgx.RowToStructByPos[queue], queues); err != nil {
		return nil, err
	}
	if o.Waits, err = store.Collect(ctx, a.Pool, "read what waits", pgx.RowToStructByPos[waiting], waits); err != nil {
		return nil, err
	}
	if o.Quiet, err = store.Collect(ctx, a.Pool, "read which chats rest", pgx.RowToStructByPos[quiet], quiets); err != nil {
		return nil, err
	}
	if err = a.Pool.QueryRow(ctx, deadLetters).Scan(&o.DeadLetters); err != nil {
		return nil, fmt.Errorf("count dead letters: %w", err)
	}
	refused, err := rosterpg.Refusals(ctx, a.Pool)
	if err != nil {
		return nil, err
	}
	o.Refusals = []string{}
	for i := range refused {
		o.Refusals = append(o.Refusals, refused[i].Subject()+": "+refused[i].String())
	}
	return out, nil
}

func (a *Area) pageState(w http.ResponseWriter, r *http.Request) {
	found, err := a.state.Call(r.Context(), &struct{}{})
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	told, err := a.ask.Call(r.Context(), &struct{}{})
	a.pages.Show(w, r, err, func() page.View { return view("Operate", statePage(*found, told.Body, a.again.Stream())) })
}

// partState responds with the part of the page that an open page replaces after a change. It
// asks no process.
func (a *Area) partState(w http.ResponseWriter, r *http.Request) {
	body := func(ctx context.Context) (templ.Component, error) {
		found, err := a.state.Call(ctx, &struct{}{})
		if err != nil {
			return nil, err
		}
		return stateNow(*found), nil
	}
	if a.pages.Again(w, r, &a.again, body) {
		return
	}
	now, err := body(r.Context())
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	a.pages.Fragment(w, r, now)
}

type checkAnswer struct{ Body preflight.Report }

// checkTimeout bounds the checks, which ask every bot and provider.
const checkTimeout = 2 * time.Minute

func (a *Area) runChecks(ctx context.Context, _ *struct{}) (*checkAnswer, error) {
	if a.Check == nil {
		return nil, operation.Invalid(errors.New("check: this console has no checks, want chorus check"))
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	report, err := a.Check(ctx)
	if err != nil {
		return nil, err
	}
	return &checkAnswer{report}, nil
}

func (a *Area) pageChecks(w http.ResponseWriter, r *http.Request) {
	a.pages.Render(w, r, view("Checks", checksPage(nil, access.From(r.Context()).May(access.Director, false) == nil)))
}

func (a *Area) doCheck(w http.ResponseWriter, r *http.Request) {
	found, err := a.check.Call(r.Context(), &struct{}{})
	a.pages.Show(w, r, err, func() page.View { return view("Checks", checksPage(&found.Body, true)) })
}

type keysAnswer struct {
	Body struct {
		Keys   []sealing `json:"keys" doc:"the first one seals; those that are missing come last"`
		Closed []string  `json:"closed" doc:"tokens that none of them opens, and why"`
		Stale  int       `json:"stale" doc:"how many tokens another key than the first one sealed"`
	}
}

type sealing struct {
	ID             string `json:"id"`
	First          bool   `json:"first"`
	Missing        bool   `json:"missing,omitempty" doc:"it seals something, and is not among the keys"`
	Tokens         int    `json:"tokens" doc:"how many tokens of bots it seals"`
	Authenticators int    `json:"authenticators" doc:"how many authenticators of users"`
}

func (a *Area) listKeys(ctx context.Context, _ *struct{}) (*keysAnswer, error) {
	states, err := rosterpg.Tokens{Keyring: a.Keys}.States(ctx, a.Pool)
	if err != nil {
		return nil, err
	}
	out := &keysAnswer{}
	if out.Body.Keys, err = a.sealed(ctx, states); err != nil {
		return nil, err
	}
	out.Body.Closed = []string{}
	for _, s := range states {
		if s.Err != nil {
			out.Body.Closed = append(out.Body.Closed, s.Err.Error())
		}
	}
	out.Body.Stale = rosterpg.StaleCount(states)
	return out, nil
}

// sealed counts what each key seals.
func (a *Area) sealed(ctx context.Context, tokens []rosterpg.TokenState) ([]sealing, error) {
	authenticators, err := account.Sealed(ctx, a.Pool)
	if err != nil {
		return nil, err
	}
	var all []sealing
	of := func(id string) *sealing {
		if i := slices.IndexFunc(all, func(s sealing) bool { return s.ID == id }); i >= 0 {
			return &all[i]
		}
		all = append(all, sealing{ID: id, Missing: true})
		return &all[len(all)-1]
	}
	for i, k := range a.Keys.Keys() {
		all = append(all, sealing{ID: k.ID(), First: i == 0})
	}
	for _, t := range tokens {
		of(t.Key).Tokens++
	}
	for id, n := range authenticators {
		of(id).Authenticators += n
	}
	return all, nil
}

type rotated struct {
	Body struct {
		Ready bool `json:"ready" doc:"all senders and listeners have been restarted with the first key"`
	}
}

type rotateAnswer struct {
	Body struct {
		Resealed int `json:"resealed"`
	}
}

func (a *Area) rotateKeys(ctx context.Context, in *rotated) (*rotateAnswer, error) {
	if !in.Body.Ready {
		return nil, &operation.InvalidError{Field: "ready", Value: "false", Want: "true, once all senders and listeners were restarted with the first key"}
	}
	out := &rotateAnswer{}
	if err := account.Reseal(ctx, a.Pool, a.Keys); err != nil {
		return out, err
	}
	resealed, _, err := rosterpg.Tokens{Keyring: a.Keys}.Rotate(ctx, a.Pool)
	out.Body.Resealed = resealed
	return out, err
}

func (a *Area) pageKeys(w http.ResponseWriter, r *http.Request) {
	found, err := a.keys.Call(r.Context(), &struct{}{})
	a.pages.Show(w, r, err, func() page.View { return view("Keys", keysPage(*found)) })
}

func (a *Area) doRotate(w http.ResponseWriter, r *http.Request) {
	in := &rotated{}
	in.Body.Ready = r.PostFormValue("ready") == "true"
	out, err := a.rotate.Call(r.Context(), in)
	done := ""
	if err == nil {
		done = fmt.Sprintf("%d tokens were sealed anew.", out.Body.Resealed)
	}
	a.pages.Done(w, r, "/operate/keys", done, err)
}
