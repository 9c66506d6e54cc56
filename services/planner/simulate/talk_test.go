package simulate_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/talk"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/planner/decide"
	"github.com/chorus-cast/chorus/services/planner/simulate"
)

// A day of each example lies inside the bands of people who talk in groups, as far as
// planning determines them.
func TestTheExamplesTalkLikePeople(t *testing.T) {
	t.Parallel()
	planned := []string{
		"burstiness", "log_gap_correlation", "same_speaker", "mean_run", "long_runs", "own_gap_ratio", "back_and_forth", "top_share",
		"answer_distance", "answer_within_3", "two_answers", "openings",
	}
	for _, example := range []string{"book-club", "role-playing-table", "market-talk"} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s %d", example, seed+1), func(t *testing.T) {
				t.Parallel()
				for chat, lines := range day(t, example, seed+1) {
					for _, row := range talk.Review(lines) {
						if slices.Contains(planned, row.Name) && row.Verdict != talk.Inside {
							t.Errorf("%s: %s is %s, want %s", chat, row.Name, row.Shown(), row.Want)
						}
					}
				}
			})
		}
	}
}

// day is what is said in each chat of an example.
func day(t *testing.T, example string, seed uint64) map[string][]talk.Line {
	t.Helper()
	file, err := castfile.Load("../../../deploy/examples/" + example + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	chats, err := simulate.Chats(file.Cast, func(string) decide.Settings { return planner.Effective(nil, 0) })
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 5, 6, 0, 0, 0, 0, chats[0].Chat.TimeZone)
	by := map[string][]talk.Line{}
	for _, turn := range simulate.Run(simulate.Options{Chats: chats, Start: start, Duration: 24 * time.Hour, Seed: seed}).Turns {
		by[turn.Chat] = append(by[turn.Chat], talk.Line{
			ID: turn.Number, Who: turn.Bot, Bot: true, At: turn.At, Answers: turn.Turn.Target, Reaction: turn.Turn.Kind == decide.KindReaction,
		})
	}
	return by
}
