package sender

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/chorus-cast/chorus/proto/subject"
)

// BreakerState is one breaker as operators see it.
type BreakerState struct {
	BotID int64  `json:"bot_id"`
	Bot   string `json:"bot"`
	// Action is which of the bot's deliveries it is about.
	Action string `json:"action"`
	// State is closed, open or half-open.
	State string `json:"state"`
	// Failures are those in a row that count.
	Failures uint `json:"failures"`
	// OpenFor is how long it stays open, in seconds; 0 unless it is open.
	OpenFor float64 `json:"open_for_s"`
}

// Breakers are the breakers of this process, in the order of bots and actions:
// of each bot that it has sent for.
func (s *Sender) Breakers() []BreakerState { return s.breakers.states() }

func (b *breakers) states() []BreakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	states := make([]BreakerState, 0, len(b.byLine))
	for l, cb := range b.byLine {
		states = append(states, BreakerState{
			BotID: l.bot, Bot: b.names[l.bot], Action: subject.ActionName(l.action),
			State: cb.State().String(), Failures: cb.Metrics().Failures(), OpenFor: cb.RemainingDelay().Seconds(),
		})
	}
	slices.SortFunc(states, func(a, b BreakerState) int {
		return cmp.Or(cmp.Compare(a.BotID, b.BotID), cmp.Compare(a.Action, b.Action))
	})
	return states
}

// ServeBreakers answers with the breakers as JSON. The query ?state=open leaves
// the others out.
func (s *Sender) ServeBreakers(w http.ResponseWriter, r *http.Request) {
	states := s.Breakers()
	if want := r.URL.Query().Get("state"); want != "" {
		states = slices.DeleteFunc(states, func(b BreakerState) bool { return b.State != want })
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(struct { // the client is gone
		Breakers []BreakerState `json:"breakers"`
	}{states})
}
