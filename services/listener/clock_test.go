package listener_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// skewed is the difference between Telegram's clock and ours. It is more than the maximum
// age of a question or a command.
const skewed = 10 * time.Minute

// waited is a time longer than the maximum age of a question or a command.
const waited = 8 * time.Minute

// away returns a stage on which Telegram's clock differs from ours. The difference can be
// changed.
func away(t *testing.T, by time.Duration) (s *stage, difference *atomic.Int64) {
	t.Helper()
	t.Parallel()
	difference = &atomic.Int64{}
	difference.Store(int64(by))
	return newStage(t, 1, func(c *emulator.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(difference.Load())) }
	}), difference
}

// asked returns the age of a chat's prompt, as planners compute it.
func (s *stage) asked(chat int64) time.Duration {
	s.t.Helper()
	becomes(s, 1, `SELECT count(*) FROM prompts WHERE chat_id = $1`, chat)
	return time.Since(value[time.Time](s, `SELECT happened_at FROM prompts WHERE chat_id = $1`, chat))
}

func TestADifferenceOfClocksMakesNothingLate(t *testing.T) {
	for name, by := range map[string]time.Duration{"our clock is ahead": -skewed, "our clock is behind": skewed, "they agree": 0} {
		for _, hooked := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", webhook: ", hooked), func(t *testing.T) {
				s, _ := away(t, by)
				chat, there := s.chat(world.Supergroup, "Here")
				if err := s.world().SetRole(there, "Ann", world.Administrator); err != nil {
					t.Fatal(err)
				}
				if hooked {
					s.hooked()
				} else {
					s.listen()
				}
				testenv.Background(t, s.watchSettings())
				s.say(there, "Tom", "What do you think?", 0)
				s.asks(chat, there, "Tom", "/about")
				if age := s.asked(chat); age < 0 || age > time.Minute {
					t.Errorf("what was just said is %v old", age)
				}
				s.asks(chat, there, "Ann", "/pause 2m")
				if ends := value[time.Time](s, `SELECT paused_until FROM chat_pauses WHERE chat_id = $1`, chat); time.Until(ends) > 2*time.Minute || time.Until(ends) < time.Minute {
					t.Errorf("two minutes end in %v", time.Until(ends))
				}
			})
		}
	}
}

// TestWhatWaitedAtTelegramIsLate writes messages long before a listener starts, with a
// difference between the clocks.
func TestWhatWaitedAtTelegramIsLate(t *testing.T) {
	for name, by := range map[string]time.Duration{"our clock is ahead": -skewed, "our clock is behind": skewed} {
		t.Run(name, func(t *testing.T) {
			s, difference := away(t, by)
			chat, there := s.chat(world.Supergroup, "Here")
			s.say(there, "Tom", "/about", 0)
			s.say(there, "Tom", "What do you think?", 0)
			difference.Add(int64(waited)) // time passes
			s.listen()
			if age := s.asked(chat); age < waited || age > waited+time.Minute {
				t.Errorf("what waited for %v is %v old", waited, age)
			}
			becomes(s, 0, `SELECT count(*) FROM commands`)
			if n := len(s.answers(chat)); n != 0 {
				t.Errorf("%d answers to what was said long ago", n)
			}
			// A new command is answered.
			s.asks(chat, there, "Tom", "/about")
		})
	}
}
