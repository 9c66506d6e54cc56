package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/ops"
)

func cacheStatsCommand() *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use:   "stats [HOST:PORT]...",
		Short: "Show how often running processes found what they looked for",
		Long: `Asks processes for their metrics, at the addresses of their ops.listen, or at the
one that is configured here, and shows them together: of each kind how many
values they hold, how many lookups found theirs in the process or in Redis, and
how long it took to read the others from the database.`,
		Example: "  chorus cache stats\n  chorus cache stats planner:9464 generator:9464 sender:9464",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cfg.load(cmd); err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{cfg.ops.Listen}
			}
			all := cacheStats{}
			for _, address := range args {
				families, err := scrape(cmd.Context(), cfg.ops, address)
				if err != nil {
					return err
				}
				if err := cacheState(cmd.OutOrStdout(), address, families); err != nil {
					return err
				}
				all.add(families)
			}
			return all.print(cmd.OutOrStdout())
		},
	}
	cfg.Bind(cmd.Flags(), sectionOps)
	return cmd
}

// scrape reads the metrics of a process.
func scrape(ctx context.Context, c ops.Config, address string) (map[string]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(ctx, personTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%s: want HOST:PORT: %w", address, err)
	}
	if !c.MetricsToken.Empty() {
		request.Header.Set("Authorization", "Bearer "+c.MetricsToken.Reveal())
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask %s: it answers %s (a port that others can reach wants ops.metrics_token)", address, answer.Status)
	}
	const maxBody = 64 << 20
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("what %s answers: %w", address, err)
	}
	if families["chorus_cache_connected"] == nil {
		return nil, fmt.Errorf("%s: %w", address, errNoCache)
	}
	return families, nil
}

var errNoCache = errors.New("it answers, but has no cache: want the ops.listen of a service")

// cacheState prints the state of a process' cache.
func cacheState(w io.Writer, address string, families map[string]*dto.MetricFamily) error {
	announced, shared := "does not hear of changes, and keeps values for a second only", "not shared through Redis"
	if truth(families["chorus_cache_connected"]) {
		announced = "hears of changes"
	}
	if truth(families["chorus_cache_shared"]) {
		shared = "shared through Redis"
	}
	_, err := fmt.Fprintf(w, "%s: %s; %s.\n", address, announced, shared)
	return err
}

// cacheStats holds the figures of each kind.
type cacheStats map[string]*kindStats

type kindStats struct {
	values, bytes                      float64
	local, shared, misses              float64
	loads, seconds                     float64
	evictions, invalidations, failures float64
}

func (s cacheStats) add(families map[string]*dto.MetricFamily) {
	for name, put := range map[string]func(k *kindStats, layer string, m *dto.Metric){
		"chorus_cache_entries": func(k *kindStats, _ string, m *dto.Metric) { k.values += m.GetGauge().GetValue() },
		"chorus_cache_bytes":   func(k *kindStats, _ string, m *dto.Metric) { k.bytes += m.GetGauge().GetValue() },
		"chorus_cache_hits_total": func(k *kindStats, layer string, m *dto.Metric) {
			if layer == "l1" {
				k.local += m.GetCounter().GetValue()
			} else {
				k.shared += m.GetCounter().GetValue()
			}
		},
		"chorus_cache_misses_total": func(k *kindStats, layer string, m *dto.Metric) {
			if layer == "l1" {
				k.misses += m.GetCounter().GetValue()
			}
		},
		"chorus_cache_load_seconds": func(k *kindStats, _ string, m *dto.Metric) {
			k.loads += float64(m.GetHistogram().GetSampleCount())
			k.seconds += m.GetHistogram().GetSampleSum()
		},
		"chorus_cache_evictions_total":     func(k *kindStats, _ string, m *dto.Metric) { k.evictions += m.GetCounter().GetValue() },
		"chorus_cache_invalidations_total": func(k *kindStats, _ string, m *dto.Metric) { k.invalidations += m.GetCounter().GetValue() },
		"chorus_cache_errors_total":        func(k *kindStats, _ string, m *dto.Metric) { k.failures += m.GetCounter().GetValue() },
	} {
		for _, m := range families[name].GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			kind := labels["kind"]
			if s[kind] == nil {
				s[kind] = &kindStats{}
			}
			put(s[kind], labels["layer"], m)
		}
	}
}

func (s cacheStats) print(w io.Writer) error {
	var all kindStats
	table := newNumbers(w)
	table.linef("KIND\tVALUES\tKIB\tL1\tL2\tMISSED\tHIT RATE\tLOADS\tMEAN\tEVICTED\tCHANGED\tFAILED\t")
	for _, kind := range slices.Sorted(maps.Keys(s)) {
		k := s[kind]
		k.print(table, kind)
		all.values, all.bytes = all.values+k.values, all.bytes+k.bytes
		all.local, all.shared, all.misses = all.local+k.local, all.shared+k.shared, all.misses+k.misses
		all.loads, all.seconds = all.loads+k.loads, all.seconds+k.seconds
		all.evictions, all.invalidations, all.failures = all.evictions+k.evictions, all.invalidations+k.invalidations, all.failures+k.failures
	}
	all.print(table, "all")
	return table.end()
}

func (k *kindStats) print(table table, kind string) {
	rate, mean := "-", "-"
	if lookups := k.local + k.misses; lookups > 0 {
		rate = fmt.Sprintf("%.1f %%", 100*(k.local+k.shared)/lookups)
	}
	if k.loads > 0 {
		mean = time.Duration(k.seconds / k.loads * float64(time.Second)).Round(10 * time.Microsecond).String()
	}
	table.linef("%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%s\t%.0f\t%s\t%.0f\t%.0f\t%.0f\t", kind, k.values, k.bytes/1024, k.local, k.shared,
		k.misses-k.shared, rate, k.loads, mean, k.evictions, k.invalidations, k.failures)
}
