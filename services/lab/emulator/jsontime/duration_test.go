package jsontime_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

func TestADurationIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(rt *rapid.T) {
		want := jsontime.Duration(rapid.Int64().Draw(rt, "duration"))

		text, err := json.Marshal(want)
		if err != nil {
			rt.Fatal(err)
		}

		var got jsontime.Duration
		if err := json.Unmarshal(text, &got); err != nil || got != want || string(text) != `"`+got.String()+`"` {
			rt.Fatalf("%d became %s and then %d, %v", want, text, got, err)
		}
	})
}

func TestWhatIsNoDurationIsRefused(t *testing.T) {
	t.Parallel()

	for _, text := range []string{`"soon"`, `""`, `"5"`, `5`, `{}`} {
		got := jsontime.Duration(time.Second)
		if err := json.Unmarshal([]byte(text), &got); err == nil || got != jsontime.Duration(time.Second) {
			t.Errorf("%s was read as %s", text, got)
		}
	}
}
