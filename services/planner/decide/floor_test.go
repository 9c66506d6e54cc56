package decide_test

import (
	"math"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/planner/decide"
)

// said is a chat of four in which bots spoke in this order.
func said(bots ...int64) decide.Input {
	in := busy(4)
	in.Settings.ReactionProbability, in.Settings.AdditionProbability, in.Settings.SecondAnswerProbability = 0, 0, 0
	in.Settings.MinNeed, in.Settings.FloorPull, in.Settings.TempoPull = -100, 0, 0
	in.Recent = nil
	for i, bot := range bots {
		at := in.Now.Add(time.Duration(i-len(bots)) * 10 * time.Second)
		in.Recent = append(in.Recent, decide.Message{Number: int64(i + 1), BotID: bot, Author: "Anna", Text: "So.", At: at})
	}
	return in
}

// ruled counts the turns that a rule had a part in, and who acts in how many.
func ruled(t *testing.T, in decide.Input, rule string) (n int, acts [5]int) {
	t.Helper()
	turns(t, in, draws, func(d decide.Decision) {
		acts[d.Turn.BotID]++
		for _, r := range d.Turn.Reasons {
			n += one(r.Rule == rule)
		}
	})
	return n, acts
}

func TestASpeakerAddsALine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		in     decide.Input
		change func(*decide.Input)
		want   float64
	}{
		{"after its line", said(2, 1), nil, 0.2},
		{"on its way", said(1, 2), func(in *decide.Input) { in.Coming = []int64{1} }, 0.2},
		{"twice", said(2, 1, 1), nil, 0.2},
		{"not for ever", said(2, 1, 1, 1), nil, 0},
		{"not at the end of a rally", said(1, 2, 1, 2, 1, 2, 1, 2, 1), nil, 0},
		{"not later", said(2, 1), func(in *decide.Input) { in.Now = in.Now.Add(time.Hour) }, 0},
		{"not after somebody else", said(1, 2), func(in *decide.Input) { in.Cast[1].Enabled = false }, 0},
		{"not after a person", said(1, 0), nil, 0},
		{"the energetic", said(2, 1), func(in *decide.Input) { in.Cast[0].Energy = 0.75 }, 0.3},
		{"the calm", said(2, 1), func(in *decide.Input) { in.Cast[0].Energy = 0 }, 0},
	} {
		// Small enough that no probability is cut at 1.
		in := c.in
		in.Settings.AdditionProbability = 0.2
		if c.change != nil {
			c.change(&in)
		}
		adds := 0
		turns(t, in, draws, func(d decide.Decision) {
			if d.Turn.Reasons[0].Rule != "floor.adds" {
				return
			}
			adds++
			if d.Turn.BotID != 1 || d.Turn.Kind != decide.KindMessage || d.Turn.UseNews {
				t.Fatalf("%s: %+v", c.name, d.Turn)
			}
		})
		share(t, c.name, adds, draws, c.want)
	}
}

func TestWhoSpokeBeforeIsLikelyToGoOn(t *testing.T) {
	t.Parallel()
	in := said(3, 1, 2)
	n, acts := ruled(t, in, "floor.exchange")
	share(t, "the one before", acts[1], draws, in.Settings.ExchangeProbability)
	if n != acts[1] {
		t.Errorf("%d reasons for %d turns", n, acts[1])
	}
}

// However often two have gone back and forth, they go on where nobody else is there.
func TestTwoAloneGoOn(t *testing.T) {
	t.Parallel()
	in := said(1, 2, 1, 2, 1, 2)
	in.Cast = in.Cast[:2]
	in.Settings.ExchangeProbability, in.Settings.FloorPull = 0, 1
	turns(t, in, draws, func(d decide.Decision) {
		for _, r := range d.Turn.Reasons {
			if d.Turn.BotID != 1 || math.IsNaN(r.Weight) {
				t.Fatalf("%+v", d.Turn)
			}
		}
	})
}

func TestARallyEnds(t *testing.T) {
	t.Parallel()
	in := said(1, 2, 1, 2, 1, 2)
	in.Settings.MaxRally = 6
	if n, acts := ruled(t, in, "floor.rally"); n != draws || acts[1]+acts[2] > 0 {
		t.Errorf("%d reasons, acts %v", n, acts)
	}
	in.Coming = []int64{3}
	if n, acts := ruled(t, in, "floor.rally"); n != 0 || acts[2] == 0 {
		t.Errorf("a third has spoken: %d reasons, acts %v", n, acts)
	}
	in.Coming, in.Cast = nil, in.Cast[:2]
	if n, acts := ruled(t, in, "floor.rally"); n != 0 || acts[1] != draws {
		t.Errorf("nobody else is there: %d reasons, acts %v", n, acts)
	}
}

