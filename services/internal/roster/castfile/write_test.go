package castfile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/roster/rostertest"
)

// A written file reads back to the same cast, whatever its texts contain.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rostertest.Any().Draw(t, "cast")
		text := castfile.Format(want)
		got, err := castfile.Parse("cast.yaml", text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if diff := cmp.Diff(want, got.Cast, cmpopts.IgnoreFields(roster.Bot{}, "Secret", "AccountID"), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("read back differently (-want +got):\n%s in\n%s", diff, text)
		}
		if plan := roster.Diff(want, got.Cast, true); !plan.Empty() {
			t.Fatalf("the plan is not empty:\n%s", plan)
		}
	})
}
