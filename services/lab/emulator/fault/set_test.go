package fault_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(now time.Time) func() time.Time { return func() time.Time { return now } }

func set(t interface{ Fatal(args ...any) }, rules ...fault.Rule) *fault.Set {
	s := fault.NewSet(at(noon))
	if _, err := s.Replace(rules); err != nil {
		t.Fatal(err)
	}

	return s
}

func latency(d time.Duration) fault.Rule {
	return fault.Rule{Kind: fault.Latency, Duration: jsontime.Duration(d)}
}

func TestARuleMeetsTheCallsItIsAbout(t *testing.T) {
	t.Parallel()

	call := fault.Call{Method: "sendMessage", Bot: "ada_bot", Chat: -5}

	tests := []struct {
		name string
		rule fault.Rule
		want bool
	}{
		{"all", fault.Rule{}, true},
		{"star", fault.Rule{Method: "*"}, true},
		{"method in other case", fault.Rule{Method: "SendMESSAGE"}, true},
		{"other method", fault.Rule{Method: "getMe"}, false},
		{"bot with @", fault.Rule{Bot: "@Ada_Bot"}, true},
		{"other bot", fault.Rule{Bot: "bob_bot"}, false},
		{"chat", fault.Rule{Chat: -5}, true},
		{"other chat", fault.Rule{Chat: -6}, false},
		{"all of them", fault.Rule{Method: "sendMessage", Bot: "ada_bot", Chat: -5}, true},
		{"not over yet", fault.Rule{Until: noon.Add(1)}, true},
		{"over", fault.Rule{Until: noon}, false},
	}
	if got := set(t, fault.Rule{Kind: fault.Kicked}).Meet(fault.Call{Method: "getMe"}); got != (fault.Effect{}) {
		t.Errorf("a call without a chat was kicked from one: %+v", got)
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			tt.rule.Kind = fault.Kicked
			if got := set(t, tt.rule).Meet(call).Rule.Kind == fault.Kicked; got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDelaysAddUpAndTheFirstOtherRuleDecides(t *testing.T) {
	t.Parallel()

	s := set(t,
		latency(time.Second),
		fault.Rule{ID: "first", Kind: fault.Kicked, Count: 2},
		latency(2*time.Second),
		fault.Rule{ID: "second", Kind: fault.ResetBefore},
	)

	got := []fault.Effect{s.Meet(fault.Call{Chat: -5}), s.Meet(fault.Call{Chat: -5}), s.Meet(fault.Call{Chat: -5})}
	want := []fault.Effect{
		{Delay: 3 * time.Second, Rule: fault.Rule{ID: "first", Kind: fault.Kicked, Count: 2}, IDs: "fault-1,first,fault-2"},
		{Delay: 3 * time.Second, Rule: fault.Rule{ID: "first", Kind: fault.Kicked, Count: 2}, IDs: "fault-1,first,fault-2"},
		{Delay: 3 * time.Second, Rule: fault.Rule{ID: "second", Kind: fault.ResetBefore}, IDs: "fault-1,fault-2,second"},
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRulesAreReplacedAddedAndRemoved(t *testing.T) {
	t.Parallel()

	ids := func(rules []fault.Rule) []string {
		var all []string
		for _, r := range rules {
			all = append(all, r.ID)
		}

		return all
	}

	s := set(t, fault.Rule{ID: "a", Kind: fault.Kicked}, fault.Rule{ID: "b", Kind: fault.Kicked})

	if _, err := s.Add(fault.Rule{ID: "a", Kind: fault.Hang}, fault.Rule{ID: "c", Kind: fault.Hang}); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([]string{"a", "b", "c"}, ids(s.Rules())); diff != "" {
		t.Error(diff)
	}

	if got := s.Meet(fault.Call{Chat: -5}).Rule.Kind; got != fault.Hang {
		t.Errorf("a is %s still", got)
	}

	if _, err := s.Replace([]fault.Rule{{ID: "d", Kind: fault.Kicked}, {Kind: "nonsense"}}); err == nil {
		t.Error("a wrong rule was taken")
	}

	if s.Remove("nobody") || !s.Remove("b") {
		t.Error("Remove doesn't tell whether there was a rule")
	}

	if diff := cmp.Diff([]string{"a", "c"}, ids(s.Rules())); diff != "" {
		t.Error(diff)
	}

	if !s.Remove("") || s.Remove("") {
		t.Error("Remove of all doesn't tell whether there was a rule")
	}

	if diff := cmp.Diff([]fault.Rule{}, s.Rules(), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// fates tells which of some calls the rule hits.
func fates(s *fault.Set, calls []fault.Call) []bool {
	var hit []bool
	for _, c := range calls {
		hit = append(hit, s.Meet(c).IDs != "")
	}

	return hit
}

func TestTheSameSeedStrikesTheSameCalls(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(rt *rapid.T) {
		rule := fault.Rule{
			ID: "x", Method: "sendMessage", Kind: fault.Kicked,
			Rate: rapid.Float64Range(0.2, 0.8).Draw(rt, "rate"), Seed: rapid.Uint64().Draw(rt, "seed"),
		}
		own := slices.Repeat([]fault.Call{{Method: "sendMessage", Chat: -5}}, 200)
		first := fates(set(rt, rule), own)

		if !slices.Contains(first, true) || !slices.Contains(first, false) {
			rt.Fatalf("rate %v hit all or none of %d calls", rule.Rate, len(own))
		}

		if diff := cmp.Diff(first, fates(set(rt, rule), own)); diff != "" {
			rt.Fatalf("the second time: %s", diff)
		}

		// Calls of other methods and other rules in between change nothing.
		other := fault.Rule{ID: "y", Kind: fault.Latency, Duration: 1, Rate: 0.5}
		s := set(rt, other, rule)

		var mixed []bool

		for _, c := range own {
			for range rapid.IntRange(0, 2).Draw(rt, "others") {
				s.Meet(fault.Call{Method: "getMe"})
			}

			mixed = append(mixed, s.Meet(c).Rule.ID == "x")
		}

		if diff := cmp.Diff(first, mixed); diff != "" {
			rt.Fatalf("among other calls: %s", diff)
		}
	})
}

func TestTheRateIsTheShareOfCalls(t *testing.T) {
	t.Parallel()

	const calls = 10_000

	for _, rate := range []float64{0.01, 0.3, 0.9, 1} {
		hits := 0

		for _, hit := range fates(set(t, fault.Rule{Kind: fault.ResetBefore, Rate: rate, Seed: 1}), make([]fault.Call, calls)) {
			if hit {
				hits++
			}
		}

		// Five standard deviations are less than 0.025 of the calls.
		if share := float64(hits) / calls; share < rate-0.025 || share > rate+0.025 {
			t.Errorf("rate %v: %v of the calls were hit", rate, share)
		}
	}
}