func TestWhoHadMoreThanItsShareHoldsBack(t *testing.T) {
	t.Parallel()
	in := said(1, 2, 1, 2, 1, 3, 1, 2, 1, 4, 1, 3, 1, 2, 1, 4, 1, 1, 2, 3)
	in.Settings.FairShare, in.Settings.ExchangeProbability = 0.45, 1.0/3 // as likely as any other
	n, acts := ruled(t, in, "floor.share")
	share(t, "the one who spoke most", acts[1], draws, 0.25/2.25)
	if n != acts[1] {
		t.Errorf("%d reasons for %d turns", n, acts[1])
	}
}

// A bot with twice the tempo has twice the lines in any hundred lines, although a bot speaks
// twice in a row only if it adds a line.
func TestLinesFollowTheTempo(t *testing.T) {
	t.Parallel()
	in := said(1, 2, 3, 4)
	in.Cast[0].Tempo = 2
	in.Settings.TempoPull = 6
	const hundred = 100
	var spoke [5]float64
	for in.TurnNumber = range int64(20 * hundred) {
		d := decide.Decide(in)
		in.Now = d.Next
		in.Recent = append(in.Recent, decide.Message{Number: in.TurnNumber + hundred, BotID: d.Turn.BotID, At: in.Now, Text: "Something."})
		in.Recent = in.Recent[max(0, len(in.Recent)-50):]
		spoke[d.Turn.BotID]++
		if (in.TurnNumber+1)%hundred == 0 {
			for bot, want := range []float64{1: 0.4, 2: 0.2, 3: 0.2, 4: 0.2} {
				if part := spoke[bot] / hundred; math.Abs(part-want) > 0.07 {
					t.Errorf("bot %d has %.2f of a hundred lines, want %.2f", bot, part, want)
				}
			}
			spoke = [5]float64{}
		}
	}
}

func TestAThirdJoinsIn(t *testing.T) {
	t.Parallel()
	in := said(1, 2, 1)
	in.Recent[1].ReplyTo = 1
	in.Settings.SecondAnswerProbability, in.Settings.ReplyToBotProbability = 1, 0
	second := 0
	turns(t, in, draws, func(d decide.Decision) {
		if d.Turn.BotID < 3 || d.Turn.Kind != decide.KindReply {
			t.Fatalf("%+v", d.Turn)
		}
		second += one(d.Turn.Target == 1)
	})
	if float64(second) < 0.6*draws {
		t.Errorf("%d of %d are a second answer", second, draws)
	}
	if got := reasonsFor(t, in, 1); got["target.again"] == 0 || got["floor.joins"] != 1 || got["target.answered"] != 0 {
		t.Errorf("the reasons are %v", got)
	}
	in.Answering = []decide.Answer{{Message: 1, BotID: 8}, {Message: 1, BotID: 9}}
	if got := reasonsFor(t, in, 1); got["target.again"] != 0 || got["target.answered"] != -18 {
		t.Errorf("of a fourth answer the reasons are %v", got)
	}
	in = said(0, 1, 2, 1, 2)
	in.Recent[0].Text, in.Recent[1].ReplyTo = "Clara? David?", 1
	in.Settings.SecondAnswerProbability = 1
	if got := reasonsFor(t, in, 1); got["target.again"] != 0 || got["target.answered"] != -6 {
		t.Errorf("people are crowded: %v", got)
	}
}

// A turn without need is skipped only while others are about to speak, so that no chat
// falls silent.
func TestNeed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*decide.Input)
		want   decide.Skip
	}{
		{"what was said lately is near", func(*decide.Input) {}, decide.SkipNone},
		{"others are about to speak", func(in *decide.Input) { in.Coming = []int64{3, 4, 2, 3} }, decide.SkipNoNeed},
		{"others are held up", func(in *decide.Input) {
			in.Coming, in.Now = []int64{3, 4, 2, 3}, in.Now.Add(time.Minute)
		}, decide.SkipNone},
		{"a question needs an answer", func(in *decide.Input) {
			in.Coming, in.Recent[1].Text = []int64{3, 4}, "Really?"
			in.Cast[1].Suspended, in.Cast[2].Suspended, in.Cast[3].Suspended = true, true, true
		}, decide.SkipNone},
		{"all but one sleep", func(in *decide.Input) {
			*in = said(1, 2, 2, 2)
			in.Cast[0].Suspended, in.Cast[2].HourlyMax, in.Cast[3].HourlyMax = true, 0, 0
		}, decide.SkipNoNeed},
		{"all but one sleep since long", func(in *decide.Input) {
			*in = said(1, 2, 2, 2)
			in.Cast[0].Suspended, in.Cast[2].HourlyMax, in.Cast[3].HourlyMax = true, 0, 0
			in.Now = in.Now.Add(time.Hour)
		}, decide.SkipNone},
		{"a cast of one", func(in *decide.Input) {
			*in = said(1, 1, 1, 1)
			in.Cast = in.Cast[:1]
		}, decide.SkipNone},
	} {
		in := said(1, 2)
		c.change(&in)
		in.Settings.ReplyToBotProbability, in.Settings.MinNeed = 1, 7
		for in.TurnNumber = range int64(100) {
			if d := decide.Decide(in); d.Skip != c.want {
				t.Fatalf("%s: %v, want %v", c.name, d.Skip, c.want)
			}
		}
	}
}

