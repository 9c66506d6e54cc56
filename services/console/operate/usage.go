package operate

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/overview"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

type usageAsked struct {
	Days int    `query:"days" default:"30" minimum:"1" maximum:"90"`
	By   string `query:"by" doc:"sum single calls, too: by day, chat, bot, provider or purpose"`
}

// spentDay is what a provider was used for on a day.
type spentDay struct {
	Day      time.Time `json:"day"`
	Provider string    `json:"provider"`
	Tokens   int64     `json:"tokens"`
	Cost     float64   `json:"cost"`
}

// usageSum is what calls come to.
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
		Days    []spentDay        `json:"days"`
		Sums    []usageSum        `json:"sums,omitempty"`
		Budgets []overview.Budget `json:"budgets"`
	}
}

const spending = `-- console: spending
SELECT day, provider, tokens, cost::float8 FROM llm_spending WHERE day > (now() AT TIME ZONE 'UTC')::date - $1::integer ORDER BY day, provider`

func (a *Area) readUsage(ctx context.Context, in *usageAsked) (*usageAnswer, error) {
	const most = 90
	days := in.Days
	if days == 0 {
		days = 30
	}
	if days < 1 || days > most {
		return nil, &operation.InvalidError{Field: "days", Value: strconv.Itoa(days), Want: "1 to 90"}
	}
	out := &usageAnswer{}
	var err error
	if out.Body.Days, err = store.Collect(ctx, a.Pool, "read the spending", pgx.RowToStructByPos[spentDay], spending, days); err != nil {
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
	sums, err := usage.Sums(ctx, a.Pool, time.Duration(days)*24*time.Hour, usage.By(in.By))
	for _, s := range sums {
		out.Body.Sums = append(out.Body.Sums, usageSum{s.Name, s.Calls, s.Failed, s.PromptTokens + s.CompletionTokens, s.Cost, s.Latency.Milliseconds()})
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
	all := plots(found.Body.Days, in.Days, time.Now())
	if usage.By(in.By) == usage.ByDay {
		all = append(all, callsPlot(found.Body.Sums, in.Days, time.Now()))
	}
	a.render(w, r, "Usage", usagePage(*found, *in, all))
}

// plot is a bar for each day.
type plot struct {
	Title, Most string
	Bars        []bar
	First, Last string
}

// bar is one, in a plot of plotWidth by plotHeight.
type bar struct {
	X, Y, Width, Height string
	Label               string
}

const (
	plotWidth  = 600.0
	plotHeight = 120.0
)

// plots shows cost and tokens of each day, of all providers together.
func plots(days []spentDay, n int, now time.Time) []plot {
	costs, tokens := make([]float64, n), make([]float64, n)
	first := usage.Day(now).AddDate(0, 0, 1-n)
	for _, d := range days {
		if i := int(d.Day.Sub(first) / (24 * time.Hour)); i >= 0 && i < n {
			costs[i] += d.Cost
			tokens[i] += float64(d.Tokens)
		}
	}
	return []plot{bars("Cost", "%.4f", costs, first), bars("Tokens", "%.0f", tokens, first)}
}

// callsPlot shows the calls of each day, which are summed by it.
func callsPlot(sums []usageSum, n int, now time.Time) plot {
	calls, first := make([]float64, n), usage.Day(now).AddDate(0, 0, 1-n)
	for i := range calls {
		day := first.AddDate(0, 0, i).Format(time.DateOnly)
		for _, s := range sums {
			if s.Name == day {
				calls[i] = float64(s.Calls)
			}
		}
	}
	return bars("Calls", "%.0f", calls, first)
}

func bars(title, format string, values []float64, first time.Time) plot {
	most := slices.Max(values)
	p := plot{
		Title: title, Most: fmt.Sprintf(format, most), First: first.Format(time.DateOnly), Last: first.AddDate(0, 0, len(values)-1).Format(time.DateOnly),
	}
	step := plotWidth / float64(len(values))
	for i, v := range values {
		height := 0.0
		if most > 0 {
			height = plotHeight * v / most
		}
		p.Bars = append(p.Bars, bar{
			X: short(step*float64(i) + step/10), Y: short(plotHeight - height), Width: short(step * 0.8), Height: short(height),
			Label: first.AddDate(0, 0, i).Format(time.DateOnly) + ": " + fmt.Sprintf(format, v),
		})
	}
	return p
}

func short(v float64) string { return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") }
