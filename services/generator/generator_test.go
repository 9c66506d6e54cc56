package generator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/offline"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	outcomeOf    = `SELECT outcome || ': ' || reason FROM turns WHERE chat_id = $1 AND turn_no = $2`
	letterReason = `SELECT coalesce(string_agg(reason, ','), '') FROM dead_letters WHERE chat_id = $1`
)

// TestGenerator runs all tests that can share one generator.
func TestGenerator(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	feed := h.feed("printing", "Old press found in a barn")
	h.run(func(c *generator.Config) {
		c.History, c.MaxTyping = 2, time.Minute
		c.News.Feeds, c.News.Private = []string{feed}, true
	})
	for name, play := range map[string]func(*stage){
		"a turn becomes one delivery":             aTurnBecomesOneDelivery,
		"the prompt shows the chat":               thePromptShowsTheChat,
		"the offline provider needs no model":     theOfflineProviderNeedsNoModel,
		"a model's text carries the disclaimer":   aModelsTextCarriesTheDisclaimer,
		"what is late is not written":             whatIsLateIsNotWritten,
		"a text that takes too long is given up":  aTextThatTakesTooLongForItsTurnIsGivenUp,
		"waiting for a worker costs nothing":      aTurnThatWaitsForAWorkerTooLongCostsNothing,
		"failures of the provider pass":           failuresOfTheProviderPass,
		"odd answers of models":                   oddAnswersOfModels,
		"a 429 is obeyed by all turns":            a429IsObeyedByAllTurns,
		"a 429 beyond the turn's time expires it": a429BeyondTheTurnsTimeExpiresItInTime,
		"the breaker of an ill provider":          theBreakerOpensAndCloses(llmapi.ServerError),
		"the breaker of one that hangs":           theBreakerOpensAndCloses(llmapi.Hang),
		"the breaker of a wrong key":              theBreakerOpensAndCloses(llmapi.Unauthorized),
		"what only fails is a dead letter":        whatOnlyFailsIsADeadLetter,
		"a text that is too long is cut":          aTextThatIsTooLongIsCut,
		"a bot that has left gets no text":        aBotThatHasLeftTheStageGetsNoText,
		"a turn that can't be read":               aTurnThatCantBeReadIsADeadLetter,
		"a ring is lost":                          aTurnWhoseRingIsLostIsWritten,
		"an objection gives one rewrite":          anObjectionGivesOneRewriteWithTheReason,
		"a second one mends or skips":             aTwiceObjectedTextIsMendedOrSkipped,
		"obeyed injections":                       obeyedInjections,
		"whether it is a human":                   whetherItIsAHumanIsToldHonestly,
		"names that must not be said":             namesThatMustNotBeSaidAreNot,
		"commands are no talk":                    commandsAreNoTalk,
		"repetitions are found":                   repetitionsAreFoundWhereverTheyAre,
		"a person is answered all the same":       aPersonIsAnsweredInWordsOfAnotherChat,
		"what means the same is a repetition":     whatMeansTheSameIsARepetition,
		"what is old is no repetition":            whatIsOldOrOnlySharesTheDisclaimerIsNoRepetition,
		"a model judges in doubt":                 aModelJudgesAStanceInDoubt,
		"every call is on the turn's account":     everyCallIsOnTheTurnsAccount,
		"memories and manner reach the prompt":    memoriesAndMannerReachThePrompt,
		"news reach the prompt":                   newsReachThePrompt,
		"one down and one at its limit":           oneDownAndOneAtItsLimit,
		"one answer names both who asked":         oneAnswerNamesBothWhoAsked,
		"a writer may pass once in a row":         aWriterMayPassOnceInARow,
		"a person is not met with silence":        aPersonIsNotMetWithSilence,
		"texts wait for a person":                 textsWaitForAPerson,
		"drafts are kept as the chat wants it":    draftsAreKeptAsTheChatWantsIt,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(h.stage(t))
		})
	}
}

func aTurnBecomesOneDelivery(s *stage) {
	t := s.t
	s.exec(`UPDATE bots SET typing_wpm = 100 WHERE id = $1`, s.bot)
	turn := s.turn()
	want := journaltest.Message(turn, line)
	want.Typing = durationpb.New(time.Duration(len(line)) * time.Minute / 5 / 100)
	if diff := cmp.Diff(want, s.delivery(turn), protocmp.Transform(), protocmp.IgnoreFields(want, "created_at")); diff != "" {
		t.Errorf("delivery (-want +got): %s", diff)
	}
	// The bus may ring again much later.
	s.bus.Ring(bus.Texts(), s.chat, s.chat)
	s.delivery(s.turn())
	if n := len(s.llm.Calls()); n != 2 {
		t.Errorf("%d texts were asked for two turns", n)
	}
	if n := s.text(`SELECT count(*)::text FROM deliveries WHERE chat_id = $1`, s.chat); n != "2" {
		t.Errorf("two turns became %s deliveries", n)
	}
}