// The gap before a turn is the one that the decision before it drew.
func TestGapsTellWhatComes(t *testing.T) {
	t.Parallel()
	in := said(3, 1, 2)
	in.Settings.AdditionProbability, in.Settings.ReplyToBotProbability = 0.3, 0.5
	in.Settings.MinGap = 0
	var sum [3]time.Duration
	var n [3]int
	const addition, answer, opening = 0, 1, 2
	var gap time.Duration
	turns(t, in, draws, func(d decide.Decision) {
		what := opening
		switch {
		case d.Turn.Reasons[0].Rule == "floor.adds":
			what = addition
		case d.Turn.Kind == decide.KindReply:
			what = answer
		}
		sum[what] += gap
		n[what]++
		gap = d.Next.Sub(in.Now)
	})
	mean := func(what int) float64 { return sum[what].Seconds() / float64(n[what]) }
	if mean(addition) > 0.6*mean(answer) || mean(answer) > 0.6*mean(opening) {
		t.Errorf("the mean gap before an addition is %.1f s, before an answer %.1f s, before an opening %.1f s", mean(addition), mean(answer), mean(opening))
	}
}

// Spells are some twelve and five gaps long, of many lengths.
func TestSpells(t *testing.T) {
	t.Parallel()
	in := said(1, 2, 3, 1)
	lengths, at := map[bool][]int{}, 0
	for in.TurnNumber = range int64(draws) {
		d := decide.Decide(in)
		if at++; d.Lively != in.Lively {
			lengths[in.Lively], at = append(lengths[in.Lively], at), 0
		}
		in.Lively = d.Lively
	}
	for lively, want := range map[bool]float64{true: 12, false: 5} {
		sum, longest := 0, 0
		for _, n := range lengths[lively] {
			sum, longest = sum+n, max(longest, n)
		}
		if mean := float64(sum) / float64(len(lengths[lively])); math.Abs(mean-want) > 0.3 || lively && longest < 16 {
			t.Errorf("lively %v: the mean is %.2f gaps, and the most are %d", lively, mean, longest)
		}
	}
	in.Lively = false
	// A skipped turn ends no spell, or it would end as often as it is looked at.
	in.ChatLastMinute = in.Settings.ChatPerMinute
	for in.TurnNumber = range int64(200) {
		if decide.Decide(in).Lively {
			t.Fatal("a skipped turn ended a quiet spell")
		}
	}
	in.Recent[2].BotID = 0
	if !decide.Decide(in).Lively {
		t.Error("a person did not make the chat lively")
	}
}

// A chat whose texts are late by more than a gap is looked at as seldom as they are late,
// within reason.
func TestAChatThatWaitsForTextsIsLeftAlone(t *testing.T) {
	for _, skip := range []decide.Skip{decide.SkipNoNeed, decide.SkipTextsBehind} {
		next := func(waited time.Duration) time.Duration {
			in := said(1, 2)
			in.Settings.ReplyToBotProbability, in.Settings.MinNeed = 1, 7
			in.Coming, in.UnwrittenTurns, in.UnwrittenFor = []int64{3, 4, 2, 3}, 4, waited
			in.Settings.MaxUnwrittenTurns, in.Settings.PrimeBoost, in.Chat.MeanGap = 5, false, time.Second
			if skip == decide.SkipTextsBehind {
				in.Settings.MaxUnwrittenTurns = 4
			}
			d := decide.Decide(in)
			if d.Skip != skip {
				t.Fatalf("%v, want %v", d.Skip, skip)
			}
			return d.Next.Sub(in.Now)
		}
		gap := next(0)
		for waited, want := range map[time.Duration]time.Duration{time.Second + gap/2: gap, 10 * time.Second: 9 * time.Second, time.Hour: 20 * time.Second} {
			if got := next(waited); got != want {
				t.Errorf("%v: the next look is after %v where a text has waited for %v, want %v", skip, got, waited, want)
			}
		}
	}
}
