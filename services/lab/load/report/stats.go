package report

import (
	"math"
	"slices"
	"time"
)

// rank is the value below which a share of the sorted values lies, by the
// nearest-rank method: always a value that occurred.
func rank(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := int(math.Ceil(share*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// ranks are what the stages tell of their values, which it sorts.
func ranks(values []float64) (p50, p90, p99, most float64) {
	slices.Sort(values)
	return rank(values, 0.5), rank(values, 0.9), rank(values, 0.99), rank(values, 1)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// round keeps figures readable: more digits are noise.
func round(v float64, digits int) float64 {
	f := math.Pow10(digits)
	return math.Round(v*f) / f
}

// point is a value at a time, in minutes.
type point struct{ x, y float64 }

// slope is how fast values grow by least squares, in percent of their mean a
// minute.
func slope(points []point) float64 {
	n := float64(len(points))
	var mx, my float64
	for _, p := range points {
		mx += p.x / n
		my += p.y / n
	}
	var sxy, sxx float64
	for _, p := range points {
		sxy += (p.x - mx) * (p.y - my)
		sxx += (p.x - mx) * (p.x - mx)
	}
	if sxx == 0 || my == 0 {
		return 0
	}
	return 100 * sxy / sxx / my
}
