package decide_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/voice"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

const draws = 4000

// turns makes many decisions on one input, with turn numbers from 1.
func turns(t *testing.T, in decide.Input, n int, each func(decide.Decision)) {
	t.Helper()
	for i := range n {
		in.TurnNumber = int64(i + 1)
		d := decide.Decide(in)
		if d.Turn == nil {
			t.Fatalf("skipped: %v", d.Skip)
		}
		each(d)
	}
}

// share checks that hits of n are within three standard deviations of what the
// probability says. The seeds are fixed: it passes always or never.
func share(t *testing.T, what string, hits, n int, want float64) {
	t.Helper()
	got, sigma := float64(hits)/float64(n), math.Sqrt(want*(1-want)/float64(n))
	if math.Abs(got-want) > 3*sigma {
		t.Errorf("%s: %.4f of %d, want %.4f ± %.4f", what, got, n, want, 3*sigma)
	}
}

func TestProbabilities(t *testing.T) {
	t.Parallel()
	for _, person := range []bool{true, false} {
		t.Run(fmt.Sprintf("after a person %v", person), func(t *testing.T) {
			t.Parallel()
			const draws = 20_000
			in := busy(5)
			in.Recent = in.Recent[len(in.Recent)-8:]
			s := &in.Settings
			s.AdditionProbability, s.SecondAnswerProbability, s.FloorPull = 0, 0, 0
			last := &in.Recent[len(in.Recent)-1]
			last.BotID, last.Text = 0, "Nothing in particular."
			reply := s.ReplyProbability
			if !person {
				last.BotID, reply = 5, s.ReplyToBotProbability
			}
			var reactions, replies, messages, mentions, starts, news, bubbles int
			var lengths [4]int
			turns(t, in, draws, func(d decide.Decision) {
				switch d.Turn.Kind {
				case decide.KindReaction:
					reactions++
					return
				case decide.KindReply:
					replies++
				case decide.KindMessage:
					messages++
				}
				lengths[d.Turn.Length]++
				mentions += one(d.Turn.Mention != decide.MentionNone)
				starts += one(d.Turn.Mention == decide.MentionStart)
				news += one(d.Turn.UseNews)
				bubbles += one(d.Turn.Bubbles)
			})
			share(t, "reactions", reactions, draws, s.ReactionProbability)
			share(t, "replies", replies, replies+messages, reply)
			share(t, "mentions", mentions, replies, s.MentionProbability)
			share(t, "mentions at the start", starts, mentions, s.MentionAtStart)
			share(t, "news", news, messages, s.NewsProbability)
			share(t, "bubbles", bubbles, replies+messages, s.BubblesProbability)
			share(t, "short", lengths[decide.LengthShort], replies+messages, s.LengthShort)
			share(t, "medium", lengths[decide.LengthMedium], replies+messages, s.LengthMedium)
			share(t, "long", lengths[decide.LengthLong], replies+messages, s.LengthLong)
		})
	}
}

func TestLengthsFollowTheVoice(t *testing.T) {
	t.Parallel()
	for _, length := range []string{voice.Terse, voice.Short, voice.Even, voice.Long} {
		in := busy(5)
		for i := range in.Cast {
			in.Cast[i].Length = length
		}
		s := &in.Settings
		s.ReactionProbability = 0
		var lengths [4]int
		turns(t, in, draws, func(d decide.Decision) { lengths[d.Turn.Length]++ })
		short, medium, long := voice.Weights(length)
		sum := short*s.LengthShort + medium*s.LengthMedium + long*s.LengthLong
		share(t, length+": short", lengths[decide.LengthShort], draws, short*s.LengthShort/sum)
		share(t, length+": long", lengths[decide.LengthLong], draws, long*s.LengthLong/sum)
	}
}

func TestNever(t *testing.T) {
	t.Parallel()
	in := busy(5)
	s := &in.Settings
	s.ReactionProbability, s.ReplyProbability, s.ReplyToBotProbability, s.NewsProbability, s.LengthShort = 0, 0, 0, 0, 0
	s.SecondAnswerProbability = 0
	turns(t, in, 500, func(d decide.Decision) {
		if d.Turn.Kind != decide.KindMessage || d.Turn.UseNews || d.Turn.Length == decide.LengthShort {
			t.Fatalf("%+v", d.Turn)
		}
	})
}

func TestAlways(t *testing.T) {
	t.Parallel()
	in := busy(5)
	s := &in.Settings
	s.ReactionProbability, s.ReplyProbability, s.ReplyToBotProbability, s.MentionProbability, s.AdditionProbability = 0, 1, 1, 1, 0
	s.LengthShort, s.LengthMedium, s.LengthLong = 0, 0, 0
	turns(t, in, 500, func(d decide.Decision) {
		if d.Turn.Kind != decide.KindReply || d.Turn.Mention == decide.MentionNone || d.Turn.Length != decide.LengthMedium {
			t.Fatalf("%+v", d.Turn)
		}
	})
}

func TestWhoSpeaks(t *testing.T) {
	t.Parallel()
	in := busy(4)
	in.Recent = nil
	in.Cast[1].Tempo = 2
	in.Cast[2].HourlyMin, in.Cast[2].LastHour = 6, 5
	in.Cast[3].HourlyMin, in.Cast[3].LastHour = 6, 6
	var spoke [5]int
	turns(t, in, draws, func(d decide.Decision) { spoke[d.Turn.BotID]++ })
	for bot, weight := range map[int]float64{1: 1, 2: 2, 3: in.Settings.LagBoost, 4: 1} {
		share(t, fmt.Sprintf("bot %d", bot), spoke[bot], draws, weight/7)
	}
}