func thePromptShowsTheChat(s *stage) {
	t := s.t
	tom := s.person("Tom", "tom_reads")
	s.exec(`INSERT INTO messages (chat_id, number, person_id, body, sent_at) VALUES ($1, 1, $2::bigint, 'First', now() - interval '2 minutes')`, s.chat, tom)
	s.exec(`INSERT INTO messages (chat_id, number, bot_id, body, sent_at) VALUES ($1, 2, $2, 'Second', now() - interval '1 minute')`, s.chat, s.bot)
	s.exec(`INSERT INTO messages (chat_id, number, person_id, body, sent_at) VALUES ($1, 3, $2::bigint, 'Third', now())`, s.chat, tom)
	s.exec(`INSERT INTO holdings (bot_id, item, quantity, note) VALUES ($1, 'Smilla', 2.50, 'signed')`, s.bot)
	s.exec(`INSERT INTO stances (bot_id, topic, stance) VALUES ($1, 'books', 'are the better films')`, s.bot)
	d := s.delivery(s.turn(func(turn *chorusv1.Turn) {
		turn.Kind, turn.TargetMessage, turn.Mention = chorusv1.TurnKind_TURN_KIND_REPLY, 3, chorusv1.Mention_MENTION_START
	}))
	if want := "@tom_reads " + line; d.GetText() != want {
		t.Errorf("says %q, want %q", d.GetText(), want)
	}
	prompt := s.llm.Calls()[0].Messages
	for _, want := range []string{"2.5 x Smilla (signed)", "books: are the better films"} {
		if !strings.Contains(prompt[0].Content, want) {
			t.Errorf("no %q in %s", want, prompt[0].Content)
		}
	}
	want := "<chat>\n[you] anna: Second\n[person] Tom: Third\n</chat>\n\nanna answers this message:\n<chat>\n[person] Tom: Third\n</chat>\nThe topic is: books\n"
	if diff := cmp.Diff(want, prompt[1].Content); diff != "" {
		t.Errorf("prompt (-want +got): %s", diff)
	}
}

func theOfflineProviderNeedsNoModel(s *stage) {
	t := s.t
	composer, err := offline.New()
	if err != nil {
		t.Fatal(err)
	}
	s.provide(chain.Link{Name: "offline", Provider: composer, Limits: chain.DefaultLimits()})
	s.exec(`UPDATE chats SET disclaimer = 'Simulation, not advice.' WHERE id = $1`, s.chat)
	text := s.delivery(s.turn()).GetText()
	if !strings.HasSuffix(text, " Simulation, not advice.") || strings.Count(text, "Simulation") != 1 {
		t.Errorf("says %q, want it to end with the disclaimer", text)
	}
	if n := len(s.llm.Calls()); n != 0 {
		t.Errorf("a model was asked %d times", n)
	}
}

func aModelsTextCarriesTheDisclaimer(s *stage) {
	t := s.t
	s.exec(`UPDATE chats SET disclaimer = 'Simulation, not advice.' WHERE id = $1`, s.chat)
	if got, want := s.delivery(s.turn()).GetText(), line+" Simulation, not advice."; got != want {
		t.Errorf("says %q, want %q", got, want)
	}
}

// over makes a turn expired.
func over(turn *chorusv1.Turn) {
	past := time.Now().Add(-time.Hour)
	turn.DueAt, turn.PlannedAt, turn.ExpiresAt = timestamppb.New(past), timestamppb.New(past), timestamppb.New(past.Add(time.Minute))
}

// within gives a turn this much time.
func within(d time.Duration) func(*chorusv1.Turn) {
	return func(turn *chorusv1.Turn) { turn.ExpiresAt = timestamppb.New(time.Now().Add(d)) }
}

func whatIsLateIsNotWritten(s *stage) {
	t := s.t
	turn := s.turn(over)
	s.becomes(turn, "expired")
	if n := len(s.llm.Calls()); n != 0 {
		t.Errorf("%d texts were asked for nothing", n)
	}
	want := "expired: its time was over before its text was written"
	if got := s.text(outcomeOf, s.chat, turn.GetId().GetNumber()); got != want {
		t.Errorf("it ended with %q, want %q", got, want)
	}
}

