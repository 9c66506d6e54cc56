package listener_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// answers returns the deliveries of a chat, in the order of their turns.
func (s *stage) answers(chat int64) []*chorusv1.Delivery {
	s.t.Helper()
	var all []*chorusv1.Delivery
	for _, payload := range value[[][]byte](s, `SELECT coalesce(array_agg(payload ORDER BY turn_no), '{}') FROM deliveries WHERE chat_id = $1`, chat) {
		d := &chorusv1.Delivery{}
		if err := proto.Unmarshal(payload, d); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// asks sends a command of a person and returns the answer.
func (s *stage) asks(chat, there int64, who, command string) *chorusv1.Delivery {
	s.t.Helper()
	before := len(s.answers(chat))
	// Earlier answers of this minute would count for the limit.
	s.exec(`UPDATE turns SET planned_at = planned_at - interval '2 minutes', due_at = due_at - interval '2 minutes' WHERE chat_id = $1`, chat)
	s.say(there, who, command, 0)
	var got []*chorusv1.Delivery
	testenv.Eventually(s.t, command+" is answered", func() (string, bool) {
		got = s.answers(chat)
		return fmt.Sprint(len(got)), len(got) == before+1
	})
	return got[before]
}

func commandStage(t *testing.T) *stage {
	t.Helper()
	t.Parallel()
	s := newStage(t, 3)
	s.listen()
	testenv.Background(t, s.watchSettings())
	return s
}

func TestCommands(t *testing.T) {
	s := commandStage(t)
	for _, kind := range []string{world.Supergroup, world.Group} {
		t.Run(kind, func(t *testing.T) {
			s := s.in(t)
			chat, there := s.chat(kind, "The "+kind)
			if err := s.world().SetRole(there, "Ann", world.Administrator); err != nil {
				t.Fatal(err)
			}
			active := fmt.Sprintf(`SELECT coalesce((SELECT value::text FROM settings WHERE key = 'simulation_active' AND scope_id = %d), 'unset')`, chat)
			quiet := fmt.Sprintf(`SELECT count(*) FROM cast_members WHERE chat_id = %d AND suspended_at IS NOT NULL`, chat)
			for _, step := range []struct {
				who, says, answer string
				active            string
				quiet             int
			}{
				{"Tom", "/about", "bot0, bot1 and bot2 are bots", "unset", 0},
				{"Tom", "/about@" + username(1), "run by the testers (tests@example.org)", "unset", 0},
				{"Tom", "/pause", "Only administrators", "unset", 0},
				{"Ann", "/pause soon", "I understand /pause", "unset", 0},
				{"Ann", "/pause 30m", "quiet until", "false", 0},
				{"Ann", "/status", "Paused until", "false", 0},
				{"Ann", "/resume", "talks again", "unset", 0},
				{"Ann", "/resume", "isn't paused", "unset", 0},
				{"Ann", "/pause", "until /resume", "false", 0},
				{"Tom", "/resume", "Only administrators", "false", 0},
				{"Ann", "/resume", "talks again", "unset", 0},
				{"Tom", "/quiet @" + username(0), "Only administrators", "unset", 0},
				{"Ann", "/quiet", "Name one of the bots", "unset", 0},
				{"Ann", "/quiet @" + username(0), "@" + username(0) + " is quiet now", "unset", 1},
				{"Ann", "/status", "Quiet: bot0", "unset", 1},
				{"Ann", "/resume @" + username(0), "@" + username(0) + " talks again", "unset", 0},
			} {
				d := s.asks(chat, there, step.who, step.says)
				if !strings.Contains(d.GetText(), step.answer) || d.GetAction() != chorusv1.Action_ACTION_SEND_MESSAGE || d.GetTargetMessage() == 0 {
					t.Errorf("%s: %s is answered by %v", step.who, step.says, d)
				}
				becomes(s, step.active, active)
				if n := value[int](s, quiet); n != step.quiet {
					t.Errorf("%s: %d are quiet, want %d", step.says, n, step.quiet)
				}
				s.settingsSeen(chat, step.active != "false")
			}
			// The addressed bot answers, and turns and commands add up.
			if by := s.answers(chat)[1].GetBotId(); by != s.bots[1] {
				t.Errorf("bot %d answered, want %d", by, s.bots[1])
			}
			turns := value[int](s, `SELECT count(*) FROM turns WHERE chat_id = $1`, chat)
			if last := value[int](s, `SELECT turn_no FROM chat_clock WHERE chat_id = $1`, chat); last != turns {
				t.Errorf("%d turns, and the clock says %d", turns, last)
			}
		})
	}
}

// /status lists a bot that may not write apart from one that was made quiet, with the
// reason and the next try.
func TestStatusTellsWhoIsSuspended(t *testing.T) {
	s := commandStage(t)
	chat, there := s.chat(world.Supergroup, "Here")
	if err := s.world().SetRole(there, "Ann", world.Administrator); err != nil {
		t.Fatal(err)
	}
	s.asks(chat, there, "Ann", "/about@"+username(0)) // proves that the bot's join was received
	if changed, err := rosterpg.Suspend(t.Context(), s.pool, chat, s.bots[0], "not enough rights to send text messages to the chat"); err != nil || !changed.First {
		t.Fatal(changed, err)
	}
	got := s.asks(chat, there, "Ann", "/status").GetText()
	for _, want := range []string{"Cast: bot1 and bot2.\n", "Away: bot0 (suspended, because Telegram does not let it act here since ", ": not enough rights to send text messages to the chat; next try at "} {
		if !strings.Contains(got, want) {
			t.Errorf("/status has no %q:\n%s", want, got)
		}
	}
}

// /status reports that the cast is silent if it may talk and gets no texts.
func TestStatusTellsThatNothingIsWritten(t *testing.T) {
	s := commandStage(t)
	chat, there := s.chat(world.Supergroup, "Here")
	if err := s.world().SetRole(there, "Ann", world.Administrator); err != nil {
		t.Fatal(err)
	}
	s.exec(`
INSERT INTO llm_calls (at, purpose, provider, model, outcome, rests_until)
SELECT now() - i * interval '1 second', 'text', 'openai', 'm', 'empty', now() + interval '119 seconds' FROM generate_series(1, 12) i`)
	got := s.asks(chat, there, "Ann", "/status").GetText()
	if !strings.HasPrefix(got, "The cast is silent: no texts: the model openai/m gave an empty answer 12 times since ") || !strings.Contains(got, "; next try in 2 min.") {
		t.Errorf("/status is\n%s", got)
	}
}

func TestAPauseEndsByItself(t *testing.T) {
	s := commandStage(t)
	chat, there := s.chat(world.Supergroup, "Here")
	if err := s.world().SetRole(there, "Ann", world.Administrator); err != nil {
		t.Fatal(err)
	}
	s.asks(chat, there, "Ann", "/pause 1m")
	becomes(s, 1, `SELECT count(*) FROM settings WHERE scope_id = $1`, chat)
	s.exec(`UPDATE chat_pauses SET paused_until = now() + interval '2 seconds' WHERE chat_id = $1`, chat)
	s.asks(chat, there, "Ann", "/about") // a command makes the listener look up when the next pause ends
	becomes(s, 0, `SELECT count(*) FROM settings WHERE scope_id = $1`, chat)
	becomes(s, 0, `SELECT count(*) FROM chat_pauses WHERE paused_at IS NOT NULL`)
}

func TestAnAdministratorCantEndAnOperatorsPause(t *testing.T) {
	s := commandStage(t)
	chat, there := s.chat(world.Supergroup, "Here")
	if err := s.world().SetRole(there, "Ann", world.Administrator); err != nil {
		t.Fatal(err)
	}
	if err := settingspg.Set(t.Context(), s.pool, "simulation_active", "chat", chat, []byte("false")); err != nil {
		t.Fatal(err)
	}
	s.settingsSeen(chat, false)
	for _, command := range []string{"/resume", "/pause 30m"} {
		if d := s.asks(chat, there, "Ann", command); !strings.Contains(d.GetText(), "who runs it") {
			t.Errorf("%s: %s", command, d.GetText())
		}
	}
	if n := value[int](s, `SELECT count(*) FROM settings`); n != 1 {
		t.Error("the operator's pause is over")
	}
}

func TestWhoAsksTooOftenGetsNoAnswer(t *testing.T) {
	s := commandStage(t)
	chat, there := s.chat(world.Supergroup, "Here")
	for range 15 {
		s.say(there, "Tom", "/about", 0)
	}
	s.hears(chat, 15)
	becomes(s, 0, `SELECT count(*) FROM commands`)
	if n := len(s.answers(chat)); n != 6 {
		t.Errorf("%d answers, want 6", n)
	}
}
