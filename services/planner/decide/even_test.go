package decide

import (
	"math/rand/v2"
	"testing"
	"time"
)

// With a given pace, people can read along: the mean distance of messages is the pace,
// whatever the chat's mean gap, and no message comes at once.
func TestPaceCanBeReadWhateverTheChatsGap(t *testing.T) {
	t.Parallel()
	const pace, turns = 9 * time.Second, 4000
	for _, gap := range []time.Duration{time.Second, 2 * time.Minute, 24 * time.Hour} {
		random := rand.New(rand.NewPCG(1, 2))
		var sum time.Duration
		messages := 0
		for range turns {
			set := Settings{ScaleFactor: 1, MinGap: time.Second, MaxGapFactor: 6, ReactionProbability: 0.2}
			d := &decider{in: &Input{Chat: Chat{MeanGap: gap}, Settings: set}, gapDraw: random.ExpFloat64()}
			d.set = &d.in.Settings
			d.set.Pace = pace
			drawn := d.gap()
			if drawn < pace/3 || drawn > 2*pace {
				t.Fatalf("a gap of %v", drawn)
			}
			sum += drawn
			if random.Float64() >= d.set.ReactionProbability {
				messages++
			}
		}
		if mean := sum / time.Duration(messages); mean < 8*time.Second || mean > 10*time.Second {
			t.Errorf("with a gap of %v a message comes every %v", gap, mean)
		}
	}
}