func aTextThatTakesTooLongForItsTurnIsGivenUp(s *stage) {
	s.model(llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.Hang}}})
	s.limit(func(l *chain.Limits) { l.BreakerFailures = 1 })
	s.becomes(s.turn(within(time.Second)), "expired")
	// The provider was not at fault.
	s.fault()
	s.delivery(s.turn())
}

func aTurnThatWaitsForAWorkerTooLongCostsNothing(s *stage) {
	t := s.t
	s.model(llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.Hang}}})
	there, other := s.elsewhere("waits", s.bot)
	s.limit(func(l *chain.Limits) { l.Workers, l.Timeout = 1, 2*time.Second })
	s.turn()
	s.called(1)
	waiting := s.turn(within(500*time.Millisecond), there)
	s.becomes(waiting, "expired")
	if n := len(s.llm.Calls()); n > 2 { // the first turn may be at its second attempt
		t.Errorf("%d calls", n)
	}
	want := "expired: its time was over before its text was written: first: no worker is free: context deadline exceeded"
	if got := s.text(outcomeOf, other, waiting.GetId().GetNumber()); got != want {
		t.Errorf("it ended with %q, want %q", got, want)
	}
}

func failuresOfTheProviderPass(s *stage) {
	t := s.t
	s.limit(func(l *chain.Limits) { l.Timeout = time.Second })
	for name, f := range map[string]llmapi.Fault{
		"500":                     {Kind: llmapi.ServerError, Times: 1},
		"502 as HTML":             {Kind: llmapi.BadGateway, Times: 1},
		"a reset":                 {Kind: llmapi.Reset, Times: 1},
		"half an answer":          {Kind: llmapi.Malformed, Times: 1},
		"429 that does not say":   {Kind: llmapi.RateLimited, Times: 1},
		"an empty text":           {Kind: llmapi.Empty, Times: 1},
		"a hang":                  {Kind: llmapi.Hang, Times: 1},
		"a key that is corrected": {Kind: llmapi.Unauthorized, Times: 1},
	} {
		before := len(s.llm.Calls())
		s.fault(f)
		if got := s.delivery(s.turn()).GetText(); got != line {
			t.Errorf("%s: says %q", name, got)
		}
		if n := len(s.llm.Calls()) - before; n != 2 {
			t.Errorf("%s: %d calls, want one more than failed", name, n)
		}
	}
}

func a429IsObeyedByAllTurns(s *stage) {
	t := s.t
	const wait = 5 * time.Second // longer than a call takes to be recorded
	s.model(llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.RateLimited, RetryAfter: jsontime.Duration(wait), Times: 1}}})
	there, _ := s.elsewhere("obeys", 0)
	first := s.turn()
	testenv.Eventually(t, "the answer is taken", func() (string, bool) {
		got := s.text(`SELECT coalesce(string_agg(outcome, ' '), 'none') FROM llm_calls WHERE chat_id = $1`, s.chat)
		return got, got == "throttled"
	})
	second := s.turn(there)
	s.delivery(first)
	s.delivery(second)
	calls := s.llm.Calls()
	if len(calls) != 3 {
		t.Fatalf("%d calls, want the one that was limited and one for each turn", len(calls))
	}
	// The wait is counted from the answer; a call's time is when the request arrived.
	if waited := calls[1].Time.Sub(calls[0].Time); waited < wait {
		t.Errorf("asked again after %v", waited)
	}
}

func a429BeyondTheTurnsTimeExpiresItInTime(s *stage) {
	t := s.t
	s.model(llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.RateLimited, RetryAfter: jsontime.Duration(time.Hour)}}})
	turn := s.turn(within(time.Second))
	s.becomes(turn, "expired")
	if n := len(s.llm.Calls()); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
	if got := s.text(outcomeOf, s.chat, turn.GetId().GetNumber()); !strings.Contains(got, "retry after 1h") {
		t.Errorf("it ended with %q, and not why", got)
	}
}

// theBreakerOpensAndCloses tests a provider that fails in this way.
func theBreakerOpensAndCloses(kind llmapi.Kind) func(*stage) {
	return func(s *stage) {
		const delay = 2 * time.Second
		s.model(llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: kind, Times: 2}}})
		s.limit(func(l *chain.Limits) { l.Timeout, l.BreakerFailures, l.BreakerDelay = time.Second, 2, delay })
		s.delivery(s.turn())
		s.delivery(s.turn()) // at once: one good text closed the breaker
		calls := s.llm.Calls()
		if len(calls) != 4 {
			s.t.Fatalf("%d calls, want two failed, one that tries, and one more", len(calls))
		}
		if waited := calls[2].Time.Sub(calls[1].Time); waited < delay {
			s.t.Errorf("an open breaker let a call through after %v", waited)
		}
	}
}