func TestWhoWasAddressedSpeaksMore(t *testing.T) {
	t.Parallel()
	in := busy(4)
	in.Recent = []decide.Message{{Number: 1, Author: "Mira", Text: "I side with BEN here.", At: in.Now}}
	spoke := 0
	turns(t, in, draws, func(d decide.Decision) { spoke += one(d.Turn.BotID == 2) })
	boost := in.Settings.AddressedBoost
	share(t, "the one addressed", spoke, draws, boost/(boost+3))
}

func TestPace(t *testing.T) {
	t.Parallel()
	night, err := hours.Parse("00:00-05:00")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*decide.Input)
		mean   time.Duration
	}{
		{"plain", func(*decide.Input) {}, 30 * time.Second},
		{"no mean", func(in *decide.Input) { in.Chat.MeanGap = 0 }, 30 * time.Second},
		{"prime hours", func(in *decide.Input) { in.Settings.PrimeBoost = true }, 18 * time.Second},
		{"no prime hour", func(in *decide.Input) {
			in.Settings.PrimeBoost, in.Settings.PrimeHours = true, []hours.Range{night}
		}, 30 * time.Second},
		{"prime hours of the chat's own zone", func(in *decide.Input) {
			in.Settings.PrimeBoost, in.Settings.PrimeHours = true, []hours.Range{night}
			in.Chat.TimeZone = time.FixedZone("far", 14*3600)
		}, 18 * time.Second},
		{"twice the scale", func(in *decide.Input) { in.Settings.ScaleFactor = 2 }, 15 * time.Second},
		{"tempo of all", func(in *decide.Input) {
			for i := range in.Cast {
				in.Cast[i].Tempo = 0.5
			}
		}, time.Minute},
		{"tempo of one in four", func(in *decide.Input) { in.Cast[0].Tempo = 5 }, 15 * time.Second},
		{"tempo of those asleep doesn't count", func(in *decide.Input) {
			in.Cast[0].Tempo, in.Cast[0].ActiveHours = 5, []hours.Range{night}
		}, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := busy(4)
			in.Recent, in.Settings.PrimeBoost, in.Settings.MinGap, in.Settings.MaxGapFactor = nil, false, 0, 100
			c.change(&in)
			sum, squares, lively := 0.0, 0.0, 0
			const draws = 40_000
			for in.TurnNumber = range int64(draws) {
				d := decide.Decide(in)
				gap := d.Next.Sub(in.Now).Seconds()
				sum, squares, lively = sum+gap, squares+gap*gap, lively+one(d.Lively)
				in.Lively = d.Lively
			}
			mean, want := sum/draws, c.mean.Seconds()
			if math.Abs(mean/want-1) > 0.04 {
				t.Errorf("the mean gap is %.3f s, want %.3f s", mean, want)
			}
			// Independent gaps have 1, and seven gaps of ten are in lively spells.
			if variation := math.Sqrt(squares/draws-mean*mean) / mean; variation < 1.6 || variation > 2.2 {
				t.Errorf("the coefficient of variation is %.2f", variation)
			}
			if part := float64(lively) / draws; part < 0.66 || part > 0.74 {
				t.Errorf("%.2f of the gaps are in lively spells", part)
			}
		})
	}
}

// Gaps are spread evenly, with any seed: each twelfth of the distribution has one of a lively
// spell's gaps, each fifth one of a quiet spell's.
func TestAnHourHasGapsOfAllLengths(t *testing.T) {
	t.Parallel()
	const cycle = 17
	for seed := range uint64(50) {
		in := busy(4)
		in.Seed, in.Recent, in.Settings.MinGap, in.Settings.MaxGapFactor, in.Settings.LivelyGap = seed, nil, 0, 100, 1
		var of [12]int
		for turn := range int64(cycle) {
			in.TurnNumber = cycle*7 + turn
			gap := decide.Decide(in).Next.Sub(in.Now).Seconds()
			in.Recent = nil
			of[int(12*-math.Expm1(-gap/18))]++ // the mean in prime time
		}
		for part, n := range of {
			if n < 1 || n > 3 {
				t.Errorf("seed %d: %d gaps in twelfth %d", seed, n, part)
			}
		}
	}
}

func TestGapsAreBounded(t *testing.T) {
	t.Parallel()
	in := busy(4)
	in.Settings.PrimeBoost, in.Settings.MinGap, in.Settings.MaxGapFactor, in.Settings.LivelyGap = false, 10*time.Second, 2, 1
	var least, most int
	turns(t, in, draws, func(d decide.Decision) {
		gap := d.Next.Sub(in.Now)
		if gap < 10*time.Second || gap > time.Minute {
			t.Fatalf("gap %v", gap)
		}
		least, most = least+one(gap == 10*time.Second), most+one(gap == time.Minute)
	})
	share(t, "shortest gaps", least, draws, 1-math.Exp(-1.0/3))
	share(t, "longest gaps", most, draws, math.Exp(-2))
}

// A planner that was away doesn't make up for it.
func TestLateTurnsLeaveNoBurst(t *testing.T) {
	t.Parallel()
	in := busy(4)
	in.Due = in.Now.Add(-8 * time.Hour)
	late := decide.Decide(in)
	in.Due = in.Now
	if diff := cmp.Diff(decide.Decide(in), late); diff != "" {
		t.Errorf("being late changed the decision:\n%s", diff)
	}
}

func TestSeedsAndTurnsDiffer(t *testing.T) {
	t.Parallel()
	in := busy(4)
	seen := map[uint64]bool{}
	for seed := range uint64(30) {
		for turn := range int64(30) {
			in.Seed, in.TurnNumber = seed, turn+1
			seen[decide.Decide(in).Turn.Seed] = true
		}
	}
	if len(seen) != 900 {
		t.Errorf("900 turns have %d seeds", len(seen))
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
