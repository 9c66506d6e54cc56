package sampling

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// largest limits a response, in bytes.
const largest = 16 << 20

// scrape reads the metrics of a process: what it uses into the sample, and what
// Chorus counts, by series.
func scrape(ctx context.Context, source Source, sample *Sample) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, source.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", source.Instance, err)
	}
	if source.Token != "" {
		request.Header.Set("Authorization", "Bearer "+source.Token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", source.Instance, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("scrape %s: it answers %s", source.Instance, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(response.Body, largest))
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", source.Instance, err)
	}
	sample.Memory = first(families["process_resident_memory_bytes"])
	sample.CPU = first(families["process_cpu_seconds_total"])
	sample.Goroutines = first(families["go_goroutines"])
	counted := map[string]float64{}
	for name, family := range families {
		if strings.HasPrefix(name, "chorus_") {
			read(counted, family)
		}
	}
	return counted, nil
}

// first is the value of a metric without labels, 0 where there is none.
func first(family *dto.MetricFamily) float64 {
	for _, m := range family.GetMetric() {
		return m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
	}
	return 0
}

// read adds a family's series; a histogram's are its count and its sum.
func read(into map[string]float64, family *dto.MetricFamily) {
	name := family.GetName()
	for _, m := range family.GetMetric() {
		labels := labelled(m.GetLabel())
		switch family.GetType() {
		case dto.MetricType_COUNTER:
			into[name+labels] = m.GetCounter().GetValue()
		case dto.MetricType_GAUGE:
			into[name+labels] = m.GetGauge().GetValue()
		case dto.MetricType_HISTOGRAM:
			into[name+"_count"+labels] = float64(m.GetHistogram().GetSampleCount())
			into[name+"_sum"+labels] = m.GetHistogram().GetSampleSum()
		case dto.MetricType_SUMMARY, dto.MetricType_UNTYPED, dto.MetricType_GAUGE_HISTOGRAM:
		}
	}
}

// labelled writes labels as Prometheus does.
func labelled(pairs []*dto.LabelPair) string {
	if len(pairs) == 0 {
		return ""
	}
	words := make([]string, len(pairs))
	for i, p := range pairs {
		words[i] = fmt.Sprintf("%s=%q", p.GetName(), p.GetValue())
	}
	sort.Strings(words)
	return "{" + strings.Join(words, ",") + "}"
}

// series is a counter or a gauge of one process over time.
type series struct {
	fresh, seen     bool
	first, last     float64
	before, highest float64 // before is what was counted before the process began anew
	at              time.Time
}

func (s *series) add(at time.Time, value float64) {
	if at.Before(s.at) {
		return // an answer that was overtaken
	}
	switch {
	case !s.seen:
		s.first = value
	case value < s.last:
		s.before += s.last
	}
	s.seen, s.last, s.highest, s.at = true, value, max(s.highest, value), at
}

// value is by how much a counter rose, or the most that a gauge was.
func (s *series) value(name string) float64 {
	switch {
	case !isCounter(name):
		return s.highest
	case s.fresh:
		return s.before + s.last
	default:
		return s.before + s.last - s.first
	}
}

func isCounter(series string) bool {
	name, _, _ := strings.Cut(series, "{")
	return strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_sum")
}
