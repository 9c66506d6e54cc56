package generator_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/emulator/jsontime"
	"github.com/chorus-cast/chorus/services/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/generator/guard"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/offline"
	"github.com/chorus-cast/chorus/services/internal/telegram"
	"github.com/chorus-cast/chorus/services/internal/testenv"
)

const (
	receiptReason = `SELECT outcome || ': ' || reason FROM receipts WHERE chat_id = $1 AND turn_no = $2`
	letterReason  = `SELECT coalesce(string_agg(reason, ','), '') FROM dead_letters`
)

func TestATurnBecomesOneDelivery(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line})
	s.exec(`UPDATE bots SET typing_wpm = 100`)
	s.run(func(c *generator.Config) { c.TypingMost = time.Minute })
	turn := s.turn()
	want := journaltest.Message(turn, line)
	want.Typing = durationpb.New(time.Duration(len(line)) * time.Minute / 5 / 100)
	if diff := cmp.Diff(want, s.delivery(turn), protocmp.Transform(), protocmp.IgnoreFields(want, "created_at")); diff != "" {
		t.Errorf("delivery (-want +got): %s", diff)
	}
	testenv.Eventually(s.t, "the delivery is published, and the turn is not published again", func() (string, bool) {
		got := s.text(`SELECT concat_ws(' ', d.published_at IS NOT NULL, t.relay_at IS NULL) FROM deliveries d JOIN turns t USING (chat_id, turn_no)`)
		return got, got == "t t"
	})
	// The bus may hand a turn out again long after.
	s.publish(turn, 1)
	s.delivery(s.turn())
	if n := len(s.llm.Calls()); n != 2 {
		t.Errorf("%d texts were asked for two turns", n)
	}
	if n := s.text(`SELECT count(*)::text FROM deliveries`); n != "2" {
		t.Errorf("two turns became %s deliveries", n)
	}
}

func TestThePromptShowsTheChat(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line})
	s.exec(`INSERT INTO people (telegram_id, name, username) VALUES (7, 'Tom', 'tom_reads')`)
	s.exec(`INSERT INTO messages (chat_id, number, person_id, body, sent_at) VALUES ($1, 1, 7, 'First', now() - interval '2 minutes')`, s.chat)
	s.exec(`INSERT INTO messages (chat_id, number, bot_id, body, sent_at) VALUES ($1, 2, $2, 'Second', now() - interval '1 minute')`, s.chat, s.bot)
	s.exec(`INSERT INTO messages (chat_id, number, person_id, body, sent_at) VALUES ($1, 3, 7, 'Third', now())`, s.chat)
	s.exec(`INSERT INTO holdings (bot_id, item, quantity, note) VALUES ($1, 'Smilla', 2.50, 'signed')`, s.bot)
	s.exec(`INSERT INTO stances (bot_id, topic, stance) VALUES ($1, 'books', 'are the better films')`, s.bot)
	s.run(func(c *generator.Config) { c.History = 2 })
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
	want := "<chat>\nanna: Second\nTom: Third\n</chat>\n\nanna answers this message:\n<chat>\nTom: Third\n</chat>\nThe topic is: books\n"
	if diff := cmp.Diff(want, prompt[1].Content); diff != "" {
		t.Errorf("prompt (-want +got): %s", diff)
	}
}

func TestTheOfflineProviderNeedsNoModel(t *testing.T) {
	s := newStage(t, llmapi.Options{})
	composer, err := offline.New()
	if err != nil {
		t.Fatal(err)
	}
	s.links = []chain.Link{{Name: "offline", Provider: composer, Limits: chain.DefaultLimits()}}
	s.exec(`UPDATE chats SET disclaimer = 'Simulation, not advice.'`)
	s.run()
	text := s.delivery(s.turn()).GetText()
	if !strings.HasSuffix(text, " Simulation, not advice.") || strings.Count(text, "Simulation") != 1 {
		t.Errorf("says %q, want it to end with the disclaimer", text)
	}
	if n := len(s.llm.Calls()); n != 0 {
		t.Errorf("a model was asked %d times", n)
	}
}

func TestAModelsTextCarriesTheDisclaimer(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line})
	s.exec(`UPDATE chats SET disclaimer = 'Simulation, not advice.'`)
	s.run()
	if got, want := s.delivery(s.turn()).GetText(), line+" Simulation, not advice."; got != want {
		t.Errorf("says %q, want %q", got, want)
	}
}

