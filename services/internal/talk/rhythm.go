package talk

import (
	"math"
	"time"
)

// Gaps returns the times between consecutive lines of sessions.
func Gaps(lines []Line) []time.Duration { return newTranscript(lines).gaps() }

func (t *transcript) gaps() []time.Duration {
	var all []time.Duration
	for _, s := range t.sessions {
		for i := 1; i < len(s); i++ {
			all = append(all, s[i].At.Sub(s[i-1].At))
		}
	}
	return all
}

// minGaps is the least number of gaps for a figure.
const minGaps = 10

// burstiness is (σ−μ)/(σ+μ) of the gaps: −1 for a clock, 0 for independent events, 1 for bursts.
func burstiness(t *transcript) figure {
	gaps := t.gaps()
	mean, deviation := moments(gaps, time.Duration.Seconds)
	if len(gaps) < minGaps || mean == 0 {
		return figure{}
	}
	return figure{(deviation - mean) / (deviation + mean), true}
}

// moments returns the mean and the standard deviation.
func moments[T any](items []T, number func(T) float64) (mean, deviation float64) {
	n := float64(max(len(items), 1))
	for _, item := range items {
		mean += number(item) / n
	}
	for _, item := range items {
		d := number(item) - mean
		deviation += d * d / n
	}
	return mean, math.Sqrt(deviation)
}

// logGap returns a gap's logarithm. Gaps under a second count as one, because many sources have
// whole seconds only.
func logGap(d time.Duration) float64 { return math.Log(max(d.Seconds(), 1)) }

// logGapCorrelation is Pearson's correlation of a gap with the next one of its session.
func logGapCorrelation(t *transcript) figure {
	var x, y []float64
	for _, s := range t.sessions {
		for i := 2; i < len(s); i++ {
			x = append(x, logGap(s[i-1].At.Sub(s[i-2].At)))
			y = append(y, logGap(s[i].At.Sub(s[i-1].At)))
		}
	}
	itself := func(v float64) float64 { return v }
	meanX, deviationX := moments(x, itself)
	meanY, deviationY := moments(y, itself)
	const minDeviation = 1e-9 // less is a rounding error
	if len(x) < minGaps || deviationX < minDeviation || deviationY < minDeviation {
		return figure{}
	}
	var covariance float64
	for i := range x {
		covariance += (x[i] - meanX) * (y[i] - meanY) / float64(len(x))
	}
	return figure{covariance / (deviationX * deviationY), true}
}

func medianGap(t *transcript) figure { return median(t.gaps(), time.Duration.Seconds) }

func longGap(t *transcript) figure { return quantile(t.gaps(), 0.9, time.Duration.Seconds) }
