package generator_test

import (
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
)

// A process' clock may be wrong by more than a turn's lifetime. Expiry, the wait for a text and all
// stored times use the database's clock.
func TestAWrongClockOfTheProcessChangesNothing(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	for name, ahead := range journaltest.Skews() {
		h.now = journaltest.Now(t, h.pool, ahead)
		stop := h.run()
		s := h.stage(t)
		s.becomes(s.turn(over), "expired")
		if n := len(s.llm.Calls()); n != 0 {
			t.Errorf("%s: %d texts were asked for that were too late", name, n)
		}
		d := s.delivery(s.turn())
		var off time.Duration
		err := s.pool.QueryRow(t.Context(), `SELECT created_at - $2 FROM deliveries WHERE chat_id = $1`, s.chat, d.GetCreatedAt().AsTime()).Scan(&off)
		if err != nil || off.Abs() > time.Second {
			t.Errorf("%s: a delivery is written down %v after it says, %v", name, off, err)
		}

		slow := h.stage(t)
		slow.model(llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.Hang}}})
		slow.becomes(slow.turn(within(5*time.Second)), "expired")
		slow.called(1)
		stop()
	}
}