// over is a turn whose time was over long ago.
func over(turn *chorusv1.Turn) {
	past := time.Now().Add(-time.Hour)
	turn.DueAt, turn.PlannedAt, turn.ExpiresAt = timestamppb.New(past), timestamppb.New(past), timestamppb.New(past.Add(time.Minute))
}

// within gives a turn this much time.
func within(d time.Duration) func(*chorusv1.Turn) {
	return func(turn *chorusv1.Turn) { turn.ExpiresAt = timestamppb.New(time.Now().Add(d)) }
}

func TestWhatIsLateIsNotWritten(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line})
	s.run()
	turn := s.turn(over)
	s.becomes(turn, "expired")
	if n := len(s.llm.Calls()); n != 0 {
		t.Errorf("%d texts were asked for nothing", n)
	}
	want := "expired: its time was over before its text was written"
	if got := s.text(receiptReason, s.chat, turn.GetId().GetNumber()); got != want {
		t.Errorf("the receipt says %q, want %q", got, want)
	}
	testenv.Eventually(s.t, "the receipt is published", func() (string, bool) {
		got := s.text(`SELECT (published_at IS NOT NULL)::text FROM receipts`)
		return got, got == "true"
	})
}

func TestATextThatTakesTooLongForItsTurnIsGivenUp(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.Hang}}})
	s.limit(func(l *chain.Limits) { l.BreakerFailures = 1 })
	s.run()
	s.becomes(s.turn(within(time.Second)), "expired")
	// It was no fault of the provider.
	s.fault()
	s.delivery(s.turn())
}

func TestATurnThatWaitsForAWorkerTooLongCostsNothing(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.Hang}}})
	other := journaltest.Chat(t, s.pool, "other", s.bot)
	s.limit(func(l *chain.Limits) { l.Workers, l.Timeout = 1, 3*time.Second })
	s.run()
	s.turn()
	s.called(1)
	waiting := s.turn(within(500*time.Millisecond), func(turn *chorusv1.Turn) { turn.Id.ChatId = other })
	s.becomes(waiting, "expired")
	if n := len(s.llm.Calls()); n > 2 { // the first turn may be at its second attempt
		t.Errorf("%d calls", n)
	}
	want := "expired: its time was over before its text was written: first: no worker is free: context deadline exceeded"
	if got := s.text(receiptReason, other, waiting.GetId().GetNumber()); got != want {
		t.Errorf("the receipt says %q, want %q", got, want)
	}
}

func TestFailuresOfTheProviderPass(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line})
	s.limit(func(l *chain.Limits) { l.Timeout = time.Second })
	s.run()
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

func TestA429IsObeyedByAllTurns(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.RateLimited, RetryAfter: jsontime.Duration(2 * time.Second), Times: 1}}})
	otherBot := journaltest.Bot(t, s.pool, "ben")
	other := journaltest.Chat(t, s.pool, "other", otherBot)
	s.run()
	first := s.turn()
	s.called(1)
	second := s.turn(func(turn *chorusv1.Turn) { turn.Id.ChatId, turn.BotId = other, otherBot })
	s.delivery(first)
	s.delivery(second)
	calls := s.llm.Calls()
	if len(calls) != 3 {
		t.Fatalf("%d calls, want the one that was limited and one for each turn", len(calls))
	}
	// The wait is counted from the answer, the calls are noted when they come in.
	if waited := calls[1].Time.Sub(calls[0].Time); waited < 2*time.Second {
		t.Errorf("asked again after %v", waited)
	}
}

func TestA429BeyondTheTurnsTimeExpiresItInTime(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.RateLimited, RetryAfter: jsontime.Duration(time.Hour)}}})
	s.run()
	turn := s.turn(within(2 * time.Second))
	s.becomes(turn, "expired")
	if n := len(s.llm.Calls()); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
	if got := s.text(receiptReason, s.chat, turn.GetId().GetNumber()); !strings.Contains(got, "retry after 1h") {
		t.Errorf("the receipt says %q, and not why", got)
	}
}

func TestTheBreakerOpensAndCloses(t *testing.T) {
	for name, kind := range map[string]llmapi.Kind{"of an ill provider": llmapi.ServerError, "of one that hangs": llmapi.Hang, "of a wrong key": llmapi.Unauthorized} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: kind, Times: 2}}})
			s.limit(func(l *chain.Limits) { l.Timeout, l.BreakerFailures, l.BreakerDelay = time.Second, 2, 3*time.Second })
			s.run()
			s.delivery(s.turn())
			s.delivery(s.turn()) // at once: one good text closed it
			calls := s.llm.Calls()
			if len(calls) != 4 {
				t.Fatalf("%d calls, want two failed, one that tries, and one more", len(calls))
			}
			if waited := calls[2].Time.Sub(calls[1].Time); waited < 3*time.Second {
				t.Errorf("an open breaker let a call through after %v", waited)
			}
		})
	}
}

