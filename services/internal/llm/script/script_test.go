package script_test

import (
	"math"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/voice"
)

// Lengths are heavy-tailed, and a terse voice has more single words than a long one.
func TestWordsFollowTheVoice(t *testing.T) {
	t.Parallel()
	figures := func(v voice.Voice) (mean, variation, single float64) {
		const draws = 2000
		square := 0.0
		for seed := range uint64(draws) {
			n := float64(script.Scene{Persona: script.Persona{Voice: v}, Length: script.Length(seed % 3), Seed: seed}.Words())
			mean, square = mean+n/draws, square+n*n/draws
			if n == 1 {
				single += 1.0 / draws
			}
		}
		return mean, math.Sqrt(square-mean*mean) / mean, single
	}
	terse, variation, singles := figures(voice.Voice{Length: voice.Terse})
	long, _, few := figures(voice.Voice{Length: voice.Long})
	if variation < 0.85 || singles < 0.05 || few >= singles || few == 0 || long < 1.3*terse {
		t.Errorf("mean %.1f and %.1f, variation %.2f, single words %.3f and %.3f", terse, long, variation, singles, few)
	}
}
