package decide_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/voice"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// busy is a chat with a cast of n and 50 messages of ordinary length.
func busy(n int) decide.Input {
	now := time.Date(2026, 5, 6, 10, 30, 0, 0, time.UTC)
	in := decide.Input{
		Chat: decide.Chat{
			ID: 1, Enabled: true, MeanGap: 30 * time.Second,
			Topics: []string{"the ending", "translations", "unreliable narrators", "pacing", "first novels", "favourite characters"},
		},
		Settings: planner.Effective(nil, 0), TurnNumber: 1, Due: now, Now: now, Seed: 7,
	}
	names := []string{"Anna", "Ben", "Clara", "David", "Elif", "Frank", "Grace", "Hugo", "Ines", "Jonas"}
	for i := range n {
		name := names[i%len(names)]
		in.Cast = append(in.Cast, decide.Bot{
			Length: voice.Even,
			ID:     int64(i + 1), Name: fmt.Sprintf("%s-%d", name, i), DisplayName: name + " Example", Username: fmt.Sprintf("%s_%d_bot", name, i),
			Enabled: true, Tempo: 1, HourlyMax: 60, LastRefresh: now, Empathy: float64(i%10) / 9, Energy: 0.5,
			Interests: []string{"Victorian novels", "translation", "poetry", "maps", "detective stories"},
			Stances:   []decide.Stance{{Topic: "the ending", Confidence: 0.7}, {Topic: "pacing", Confidence: 0.4}},
		})
	}
	texts := []string{
		"I finished the last chapter on the train and nearly missed my stop, the ending is that good.",
		"Does anyone else think that the translation loses the humour of the first part?",
		"The pacing in the middle is slow, but I am sure that it is slow on purpose.",
		"Haha, that is exactly what I said to my sister yesterday when she asked about the detective.",
		"A map would have helped me, I kept mixing up the two villages and their unreliable narrators.",
	}
	for i := range 50 {
		m := decide.Message{Number: int64(i + 1), Author: "Mira", Text: texts[i%len(texts)], At: now.Add(time.Duration(i-50) * 20 * time.Second)}
		if i%4 != 0 && n > 0 {
			m.BotID = int64(i%n + 1)
		}
		if i%3 == 0 && i > 5 {
			m.ReplyTo = int64(i - 4)
		}
		in.Recent = append(in.Recent, m)
	}
	return in
}

// BenchmarkDecide prints the two figures that are promised of it.
func BenchmarkDecide(b *testing.B) {
	in := busy(20)
	b.ReportAllocs()
	for b.Loop() {
		in.TurnNumber++
		if d := decide.Decide(in); d.Turn == nil {
			b.Fatalf("skipped: %v", d.Skip)
		}
	}
	perTurn := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / 1000
	allocs := testing.AllocsPerRun(1000, func() {
		in.TurnNumber++
		decide.Decide(in)
	})
	fmt.Printf("figure planner.decide_us %.2f us\nfigure planner.decide_allocs %.1f allocs\n", perTurn, allocs)
}
