package sender_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/sender"
)

// breakers requests the breakers as an operator does.
func (s *fixture) breakers(query string) []sender.BreakerState {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.sender.ServeBreakers(w, httptest.NewRequest(http.MethodGet, "/breakers"+query, nil))
	var answer struct{ Breakers []sender.BreakerState }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Breakers == nil {
		s.t.Fatalf("%s: %v", w.Body, err)
	}
	return answer.Breakers
}

func (s *fixture) breaksAre(query string, want ...sender.BreakerState) {
	s.t.Helper()
	got := s.breakers(query)
	for i := range got {
		if (got[i].OpenFor > 0) != (got[i].State == "open") {
			s.t.Errorf("%s for %v s", got[i].State, got[i].OpenFor)
		}
		if got[i].State == "open" && got[i].Since.IsZero() {
			s.t.Error("nobody knows since when it is open")
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(sender.BreakerState{}, "OpenFor", "Since"), cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("breakers%s: %s", query, diff)
	}
}

// A breaker opens after consecutive failures of its own bot only. After a delay a probe is
// made, and the first success closes it.
func TestABreakerOpensAndCloses(t *testing.T) {
	s := newFixture(t, func(c *sender.Config) { c.BreakerFailures, c.BreakerDelay, c.ShortWait = 3, 2*time.Second, 0 })
	chat, said := s.chat("club", world.Supergroup)
	state := func(failures uint, state string) sender.BreakerState {
		return sender.BreakerState{BotID: s.bot, Bot: "anna", Action: "send_message", State: state, Failures: failures}
	}
	s.breaksAre("")

	// Refusals and 409s are responses, not failures.
	s.fault("sendMessage:400:something new:count=4")
	for range 4 {
		s.becomes(s.say(chat, "refused"), "rejected closed")
	}
	s.breaksAre("", state(0, "closed"))

	s.fault("sendMessage:502")
	for range 3 {
		s.becomes(s.say(chat, "failing"), "unknown closed")
	}
	s.breaksAre("?state=open", state(3, "open"))
	waits := s.say(chat, "it waits, and makes the probe")
	s.becomes(waits, "open waiting parked")
	if n := len(s.calls("sendMessage")); n != 7 {
		t.Errorf("%d calls while the breaker was open, want the 7 before", n)
	}
	// The probe fails, so the breaker opens again.
	s.becomes(waits, "unknown closed")
	s.breaksAre("", state(1, "open"))
	s.fault()
	s.becomes(s.say(chat, "it makes the next"), "delivered closed")
	s.breaksAre("", state(0, "closed"))
	s.breaksAre("?state=open")
	// The bot's reactions have their own breaker.
	s.becomes(s.react(chat, said, "👍", emojiMessage), "delivered closed")
	s.breaksAre("", state(0, "closed"), sender.BreakerState{BotID: s.bot, Bot: "anna", Action: "set_reaction", State: "closed"})
}