func TestWhatOnlyFailsIsADeadLetter(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.Empty}}})
	s.run()
	s.becomes(s.turn(), "dead")
	if got := s.text(letterReason); !strings.Contains(got, "the answer is empty") {
		t.Errorf("the dead letter says %q", got)
	}
	if n := len(s.llm.Calls()); n != 3 {
		t.Errorf("%d calls, want as many as a message has attempts", n)
	}
}

func TestATextThatIsTooLongIsCut(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.TooLong}}})
	s.run()
	text := s.delivery(s.turn()).GetText()
	if n, most := telegram.TextLength(text), guard.Most(llm.Medium); n > most || n < most/2 {
		t.Errorf("%d characters", n)
	}
	if !strings.HasSuffix(text, line) {
		t.Errorf("it ends with %q, want a whole sentence", text[max(0, len(text)-40):])
	}
}

func TestABotThatHasLeftTheStageGetsNoText(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line})
	s.run()
	for name, sql := range map[string]string{
		"removed":   `UPDATE bots SET removed_at = now() WHERE id = $1`,
		"stopped":   `UPDATE bots SET stopped_at = now(), stopped_why = 'Unauthorized' WHERE id = $1`,
		"suspended": `UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked' WHERE bot_id = $1`,
		"left_out":  `DELETE FROM cast_members WHERE bot_id = $1`,
		"impostor":  `DELETE FROM personas WHERE bot_id = $1`,
		"homeless":  `UPDATE chats SET removed_at = now() WHERE id = (SELECT chat_id FROM cast_members WHERE bot_id = $1)`,
	} {
		bot := journaltest.Bot(t, s.pool, name)
		chat := journaltest.Chat(t, s.pool, name, bot)
		s.exec(sql, bot)
		turn := s.turn(func(turn *chorusv1.Turn) { turn.Id.ChatId, turn.BotId = chat, bot })
		s.becomes(turn, "rejected")
		if got, want := s.text(receiptReason, chat, turn.GetId().GetNumber()), "rejected: the bot does not play in the chat"; got != want {
			t.Errorf("%s: the receipt says %q, want %q", name, got, want)
		}
	}
	if n := len(s.llm.Calls()); n != 0 {
		t.Errorf("%d texts were asked for nothing", n)
	}
}

func TestATurnThatIsNotInTheJournalIsADeadLetter(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line})
	s.run()
	s.publish(journaltest.Turn(s.chat, 99, s.bot), 0)
	testenv.Eventually(s.t, "there is a dead letter", func() (string, bool) {
		got := s.text(letterReason)
		return got, got == "the journal has no such turn"
	})
}

func TestAGeneratorThatStopsHandsItsTurnsBack(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line, Faults: []llmapi.Fault{{Kind: llmapi.Hang, Times: 1}}})
	s.run()
	turn := s.turn()
	s.called(1)
	s.stop()
	s.becomes(turn, "open")
	s.run()
	if got := s.delivery(turn).GetText(); got != line {
		t.Errorf("says %q", got)
	}
	if got := s.text(letterReason); got != "" {
		t.Errorf("dead letter: %s", got)
	}
}

func TestADeliveryThatACrashLeftUnpublishedIsPublished(t *testing.T) {
	s := newStage(t, llmapi.Options{Text: line})
	turn := s.turn()
	// Another generator wrote it down, and died before it published it.
	if _, made, err := s.journal.Deliver(t.Context(), journaltest.Message(turn, "from the grave"), ""); err != nil || !made {
		t.Fatal(made, err)
	}
	s.run()
	testenv.Eventually(s.t, "it is published", func() (string, bool) {
		got := s.text(`SELECT (published_at IS NOT NULL)::text FROM deliveries`)
		return got, got == "true"
	})
	if got := s.delivery(turn).GetText(); got != "from the grave" {
		t.Errorf("says %q, want what was written first", got)
	}
	if n := len(s.llm.Calls()); n != 0 {
		t.Errorf("%d texts were asked for a turn that has one", n)
	}
}
