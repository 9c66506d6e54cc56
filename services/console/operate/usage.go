package operate

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/overview"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

type usageAsked struct {
	Days int    `query:"days" default:"30" minimum:"1" maximum:"90" doc:"of UTC, with today"`
	By   string `query:"by" doc:"sum single calls, too: by day, chat, bot, provider or purpose"`
}

// spentDay is a provider's use on a day.
type spentDay struct {
	Day      time.Time `json:"day"`
	Provider string    `json:"provider"`
	Calls    int64     `json:"calls"`
	Tokens   int64     `json:"tokens"`
	Cost     float64   `json:"cost"`
}

// usageSum is the sum of calls.
type usageSum struct {
	Name   string  `json:"name"`
	Calls  int64   `json:"calls"`
	Failed int64   `json:"failed"`
	Tokens int64   `json:"tokens"`
	Cost   float64 `json:"cost"`
	Millis int64   `json:"mean_ms" doc:"how long those that gave a text took"`
}

type usageAnswer struct {
	Body struct {
		Days    []spentDay        `json:"days" doc:"what each provider was used for"`
		Sums    []usageSum        `json:"sums,omitempty"`
		SumDays []usageDay        `json:"sum_days,omitempty" doc:"the same of each day, for the five with the highest cost and for all others together"`
		Budgets []overview.Budget `json:"budgets" doc:"of providers, which the configuration sets"`
		Limits  []limitUsed       `json:"limits" doc:"what chats and people may use, which settings set: where the most is used up"`
	}
}

// usageDay is the sum of a day's calls.
type usageDay struct {
	Day    time.Time `json:"day"`
	Name   string    `json:"name" doc:"empty for all others"`
	Calls  int64     `json:"calls"`
	Tokens int64     `json:"tokens"`
	Cost   float64   `json:"cost"`
}

// shownNames is of how many names days are shown.
const shownNames = 5

const spending = `-- console: spending
SELECT day, key, sum(calls)::bigint, sum(prompt_tokens + completion_tokens)::bigint, sum(cost)::float8
FROM llm_totals WHERE by = 'provider' AND day >= $1 GROUP BY day, key ORDER BY day, key`

func (a *Area) readUsage(ctx context.Context, in *usageAsked) (*usageAnswer, error) {
	const maxDays = 90
	days := in.Days
	if days == 0 {
		days = 30
	}
	if days < 1 || days > maxDays {
		return nil, &operation.InvalidError{Field: "days", Value: strconv.Itoa(days), Want: "1 to 90"}
	}
	first := usage.Day(time.Now()).AddDate(0, 0, 1-days)
	out := &usageAnswer{}
	var err error
	if out.Body.Days, err = store.Collect(ctx, a.Pool, "read the spending", pgx.RowToStructByPos[spentDay], spending, first); err != nil {
		return nil, err
	}
	if out.Body.Limits, err = a.limits(ctx); err != nil {
		return nil, err
	}
	out.Body.Budgets = []overview.Budget{}
	if a.Budgets != nil {
		if out.Body.Budgets, err = a.Budgets(ctx); err != nil {
			return nil, err
		}
	}
	if in.By == "" {
		return out, nil
	}
	if !slices.Contains(usage.Ways(), usage.By(in.By)) {
		return nil, &operation.InvalidError{Field: "by", Value: fmt.Sprintf("%.20q", in.By), Want: "day, chat, bot, provider or purpose"}
	}
	sums, err := usage.Sums(ctx, a.Pool, first, usage.By(in.By))
	if err != nil {
		return nil, err
	}
	for _, s := range sums {
		out.Body.Sums = append(out.Body.Sums, usageSum{s.Name, s.Calls, s.Failed, s.PromptTokens + s.CompletionTokens, s.Cost, s.Latency.Milliseconds()})
	}
	if usage.By(in.By) == usage.ByDay { // each has one name for all
		for _, s := range out.Body.Sums {
			day, err := time.Parse(time.DateOnly, s.Name)
			if err != nil {
				return nil, err
			}
			out.Body.SumDays = append(out.Body.SumDays, usageDay{day, "all", s.Calls, s.Tokens, s.Cost})
		}
		return out, nil
	}
	of, err := usage.Days(ctx, a.Pool, first, usage.By(in.By), sums, shownNames)
	for _, d := range of {
		out.Body.SumDays = append(out.Body.SumDays, usageDay(d))
	}
	return out, err
}

func (a *Area) pageUsage(w http.ResponseWriter, r *http.Request) {
	in := &usageAsked{By: r.URL.Query().Get("by"), Days: 30}
	if text := r.URL.Query().Get("days"); text != "" {
		in.Days, _ = strconv.Atoi(text) // 0 is refused, or the default
	}
	found, err := a.usage.Call(r.Context(), in)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	of := found.Body.SumDays
	if in.By == "" {
		for _, d := range found.Body.Days {
			of = append(of, usageDay{d.Day, d.Provider, d.Calls, d.Tokens, d.Cost})
		}
	}
	c := newChart(of, in.Days, time.Now())
	a.pages.Render(w, r, view("Usage", usagePage(*found, *in, c, access.From(r.Context()).May(access.Director, true) == nil)))
}
