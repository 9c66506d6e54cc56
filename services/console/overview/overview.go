// Package overview is the console's first page: what talks, what rests and why, what needs
// a person, and what it costs.
package overview

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/chats"
	"github.com/chorus-cast/chorus/services/console/live"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// Deps are the dependencies of the overview.
type Deps struct {
	Pool *pgxpool.Pool
	// Budgets returns the providers' budgets; nil for none.
	Budgets func(ctx context.Context) ([]Budget, error)
}

// Budget is the used part of a provider's daily budget.
type Budget struct {
	Provider string  `json:"provider"`
	Share    float64 `json:"share" doc:"1 is all of it"`
	Used     string  `json:"used" doc:"in words"`
}

// nearly is the share of a budget from which somebody should look.
const nearly = 0.8

// Need is something that needs a person, or that rests until it is tried again.
type Need struct {
	Text string `json:"text"`
	Link string `json:"link" doc:"the page of the console about it"`
	// Waits tells that it ends by itself.
	Waits bool `json:"waits" doc:"whether it ends by itself, such as at a try that succeeds"`
}

// Group counts the chats in a state.
type Group struct {
	State string `json:"state" doc:"empty for those that talk"`
	Chats int    `json:"chats"`
}

// Service counts the living processes of a service.
type Service struct {
	Name    string `json:"name"`
	Running int    `json:"running"`
}

// Overview holds the figures of the page.
type Overview struct {
	Chats       []chats.Summary `json:"chats" doc:"those that are due next first, at most 50"`
	Total       int             `json:"total_chats"`
	Talking     int             `json:"talking_chats"`
	Resting     []Group         `json:"resting_chats"`
	Pauses      []chats.Pause   `json:"pauses" doc:"that hold, the latest 20"`
	Needs       []Need          `json:"needs" doc:"what needs a person, or rests until it ends by itself"`
	DeadLetters int             `json:"dead_letters" doc:"that were not replayed; 1000 for as many or more"`
	Cost        float64         `json:"cost_today" doc:"of texts, since midnight UTC, in the currency of the prices"`
	Calls       int64           `json:"calls_today"`
	Tokens      int64           `json:"tokens_today"`
	Budgets     []Budget        `json:"budgets"`
	Services    []Service       `json:"services"`
}

// Urgent are the needs that do not end by themselves.
func (o *Overview) Urgent() (n int) {
	for _, need := range o.Needs {
		if !need.Waits {
			n++
		}
	}
	return n
}

type answer struct{ Body Overview }

const (
	maxChats, maxPauses = 50, 20
	// every is the interval at which open pages get changes.
	every = 10 * time.Second

	readStates = `-- console: overview states
SELECT c.enabled, coalesce(k.waiting_for, ''), p.chat_id IS NOT NULL, count(*)::integer
FROM chats c LEFT JOIN chat_clock k ON k.chat_id = c.id
LEFT JOIN chat_pauses p ON p.chat_id = c.id AND p.paused_at IS NOT NULL AND (p.paused_until IS NULL OR p.paused_until > now())
WHERE c.removed_at IS NULL AND c.kind <> 'private' GROUP BY 1, 2, 3 ORDER BY 4 DESC`
	readLetters = `-- console: overview dead letters
SELECT count(*)::integer FROM (SELECT FROM dead_letters WHERE replays = 0 LIMIT $1) l`
	maxLetters = 1000
	readHeld   = `-- console: overview held texts
SELECT count(*)::integer FROM (SELECT FROM deliveries WHERE lane = 'held' AND closed_at IS NULL AND part = 1 LIMIT $1) h`
)

// Area is that part of the console.
type Area struct {
	Deps

	pages *page.Pages
	show  *operation.Of[struct{}, answer]
	again live.Fragment
}

// New adds it to a console.
func New(set *operation.Set, pages *page.Pages, deps Deps) *Area {
	a := &Area{Deps: deps, pages: pages, again: live.Fragment{Every: every}}
	a.show = operation.Add(set, operation.Operation{
		ID: "overview", Method: http.MethodGet, Path: "/overview", Tag: "overview", Role: access.Viewer,
		Summary: "What talks, what rests and why, and what needs a person",
	}, a.read)
	return a
}

// Routes adds its pages.
func (a *Area) Routes(r chi.Router) {
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		if a.pages.Again(w, r, &a.again, a.body) {
			return
		}
		body, err := a.body(r.Context())
		a.pages.Show(w, r, err, func() page.View { return page.View{Title: "Overview", Section: "overview", Body: body} })
	})
}

func (a *Area) body(ctx context.Context) (templ.Component, error) {
	found, err := a.show.Call(ctx, &struct{}{})
	if err != nil {
		return nil, err
	}
	return overview(&found.Body, a.again.Stream()), nil
}

