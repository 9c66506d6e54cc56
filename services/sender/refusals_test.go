package sender_test

import (
	"fmt"
	"testing"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram/telegramtest"
	"github.com/chorus-cast/chorus/services/lab/emulator/calllog"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// permanentRetries makes Telegram refuse messages and reactions in every permanent way, and
// counts the calls after the first.
func (s *fixture) permanentRetries() (retries, refusals int) {
	s.t.Helper()
	for i, r := range telegramtest.Refusals() {
		switch r.Want {
		case telegram.PermanentAction, telegram.PermanentMembership, telegram.PermanentBot:
		case telegram.Unknown, telegram.Done, telegram.AlreadyDone, telegram.RateLimited, telegram.Moved, telegram.NotSent:
			continue
		}
		refusals++
		for j, method := range []string{"sendMessage", "setMessageReaction"} {
			bot := s.newBot(fmt.Sprintf("bot%dof%d", i, j))
			chat, said := s.chat(fmt.Sprintf("chat-%d-of-%d", i, j), world.Supergroup, bot)
			rules := []fault.Rule{{ID: "refusal", Method: method, Kind: fault.Status, Status: r.Code, Description: r.Description}}
			if r.Want == telegram.PermanentBot { // one call alone doesn't show it
				rules = append(rules, fault.Rule{ID: "me", Method: "getMe", Kind: fault.Status, Status: r.Code, Description: r.Description})
			}
			if _, err := s.telegram.Faults().Replace(rules); err != nil {
				s.t.Fatal(err)
			}
			turn := s.turn(chat)
			turn.BotId = bot
			d := journaltest.Message(turn, "hello")
			if method == "setMessageReaction" {
				turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REACTION, said
				d = journaltest.Reaction(turn, "👍", chorusv1.Fallback_FALLBACK_UNSPECIFIED)
			}
			s.post(turn, d)
			s.becomes(d, "rejected closed")
			records, err := s.telegram.Calls().Records(s.t.Context(), calllog.Filter{Method: method, Bot: fmt.Sprintf("bot%dof%d_bot", i, j)})
			if err != nil {
				s.t.Fatal(err)
			}
			if n := len(records); n != 1 {
				s.t.Errorf("%s refused with %d %q: %d calls", method, r.Code, r.Description, n)
				retries += n - 1
			}
		}
	}
	return retries, refusals
}

func TestWhatIsRefusedForGoodIsNotRetried(t *testing.T) {
	if retries, refusals := newFixture(t).permanentRetries(); retries != 0 || refusals < 40 {
		t.Errorf("%d retries after %d refusals", retries, refusals)
	}
}

// BenchmarkPermanentRefusals runs once, whatever b.N.
func BenchmarkPermanentRefusals(b *testing.B) {
	retries, _ := newFixture(b).permanentRetries()
	fmt.Printf("figure sender.permanent_retries %d calls\n", retries)
}
