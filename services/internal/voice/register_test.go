package voice_test

import (
	"testing"

	"github.com/chorus-cast/chorus/services/internal/voice"
)

func TestRegisters(t *testing.T) {
	t.Parallel()
	const text = "It's late, because you ask nobody who can't sleep"
	for register, want := range map[string]string{
		voice.Formal: "It is late, because you ask nobody who cannot sleep",
		voice.Plain:  text,
		voice.Casual: "It's late, cos you ask no one who can't sleep",
	} {
		said := voice.Voice{Register: register}.Spoken(text)
		if said != want {
			t.Errorf("%s: %q, want %q", register, said, want)
		}
		if got := voice.Whole(said); got != voice.Whole(text) {
			t.Errorf("%s: compared as %q, want %q", register, got, voice.Whole(text))
		}
	}
}
