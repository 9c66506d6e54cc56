package decide_test

import (
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/planner/decide"
)

func TestPausesEndByThemselves(t *testing.T) {
	t.Parallel()
	const recheck = 15 * time.Minute
	until := func(in *decide.Input, after time.Duration) *decide.Pause {
		return &decide.Pause{By: "Kim", Until: in.Now.Add(after)}
	}
	for name, c := range map[string]struct {
		change func(*decide.Input)
		want   time.Duration
	}{
		"a pause with an end":    {func(in *decide.Input) { in.Paused = until(in, time.Minute) }, time.Minute},
		"a pause for long":       {func(in *decide.Input) { in.Paused = until(in, time.Hour) }, recheck},
		"a pause without an end": {func(in *decide.Input) { in.Paused = &decide.Pause{By: "Kim"} }, recheck},
		"a mute with an end":     {func(in *decide.Input) { in.Cast[0].Muted = until(in, time.Minute) }, time.Minute},
		"a mute without an end":  {func(in *decide.Input) { in.Cast[0].Muted = &decide.Pause{By: "Kim"} }, recheck},
		"nobody speaks unasked":  {func(in *decide.Input) { in.Settings.Order = decide.OrderManual }, recheck},
		"the first of two to end": {func(in *decide.Input) {
			in.Cast[1].Suspended = false
			in.Cast[0].Muted, in.Cast[1].Muted = until(in, 3*time.Minute), until(in, 2*time.Minute)
		}, 2 * time.Minute},
	} {
		in := quiet("Hello.")
		c.change(&in)
		if d := decide.Decide(in); d.Turn != nil || d.Next.Sub(in.Now) != c.want {
			t.Errorf("%s: %v, next in %v, want %v", name, d.Skip, d.Next.Sub(in.Now), c.want)
		}
	}
}

func TestTheCastSpeaksInTurn(t *testing.T) {
	t.Parallel()
	in := busy(4)
	in.Settings.Order, in.Settings.ReactionProbability = decide.OrderRoundRobin, 0
	in.Cast[2].Muted = &decide.Pause{By: "Kim"}
	in.Recent, in.Coming = nil, nil
	var spoke []int64
	for range 6 {
		d := decide.Decide(in)
		if d.Turn == nil {
			t.Fatal(d.Skip)
		}
		if r := d.Turn.Reasons[0]; r.Rule != "order.round_robin" {
			t.Errorf("it is chosen by %s", r.Rule)
		}
		spoke, in.TurnNumber = append(spoke, d.Turn.BotID), in.TurnNumber+1
		in.Coming = append(in.Coming, d.Turn.BotID)
	}
	for i, bot := range spoke {
		if want := []int64{1, 2, 4}[i%3]; bot != want {
			t.Errorf("%v speak", spoke)
			break
		}
	}
}

func TestEverythingIsAboutTheScene(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"Hello.", "The ending is sad, isn't it?"} {
		in := quiet(text)
		in.Chat.Scene = "the storm hits"
		if d := decide.Decide(in); d.Turn == nil || d.Turn.Topic != "the storm hits" || d.Turn.UseNews {
			t.Errorf("%q: %+v", text, d)
		}
	}
}
