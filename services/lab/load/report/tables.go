package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/accounting"
)

func (r *Run) stages() []Stage {
	var list []Stage
	for _, s := range stages() {
		var took []float64
		for _, t := range r.Turns {
			if d, ok := s.took(t); ok && !t.Due.Before(r.Measured) {
				took = append(took, milliseconds(d))
			}
		}
		p50, p90, p99, most := ranks(took)
		list = append(list, Stage{
			Name: s.name, Doc: s.doc, Count: len(took),
			P50: round(p50, 2), P90: round(p90, 2), P99: round(p99, 2), Max: round(most, 2),
		})
	}
	return list
}

// callClasses counts calls by what was answered: the status and the description,
// in which numbers, such as the seconds of a wait, don't count.
func (r *Run) callClasses() []CallClass {
	counts := map[CallClass]int{}
	for _, c := range r.Calls {
		counts[CallClass{Method: c.Method, Answer: answerOf(c), Failed: c.Failed()}]++
	}
	list := make([]CallClass, 0, len(counts))
	for class, n := range counts {
		class.Count = n
		list = append(list, class)
	}
	slices.SortFunc(list, func(a, b CallClass) int {
		return cmp.Or(cmp.Compare(a.Method, b.Method), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Answer, b.Answer))
	})
	return list
}

func answerOf(c accounting.Call) string {
	switch {
	case c.Status == 0:
		return "none: the caller gave up"
	case !c.Failed():
		return "ok"
	case c.RetryAfter > 0:
		return fmt.Sprintf("%d: Too Many Requests: retry after N", c.Status)
	case c.Description == "":
		return fmt.Sprint(c.Status)
	default:
		return fmt.Sprintf("%d: %s", c.Status, c.Description)
	}
}

// activity is what the services count of themselves, and the journal of them.
func (r *Run) activity() []Figure {
	retries := 0
	for _, t := range r.Turns {
		needed := 1
		if t.Outcome == accounting.FellBack {
			needed = 2 // the reaction, and the message in its place
		}
		retries += max(0, t.Attempts-needed)
	}
	attempts := float64(retries)
	return []Figure{
		{Name: "attempts of deliveries beyond the first of each call", Value: &attempts},
		r.sum("attempts on the bus after the first", "chorus_bus_retries_total"),
		r.sum("deliveries put off because of a long wait", "chorus_sender_parked_total"),
		r.sum("reservations of limits in Redis", "chorus_limit_reservations_total", `by="redis"`),
		r.sum("reservations of limits in the process", "chorus_limit_reservations_total", `by="process"`),
		r.sum("reservations that had to wait", "chorus_limit_reservations_total", `verdict="refused"`),
		r.sum("failures of Redis seen by limits", "chorus_limit_redis_failures_total"),
		r.sum("breakers of bots open or half open, most at once", "chorus_sender_breakers"),
		r.matching("breaker events", "breaker", "_total"),
		r.sum("the model's breaker open", "chorus_llm_breaker_open"),
		r.sum("cache hits", "chorus_cache_hits_total"),
		r.sum("cache hits in Redis", "chorus_cache_hits_total", `layer="l2"`),
		r.sum("cache misses", "chorus_cache_misses_total", `layer="l1"`), // those that Redis has are hits, too
		r.sum("cache loads", "chorus_cache_load_seconds_count"),
		r.sum("cache invalidations", "chorus_cache_invalidations_total"),
		r.sum("cache errors", "chorus_cache_errors_total"),
		r.sum("texts asked of the model", "chorus_llm_call_seconds_count"),
		r.sum("texts that the model wrote", "chorus_llm_call_seconds_count", `outcome="written"`),
		r.sum("tokens", "chorus_llm_tokens_total"),
		r.sum("cost", "chorus_llm_cost_total"),
		r.sum("updates heard", "chorus_listener_updates_total"),
		r.sum("batches of the planner that failed", "chorus_planner_errors_total"),
	}
}

// sum adds the series of a metric that have these labels.
func (r *Run) sum(name, metric string, labels ...string) Figure {
	return r.add(name, func(series string) bool {
		base, _, _ := strings.Cut(series, "{")
		for _, l := range labels {
			if !strings.Contains(series, l) {
				return false
			}
		}
		return base == metric
	}, func(series string) bool { base, _, _ := strings.Cut(series, "{"); return base == metric })
}

// matching adds the series of metrics with these words in their names.
func (r *Run) matching(name string, words ...string) Figure {
	has := func(series string) bool {
		base, _, _ := strings.Cut(series, "{")
		for _, w := range words {
			if !strings.Contains(base, w) {
				return false
			}
		}
		return true
	}
	return r.add(name, has, has)
}

// add adds the series that count. It has a value where one is there, even if that
// has other labels.
func (r *Run) add(name string, counts, there func(string) bool) Figure {
	f := Figure{Name: name}
	for series, v := range r.Counters {
		if !there(series) {
			continue
		}
		if f.Value == nil {
			f.Value = new(float64)
		}
		if counts(series) {
			*f.Value += v
		}
	}
	return f
}

// minutes is the run by the minute.
func (r *Run) minutes() []Minute {
	n := int(r.Ended.Sub(r.Began)/time.Minute) + 1
	list := make([]Minute, n)
	took := make([][]float64, n)
	at := func(t time.Time) *Minute {
		i := int(t.Sub(r.Began) / time.Minute)
		if t.Before(r.Began) || i >= n {
			return &Minute{} // counted nowhere
		}
		return &list[i]
	}
	for i := range list {
		list[i].Minute = i
	}
	for _, t := range r.Turns {
		at(t.Planned).Planned++
		if t.Closed.IsZero() {
			continue
		}
		m := at(t.Closed)
		switch {
		case spoken(t):
			m.Messages++
			if i := int(t.Closed.Sub(r.Began) / time.Minute); i >= 0 && i < n {
				took[i] = append(took[i], milliseconds(t.Closed.Sub(t.Due)))
			}
		case t.Outcome == accounting.Delivered:
			m.Reactions++
		case t.Outcome == accounting.FellBack:
			m.FellBack++
		case t.Outcome == outcomeExpired:
			m.Expired++
		}
	}
	for _, c := range r.Calls {
		m := at(c.Time)
		m.Calls++
		if c.Failed() {
			m.Errors++
		}
	}
	for i := range list {
		_, _, p99, _ := ranks(took[i])
		list[i].P99 = round(p99, 1)
	}
	return list
}
