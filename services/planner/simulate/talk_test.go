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

// A day of each example, and an hour of it in which its whole cast is awake, lie inside
// the bands of people who talk in groups, as far as planning determines them.
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
				check := func(what string, lines []talk.Line) {
					for _, row := range talk.Review(lines) {
						if slices.Contains(planned, row.Name) && row.Verdict != talk.Inside {
							t.Errorf("%s: %s is %s, want %s", what, row.Name, row.Shown(), row.Want)
						}
					}
				}
				chats := chatsOf(t, example)
				for chat, lines := range played(chats, 0, 24*time.Hour, seed+1) {
					check("a day of "+chat, lines)
				}
				// A seminar says too little in an hour.
				for chat, lines := range played(chats[:1], 18, time.Hour, seed+1) {
					check("an hour of "+chat, lines)
				}
			})
		}
	}
}

func chatsOf(t *testing.T, example string) []simulate.Chat {
	t.Helper()
	file, err := castfile.Load("../../../deploy/examples/" + example + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	chats, err := simulate.Chats(file.Cast, func(string) decide.Settings { return planner.Effective(nil, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return chats
}

// played is what is said in each chat from an hour of a day on.
func played(chats []simulate.Chat, hour int, duration time.Duration, seed uint64) map[string][]talk.Line {
	start := time.Date(2026, 5, 6, hour, 0, 0, 0, chats[0].Chat.TimeZone)
	by := map[string][]talk.Line{}
	for _, turn := range simulate.Run(simulate.Options{Chats: chats, Start: start, Duration: duration, Seed: seed}).Turns {
		by[turn.Chat] = append(by[turn.Chat], talk.Line{
			ID: turn.Number, Who: turn.Bot, Bot: true, At: turn.At, Answers: turn.Turn.Target, Reaction: turn.Turn.Kind == decide.KindReaction,
		})
	}
	return by
}