func (a *Area) read(ctx context.Context, _ *struct{}) (*answer, error) {
	found := &Overview{Resting: []Group{}, Needs: []Need{}, Budgets: []Budget{}, Services: []Service{}}
	for _, read := range []func(context.Context, *Overview) error{a.states, a.refusals, a.held, a.letters, a.spending, a.services} {
		if err := read(ctx, found); err != nil {
			return nil, err
		}
	}
	var err error
	if found.Pauses, err = chats.Pauses(ctx, a.Pool, 0, maxPauses); err != nil {
		return nil, err
	}
	found.Chats, err = chats.Recent(ctx, a.Pool, maxChats)
	return &answer{*found}, err
}

func (a *Area) states(ctx context.Context, o *Overview) error {
	silence, err := usage.FindSilence(ctx, a.Pool)
	if err != nil {
		return err
	}
	noTexts := ""
	if silence.Lasts() {
		noTexts = silence.String()
		o.Needs = append(o.Needs, Need{Text: noTexts, Link: "/operate", Waits: !silence.Needs()})
	}
	at := map[string]int{}
	var enabled, paused bool
	var waiting string
	var n int
	return store.Each(ctx, a.Pool, "count the chats", []any{&enabled, &waiting, &paused, &n}, func() error {
		o.Total += n
		state := cmp.Or(chats.Rests(enabled, waiting, nil, nil), noTexts)
		if enabled && paused {
			state = "paused"
		}
		if state == "" {
			o.Talking += n
			return nil
		}
		if i, known := at[state]; known {
			o.Resting[i].Chats += n
			return nil
		}
		at[state] = len(o.Resting)
		o.Resting = append(o.Resting, Group{state, n})
		return nil
	}, readStates)
}

func (a *Area) refusals(ctx context.Context, o *Overview) error {
	refused, err := rosterpg.Refusals(ctx, a.Pool)
	if err != nil {
		return err
	}
	for i := range refused {
		r := &refused[i]
		// Telegram seldom takes a token again that it refused.
		o.Needs = append(o.Needs, Need{
			Text: r.Subject() + ": " + r.String(), Link: "/chats?q=" + r.Chat, Waits: r.What() != rosterpg.BotStopped,
		})
	}
	return nil
}

func (a *Area) held(ctx context.Context, o *Overview) error {
	var n int
	if err := a.Pool.QueryRow(ctx, readHeld, maxLetters).Scan(&n); err != nil {
		return fmt.Errorf("count texts to approve: %w", err)
	}
	switch {
	case n == 1:
		o.Needs = append(o.Needs, Need{Text: "1 text waits to be approved", Link: "/approve"})
	case n > 1:
		o.Needs = append(o.Needs, Need{Text: strconv.Itoa(n) + " texts wait to be approved", Link: "/approve"})
	}
	return nil
}

func (a *Area) letters(ctx context.Context, o *Overview) error {
	if err := a.Pool.QueryRow(ctx, readLetters, maxLetters).Scan(&o.DeadLetters); err != nil {
		return fmt.Errorf("count dead letters: %w", err)
	}
	if n := o.DeadLetters; n > 0 {
		words := strconv.Itoa(n) + " dead turns: replay them, or purge their letters"
		if n == maxLetters {
			words = strconv.Itoa(n) + " dead turns or more: replay them, or purge their letters"
		}
		o.Needs = append(o.Needs, Need{Text: words, Link: "/turns?outcome=dead"})
	}
	return nil
}

func (a *Area) spending(ctx context.Context, o *Overview) error {
	_, spent, err := usage.SpentToday(ctx, a.Pool)
	if err != nil {
		return err
	}
	for _, s := range spent {
		o.Cost, o.Calls, o.Tokens = o.Cost+s.Cost, o.Calls+s.Calls, o.Tokens+s.Tokens
	}
	if a.Budgets == nil {
		return nil
	}
	all, err := a.Budgets(ctx)
	if err != nil {
		return err
	}
	for _, b := range all {
		if o.Budgets = append(o.Budgets, b); b.Share >= nearly {
			o.Needs = append(o.Needs, Need{Text: b.Provider + ": " + b.Used, Link: "/operate", Waits: true}) // until midnight
		}
	}
	return nil
}

func (a *Area) services(ctx context.Context, o *Overview) error {
	living, err := lease.Living(ctx, a.Pool)
	if err != nil {
		return err
	}
	all := living[lease.All]
	for _, kind := range []lease.Kind{lease.Planner, lease.Generator, lease.Sender, lease.Listener, lease.Console} {
		s := Service{kind.String(), living[kind] + all}
		if o.Services = append(o.Services, s); s.Running == 0 && kind != lease.Console {
			o.Needs = append(o.Needs, Need{Text: "No " + s.Name + " runs", Link: "/operate"})
		}
	}
	return nil
}
