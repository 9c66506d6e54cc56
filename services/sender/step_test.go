package sender

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

func testPolicy() policy {
	return policy{onUnknown: DefaultConfig().OnUnknown, reactionCalls: 3, tokenCalls: 3}
}

// kinds returns all kinds of outcomes.
func kinds() []telegram.Kind {
	var all []telegram.Kind
	for k := telegram.Kind(0); k.String() != fmt.Sprintf("kind_%d", int(k)); k++ {
		all = append(all, k)
	}
	return all
}

// deliveryStates returns a state for each kind of delivery.
func deliveryStates() map[string]state {
	message, reaction := journal.KindOf(chorusv1.Action_ACTION_SEND_MESSAGE), journal.KindOf(chorusv1.Action_ACTION_SET_REACTION)
	sticker, edit := journal.KindOf(chorusv1.Action_ACTION_SEND_STICKER), journal.KindOf(chorusv1.Action_ACTION_EDIT_MESSAGE)
	return map[string]state{
		"message":                  {calls: 1, kind: message},
		"reply":                    {calls: 1, answers: true, kind: message},
		"reaction":                 {calls: 1, answers: true, kind: reaction},
		"reaction that falls back": {calls: 1, answers: true, kind: reaction, fallsBack: true},
		"message for a reaction":   {calls: 2, answers: true, kind: reaction, fallsBack: true, fallback: true, refused: "no"},
		"sticker":                  {calls: 1, answers: true, kind: sticker, fallsBack: true},
		"edit":                     {calls: 1, answers: true, kind: edit},
	}
}

func (s step) String() string {
	names := map[do]string{
		doCall: "call", doFallBack: "fall back", doSendBare: "send bare", doWait: "wait", doMove: "move", doSuspend: "suspend",
		doJudge: "judge", doRest: "rest", doRetry: "retry", doGiveBack: "give back",
	}
	if s.do == doEnd {
		return s.outcome.String()[len("OUTCOME_"):]
	}
	return names[s.do]
}

// Every outcome of a call has a step for every kind of delivery.
func TestNextAfterEachOutcome(t *testing.T) {
	t.Parallel()
	order := []string{"message", "reply", "reaction", "reaction that falls back", "message for a reaction", "sticker", "edit"}
	want := map[telegram.Kind][7]string{
		telegram.Unknown:             {"UNKNOWN", "UNKNOWN", "retry", "retry", "UNKNOWN", "UNKNOWN", "retry"},
		telegram.Done:                {"DELIVERED", "DELIVERED", "DELIVERED", "DELIVERED", "FELL_BACK", "DELIVERED", "DELIVERED"},
		telegram.AlreadyDone:         {"DELIVERED", "DELIVERED", "DELIVERED", "DELIVERED", "FELL_BACK", "DELIVERED", "DELIVERED"},
		telegram.RateLimited:         {"wait", "wait", "wait", "wait", "wait", "wait", "wait"},
		telegram.PermanentAction:     {"REJECTED", "REJECTED", "REJECTED", "fall back", "REJECTED", "fall back", "REJECTED"},
		telegram.PermanentMembership: {"suspend", "suspend", "suspend", "suspend", "suspend", "suspend", "suspend"},
		telegram.PermanentBot:        {"judge", "judge", "judge", "judge", "judge", "judge", "judge"},
		telegram.Moved:               {"move", "move", "move", "move", "move", "move", "move"},
		telegram.NotSent:             {"retry", "retry", "retry", "retry", "retry", "retry", "retry"},
	}
	if len(kinds()) != len(want) {
		t.Fatalf("the outcomes are %v", kinds())
	}
	for _, kind := range kinds() {
		for i, name := range order {
			got := next(deliveryStates()[name], &telegram.Outcome{Kind: kind, Status: 400, Description: "so it is"}, testPolicy())
			if got.String() != want[kind][i] {
				t.Errorf("%s after %s: %s, want %s", name, kind, got, want[kind][i])
			}
			if got.rejects != (got.outcome == chorusv1.Outcome_OUTCOME_REJECTED) {
				t.Errorf("%s after %s: rejected by Telegram: %v", name, kind, got.rejects)
			}
		}
	}
}

