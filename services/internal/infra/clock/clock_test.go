package clock_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/chorus-cast/chorus/services/internal/infra/clock"
)

func TestADifferenceIsMeasured(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		theirs time.Time
		want   float64
	}{
		"equal":  {now, 0},
		"ahead":  {now.Add(-3 * time.Minute), 180},
		"behind": {now.Add(3 * time.Minute), -180},
	} {
		r := prometheus.NewPedanticRegistry()
		clock.New(r, func() time.Time { return now }).To(clock.NATS)(c.theirs)
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		if n := testutil.CollectAndCount(r); n != 1 || families[0].GetMetric()[0].GetGauge().GetValue() != c.want {
			t.Errorf("%s: %v, want %v", name, families, c.want)
		}
	}
}
