package voice_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/voice"
)

func TestWhatIsLeftOutFollowsFromThePersona(t *testing.T) {
	t.Parallel()
	given := voice.Voice{Length: voice.Long, Capitals: voice.Lower, Stops: voice.Never, Emoji: voice.Often, Register: voice.Formal, Openers: []string{"Alas,"}}
	if diff := cmp.Diff(given, voice.Of(given, "gruff", 0, "Brom")); diff != "" {
		t.Errorf("what was given is changed (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		tone   string
		energy float64
		field  func(voice.Voice) string
		never  string
	}{
		{"dry", 0.5, func(v voice.Voice) string { return v.Emoji }, voice.Often},
		{"professional", 0.3, func(v voice.Voice) string { return v.Length }, voice.Terse},
		{"sachlich", 0.3, func(v voice.Voice) string { return v.Capitals }, voice.Lower},
		{"warm", 0.3, func(v voice.Voice) string { return v.Stops }, voice.Never},
		{"energetic", 0.9, func(v voice.Voice) string { return v.Register }, voice.Formal},
		{"rather gruff", 0.9, func(v voice.Voice) string { return v.Length }, voice.Long},
	} {
		for i := range 100 {
			if v := voice.Of(voice.Voice{}, c.tone, c.energy, fmt.Sprint("bot ", i)); c.field(v) == c.never {
				t.Errorf("%s, %v: %+v has %s", c.tone, c.energy, v, c.never)
			}
		}
	}
}

func TestBotsOfOneToneDiffer(t *testing.T) {
	t.Parallel()
	voices := map[string]bool{}
	for i := range 20 {
		voices[fmt.Sprint(voice.Of(voice.Voice{}, "dry", 0.5, fmt.Sprint("bot ", i)))] = true
	}
	if len(voices) < 8 {
		t.Errorf("20 dry bots have %d voices", len(voices))
	}
}

// Every persona has one complete voice, and keeps it.
func TestVoicesAreWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tone, name, energy := rapid.String().Draw(t, "tone"), rapid.String().Draw(t, "name"), rapid.Float64Range(0, 1).Draw(t, "energy")
		v := voice.Of(voice.Voice{}, tone, energy, name)
		if v.Length == "" || v.Capitals == "" || v.Stops == "" || v.Emoji == "" || v.Register == "" {
			t.Fatalf("%+v lacks something", v)
		}
		if diff := cmp.Diff(v, voice.Of(v, "gruff", 1, "another")); diff != "" {
			t.Fatalf("made whole again it differs:\n%s", diff)
		}
		if err := schema.Check(v, "cast"); err != nil {
			t.Fatal(err)
		}
	})
}