// Cases that depend on other fields of an outcome or a state.
func TestNextInParticular(t *testing.T) {
	t.Parallel()
	resend := testPolicy()
	resend.onUnknown = OnUnknown{Message: Resend, Reply: Resend, Fallback: Resend, Reaction: Drop}
	none := (*telegram.Outcome)(nil)
	permanentBot := &telegram.Outcome{Kind: telegram.PermanentBot, Status: 401}
	muted := &telegram.Outcome{Kind: telegram.PermanentMembership, Status: 403, Muted: true}
	gone := &telegram.Outcome{Kind: telegram.PermanentAction, Status: 400, ReplyNotFound: true}
	of := deliveryStates()
	with := func(kind string, change func(*state)) state {
		s := of[kind]
		change(&s)
		return s
	}
	for name, test := range map[string]struct {
		state  state
		out    *telegram.Outcome
		policy policy
		want   string
	}{
		"the first call":                      {of["message"], none, testPolicy(), "call"},
		"a message taken over":                {with("message", func(s *state) { s.takenOver = true }), none, testPolicy(), "UNKNOWN"},
		"a message taken over, by resend":     {with("message", func(s *state) { s.takenOver = true }), none, resend, "call"},
		"a late one taken over is unknown":    {with("message", func(s *state) { s.takenOver, s.over = true, "late" }), none, testPolicy(), "UNKNOWN"},
		"a reaction taken over":               {with("reaction", func(s *state) { s.takenOver = true }), none, testPolicy(), "call"},
		"a reaction taken over, by drop":      {with("reaction", func(s *state) { s.takenOver = true }), none, resend, "UNKNOWN"},
		"a fallback taken over":               {with("message for a reaction", func(s *state) { s.takenOver = true }), none, testPolicy(), "UNKNOWN"},
		"too late":                            {with("message", func(s *state) { s.over = "late" }), none, testPolicy(), "EXPIRED"},
		"a bot that can't act":                {with("message", func(s *state) { s.blocked = "stopped" }), none, testPolicy(), "REJECTED"},
		"unknown, by resend":                  {of["message"], &telegram.Outcome{}, resend, "retry"},
		"a reply of unknown outcome":          {of["reply"], &telegram.Outcome{}, resend, "retry"},
		"a fallback of unknown outcome":       {of["message for a reaction"], &telegram.Outcome{}, resend, "retry"},
		"a reaction is unknown once too much": {with("reaction", func(s *state) { s.calls = 3 }), &telegram.Outcome{}, testPolicy(), "UNKNOWN"},
		"held back by a breaker":              {of["message"], &telegram.Outcome{Kind: telegram.NotSent, Withheld: true}, testPolicy(), "rest"},
		"after a standstill":                  {of["message"], &telegram.Outcome{Kind: telegram.NotSent, TooLate: true}, testPolicy(), "give back"},
		"moved again":                         {with("message", func(s *state) { s.moved = true }), &telegram.Outcome{Kind: telegram.Moved}, testPolicy(), "retry"},
		"suspended":                           {with("message", func(s *state) { s.suspended = true }), &telegram.Outcome{Kind: telegram.PermanentMembership}, testPolicy(), "REJECTED"},
		"muted":                               {of["message"], muted, testPolicy(), "suspend"},
		"muted, it may write for a reaction":  {of["reaction that falls back"], muted, testPolicy(), "fall back"},
		"muted, it may write for a sticker":   {of["sticker"], muted, testPolicy(), "fall back"},
		"a sticker's message is gone":         {of["sticker"], gone, testPolicy(), "send bare"},
		"a sticker taken over":                {with("sticker", func(s *state) { s.takenOver = true }), none, testPolicy(), "UNKNOWN"},
		"an edit taken over":                  {with("edit", func(s *state) { s.takenOver = true }), none, testPolicy(), "call"},
		"the message edited is gone":          {of["edit"], gone, testPolicy(), "REJECTED"},
		"muted, its reaction is refused":      {of["reaction"], muted, testPolicy(), "REJECTED"},
		"a stopped bot":                       {with("message", func(s *state) { s.token = tokenRefused }), permanentBot, testPolicy(), "REJECTED"},
		"a token that nobody can judge":       {with("message", func(s *state) { s.token = tokenUnclear }), permanentBot, testPolicy(), "retry"},
		"a good token":                        {with("message", func(s *state) { s.token = tokenGood }), permanentBot, testPolicy(), "retry"},
		"a good token, refused thrice":        {with("message", func(s *state) { s.token, s.calls = tokenGood, 3 }), permanentBot, testPolicy(), "REJECTED"},
		"the message answered is gone":        {of["reply"], gone, testPolicy(), "send bare"},
		"it is gone for a fallback":           {of["message for a reaction"], gone, testPolicy(), "send bare"},
		"it is gone for a reaction":           {of["reaction"], gone, testPolicy(), "REJECTED"},
		"it is gone, and it was bare":         {with("reply", func(s *state) { s.bare = true }), gone, testPolicy(), "REJECTED"},
		"a call that was not worth making":    {of["reaction"], &telegram.Outcome{Kind: telegram.PermanentAction, Description: "no id"}, testPolicy(), "REJECTED"},
	} {
		if got := next(test.state, test.out, test.policy); got.String() != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// maxRounds is more steps than any delivery takes. As in the loop, a delivery expires after
// some waits and is dead after too many failures.
const maxRounds = 200

// Whatever the outcomes of its calls, a delivery ends. No call follows one of unknown
// outcome unless the policy allows it, and a reaction falls back at most once.
func TestEveryDeliveryEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := policy{
			onUnknown:     OnUnknown{Message: choice(t, "message"), Reply: choice(t, "reply"), Fallback: choice(t, "fallback"), Reaction: choice(t, "reaction")},
			reactionCalls: rapid.IntRange(1, 5).Draw(t, "reaction calls"), tokenCalls: tokenCalls,
		}
		s := state{
			kind: rapid.SampledFrom(journal.Kinds()).Draw(t, "kind of delivery"), answers: rapid.Bool().Draw(t, "answers"),
			takenOver: rapid.Bool().Draw(t, "taken over"),
		}
		s.answers = s.answers || !s.kind.Message
		s.fallsBack = s.kind.Fallback != 0 && rapid.Bool().Draw(t, "falls back")
		s.fallback = s.fallsBack && rapid.Bool().Draw(t, "fallback already")
		var out *telegram.Outcome
		waits, failures, fallbacks := 0, 0, 0
		unknown := s.takenOver // the last call's outcome is unknown
		for round := 0; ; round++ {
			if round > maxRounds {
				t.Fatal("it does not end")
			}
			if out == nil && waits > 10 {
				s.over = "late"
			}
			st := next(s, out, p)
			switch st.do {
			case doEnd:
				if st.outcome == chorusv1.Outcome_OUTCOME_UNSPECIFIED {
					t.Fatal("it ends in no way")
				}
				if (st.reason == "") != (st.outcome == chorusv1.Outcome_OUTCOME_DELIVERED) && st.outcome != chorusv1.Outcome_OUTCOME_FELL_BACK {
					t.Fatalf("%v because of %q", st.outcome, st.reason)
				}
				return
			case doCall:
				if unknown && !mayRepeat(s, p) {
					t.Fatalf("a call follows one of unknown outcome: %+v", s)
				}
				out = anyOutcome(t)
				unknown = out.Kind == telegram.Unknown
				s.calls++
				s.token, s.takenOver = unjudged, false
			case doFallBack:
				if fallbacks++; fallbacks > 1 || s.fallback {
					t.Fatal("it falls back twice")
				}
				s.fallback, s.refused, out = true, out.Description, nil
			case doSendBare:
				if s.bare {
					t.Fatal("it is bare already")
				}
				s.bare, out = true, nil
			case doWait, doRest:
				waits++
				out = nil
			case doMove:
				s.moved, out = true, nil
			case doSuspend:
				s.suspended = true
			case doJudge:
				s.token = rapid.SampledFrom([]verdict{tokenGood, tokenUnclear, tokenRefused}).Draw(t, "verdict")
			case doRetry, doGiveBack:
				if failures++; failures >= maxAttempts {
					return // a dead letter
				}
				// The row stores only the step and the failures.
				s.bare, s.moved, out = false, false, nil
			}
		}
	})
}

// mayRepeat states independently when a call may be repeated.
func mayRepeat(s state, p policy) bool {
	switch {
	case s.fallback:
		return p.onUnknown.Fallback == Resend
	case !s.kind.Message:
		return p.onUnknown.Reaction == Resend
	case s.answers:
		return p.onUnknown.Reply == Resend
	}
	return p.onUnknown.Message == Resend
}

func choice(t *rapid.T, kind string) string {
	return rapid.SampledFrom([]string{Drop, Resend}).Draw(t, "on an unknown "+kind)
}

func anyOutcome(t *rapid.T) *telegram.Outcome {
	out := &telegram.Outcome{
		Kind: rapid.SampledFrom(kinds()).Draw(t, "kind"), Status: rapid.SampledFrom([]int{0, 400}).Draw(t, "status"), Description: "so it is",
		ReplyNotFound: rapid.Bool().Draw(t, "reply not found"), Muted: rapid.Bool().Draw(t, "muted"),
	}
	out.TooLate = out.Kind == telegram.NotSent && rapid.Bool().Draw(t, "too late")
	out.Withheld = out.Kind == telegram.NotSent && rapid.Bool().Draw(t, "withheld")
	return out
}
