package sender

import (
	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// state is what is known of a delivery.
type state struct {
	kind journal.Kind
	// answers tells that it answers a message, or reacts to one.
	answers bool
	// fallsBack tells that it has a fallback where Telegram refuses it, and fallback that
	// this is what is to be done now.
	fallsBack, fallback bool
	// refused is why it was refused before its fallback.
	refused string
	// bare tells that it is sent without answering, because what it answers is gone.
	bare bool
	// takenOver tells that a sender died or stood still, and may have made the call.
	takenOver bool
	// calls is how many calls were made for it.
	calls int
	// moved tells that its chat was moved after one of them.
	moved bool
	// suspended tells that the bot's membership was suspended after the last one.
	suspended bool
	// token is what was found about a refused token.
	token verdict
	// over is why it is too late to make the call; empty while it isn't.
	over string
	// blocked is why the bot can't act in the chat; empty if it can.
	blocked string
}

// call is the kind of call that is to be made.
func (s state) call() journal.Kind {
	if s.fallback {
		return journal.KindOf(s.kind.Fallback)
	}
	return s.kind
}

// verdict is what is known of a token that Telegram refused in a call.
type verdict int

const (
	unjudged verdict = iota
	tokenGood
	tokenUnclear // nobody can say now
	tokenRefused // and so the bot is stopped
)

// policy is what the configuration says about deliveries.
type policy struct {
	onUnknown OnUnknown
	// reactionCalls is how many calls that may be repeated are made while their outcome is
	// unknown.
	reactionCalls int
	// tokenCalls is how many are made that are refused for a token that is good.
	tokenCalls int
}

// repeats tells whether a call is made again of which nobody knows whether it had its
// effect. To send a message again may double it.
func (p policy) repeats(s state) bool {
	choice := p.onUnknown.Message
	switch {
	case s.call().Repeatable:
		return p.onUnknown.Reaction == Resend && s.calls < p.reactionCalls
	case s.fallback:
		choice = p.onUnknown.Fallback
	case s.answers:
		choice = p.onUnknown.Reply
	}
	return choice == Resend
}

// do is what is to be done next.
type do int

const (
	// doEnd ends the delivery with the step's outcome.
	doEnd do = iota
	// doCall makes the call, once nothing keeps it waiting.
	doCall
	// doFallBack goes on with the fallback.
	doFallBack
	// doSendBare goes on without answering a message.
	doSendBare
	// doRest waits for the breaker, then goes on.
	doRest
	// doWait obeys a 429, then goes on.
	doWait
	// doMove follows the group to its supergroup, then goes on.
	doMove
	// doSuspend suspends the bot's membership in the chat.
	doSuspend
	// doJudge finds out whether the bot's token is good.
	doJudge
	// doRetry has the delivery tried again after a while.
	doRetry
	// doGiveBack leaves the delivery to whoever claims it next, because the claim is over.
	doGiveBack
)

// step is what is to be done next.
type step struct {
	do      do
	outcome chorusv1.Outcome // of doEnd
	reason  string           // of doEnd; empty when delivered
	// rejects tells, of doEnd, that Telegram rejected what it was asked.
	rejects bool
}

// diedCalling is the reason of calls of which nobody knows whether they were made.
const diedCalling = "the sender died while the call was under way"

// next says what to do for a delivery, by what came of its last call; nil before the
// first one, and after each step that goes on. It does no I/O and knows no time.
func next(s state, out *telegram.Outcome, p policy) step {
	if out == nil {
		return before(s, p)
	}
	switch out.Kind {
	case telegram.Done, telegram.AlreadyDone:
		if s.fallback {
			return end(chorusv1.Outcome_OUTCOME_FELL_BACK, s.refused)
		}
		return end(chorusv1.Outcome_OUTCOME_DELIVERED, "")
	case telegram.RateLimited:
		return step{do: doWait}
	case telegram.NotSent:
		switch {
		case out.Withheld:
			return step{do: doRest}
		case out.TooLate:
			return step{do: doGiveBack}
		}
		return step{do: doRetry}
	case telegram.Moved:
		if s.moved { // it can't be moved each time
			return step{do: doRetry}
		}
		return step{do: doMove}
	case telegram.PermanentMembership:
		switch {
		case out.Muted && s.call().OwnRight: // it may be allowed to write
			return refused(s, out)
		case s.suspended:
			return end(chorusv1.Outcome_OUTCOME_REJECTED, out.Description)
		}
		return step{do: doSuspend}
	case telegram.PermanentBot:
		return tokenRefusal(s, out, p)
	case telegram.PermanentAction:
		return refused(s, out)
	case telegram.Unknown:
	}
	if p.repeats(s) {
		return step{do: doRetry}
	}
	return end(chorusv1.Outcome_OUTCOME_UNKNOWN, out.Description)
}

// before is the step before a call.
func before(s state, p policy) step {
	switch {
	case s.takenOver && !p.repeats(s):
		return end(chorusv1.Outcome_OUTCOME_UNKNOWN, diedCalling)
	case s.over != "":
		return end(chorusv1.Outcome_OUTCOME_EXPIRED, s.over)
	case s.blocked != "":
		return end(chorusv1.Outcome_OUTCOME_REJECTED, s.blocked)
	}
	return step{do: doCall}
}

// tokenRefusal is the step after a refusal of the bot's token, which Telegram does for
// moments with good ones, too.
func tokenRefusal(s state, out *telegram.Outcome, p policy) step {
	switch s.token {
	case unjudged:
		return step{do: doJudge}
	case tokenRefused:
		return end(chorusv1.Outcome_OUTCOME_REJECTED, out.Description)
	case tokenUnclear:
		return step{do: doRetry}
	case tokenGood:
	}
	if s.calls < p.tokenCalls {
		return step{do: doRetry}
	}
	return refused(s, out)
}

// refused is the step after a call that Telegram refuses for good.
func refused(s state, out *telegram.Outcome) step {
	switch {
	case out.ReplyNotFound && s.call().Message && s.answers && !s.bare:
		return step{do: doSendBare}
	case s.fallsBack && !s.fallback:
		return step{do: doFallBack}
	}
	last := end(chorusv1.Outcome_OUTCOME_REJECTED, out.Description)
	last.rejects = out.Status != 0 // else Telegram was not asked
	return last
}

func end(outcome chorusv1.Outcome, reason string) step {
	return step{do: doEnd, outcome: outcome, reason: reason}
}