func whatOnlyFailsIsADeadLetter(s *stage) {
	t := s.t
	s.model(llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.Empty}}})
	s.attempts = 19
	s.becomes(s.turn(), "dead")
	if got := s.text(letterReason, s.chat); !strings.Contains(got, "the answer is empty") {
		t.Errorf("the dead letter says %q", got)
	}
	if n := len(s.llm.Calls()); n != 1 {
		t.Errorf("%d calls, want one attempt", n)
	}
}

func aTextThatIsTooLongIsCut(s *stage) {
	t := s.t
	s.model(llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.TooLong}}})
	text := s.delivery(s.turn()).GetText()
	if n, most := telegram.TextLength(text), guard.MaxLength(script.Medium); n > most || n < most/2 {
		t.Errorf("%d characters", n)
	}
	if !strings.HasSuffix(text, line) {
		t.Errorf("it ends with %q, want a whole sentence", text[max(0, len(text)-40):])
	}
}

func aBotThatHasLeftTheStageGetsNoText(s *stage) {
	t := s.t
	for name, sql := range map[string]string{
		"removed":   `UPDATE bots SET removed_at = now() WHERE id = $1`,
		"stopped":   `UPDATE bots SET stopped_at = now(), stopped_why = 'Unauthorized' WHERE id = $1`,
		"suspended": `UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked' WHERE bot_id = $1`,
		"left_out":  `DELETE FROM cast_members WHERE bot_id = $1`,
		"impostor":  `DELETE FROM personas WHERE bot_id = $1`,
		"homeless":  `UPDATE chats SET removed_at = now() WHERE id = (SELECT chat_id FROM cast_members WHERE bot_id = $1)`,
	} {
		bot := journaltest.Bot(t, s.pool, name)
		there, chat := s.elsewhere(name, bot)
		s.exec(sql, bot)
		turn := s.turn(there)
		s.becomes(turn, "rejected")
		if got, want := s.text(outcomeOf, chat, turn.GetId().GetNumber()), "rejected: the bot does not play in the chat"; got != want {
			t.Errorf("%s: it ended with %q, want %q", name, got, want)
		}
	}
	if n := len(s.llm.Calls()); n != 0 {
		t.Errorf("%d texts were asked for nothing", n)
	}
}

func aTurnThatCantBeReadIsADeadLetter(s *stage) {
	turn := journaltest.Turn(s.chat, 1, s.bot)
	s.plan(turn)
	s.exec(`UPDATE turns SET payload = '\xff' WHERE chat_id = $1`, s.chat)
	s.bus.Ring(bus.Texts(), s.chat)
	s.becomes(turn, "dead")
	if got := s.text(letterReason, s.chat); got != "its row can't be read" {
		s.t.Errorf("the dead letter says %q", got)
	}
}

func aTurnWhoseRingIsLostIsWritten(s *stage) {
	turn := journaltest.Turn(s.chat, 1, s.bot)
	s.plan(turn)
	s.delivery(turn)
}

func TestAGeneratorThatStopsHandsItsTurnsBack(t *testing.T) {
	t.Parallel()
	s := openHall(t).stage(t)
	s.fault(llmapi.Fault{Kind: llmapi.Hang, Times: 1})
	stop := s.run()
	turn := s.turn()
	s.called(1)
	stop()
	s.becomes(turn, "open")
	s.run()
	if got := s.delivery(turn).GetText(); got != line {
		t.Errorf("says %q", got)
	}
	if got := s.text(letterReason, s.chat); got != "" {
		t.Errorf("dead letter: %s", got)
	}
}

func TestDeliveriesAreRungForOnceTheyAreCommitted(t *testing.T) {
	t.Parallel()
	s := openHall(t).stage(t)
	s.run()
	turn := s.turn()
	testenv.Eventually(t, "the chat is rung for", func() (string, bool) {
		heard, state := false, ""
		err := s.bus.Rings(bus.Messages()).Receive(t.Context(), 1, func(chats []int64, ack func()) {
			ack()
			heard = slices.Contains(chats, s.chat)
			state, _ = journaltest.State(t.Context(), s.pool, turn.GetId())
		})
		if err != nil {
			t.Fatal(err)
		}
		if heard && state != "open waiting" {
			t.Errorf("when it is rung for, it is %q", state)
		}
		return state, heard
	})
}
