package sender

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// However many reactions of a bot come at once, as they do after a time in which
// they hung, none of its messages waits for them.
func TestMessagesDoNotQueueBehindReactions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const reactions = 70
		s := &Sender{cfg: DefaultConfig()}
		s.limits, s.breakers = newLimits(s.cfg, nil, nil), newBreakers(s.cfg, nil, zap.NewNop())
		began := time.Now()
		var all sync.WaitGroup
		for chat := range int64(reactions) {
			all.Go(func() {
				d := &chorusv1.Delivery{BotId: 1, Id: &chorusv1.TurnId{ChatId: chat}, Action: chorusv1.Action_ACTION_SET_REACTION}
				if until, err := s.wait(t.Context(), d, &address{}, false); err != nil || !until.IsZero() {
					t.Errorf("the reaction in chat %d: put off until %v, %v", chat, until, err)
				}
			})
		}
		synctest.Wait()
		for chat := range int64(30) {
			d := &chorusv1.Delivery{BotId: 1, Id: &chorusv1.TurnId{ChatId: chat}, Action: chorusv1.Action_ACTION_SEND_MESSAGE}
			v, err := s.limits.reserve(t.Context(), d, &address{}, true, time.Minute)
			if err != nil || !v.Granted || v.Wait > 0 {
				t.Errorf("message %d after %v: %+v, %v", chat, time.Since(began), v, err)
			}
			if err := sit(t.Context(), 100*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		all.Wait()
		// All but a burst of 15 come at 15 a second.
		if took, want := time.Since(began), (reactions-15)*time.Second/15; took > want+time.Second {
			t.Errorf("the reactions took %v, want about %v", took, want)
		}
	})
}
