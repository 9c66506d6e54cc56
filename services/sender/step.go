package sender

import (
	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// state holds what next needs to know about a delivery.
type state struct {
	kind journal.Kind
	// answers says that it answers a message, or reacts to one.
	answers bool
	// fallsBack says that it has a fallback after a refusal by Telegram. fallback says that
	// the fallback's turn has come.
	fallsBack, fallback bool
	// refused is the reason of the refusal before the fallback.
	refused string
	// bare says that it is sent without a reply, because the message to answer is gone.
	bare bool
	// takenOver says that its former owner died or stalled, and may have made the call.
	takenOver bool
	// calls is the number of calls so far.
	calls int
	// moved says that its chat has moved to a supergroup after one of the calls.
	moved bool
	// suspended says that the bot's membership was suspended after the last call.
	suspended bool
	// token is the verdict on a refused token.
	token verdict
	// over is the reason why it is too late for the call; empty if it isn't.
	over string
	// blocked is why the bot can't act in the chat; empty if it can.
	blocked string
}

// call returns the kind of the call to make.
func (s state) call() journal.Kind {
	if s.fallback {
		return journal.KindOf(s.kind.Fallback)
	}
	return s.kind
}

// verdict says whether a token is valid that Telegram has refused in a call.
type verdict int

const (
	unjudged verdict = iota
	tokenGood
	tokenUnclear // it can't be checked now
	tokenRefused // the bot is stopped
)

// policy holds the configured rules for deliveries.
type policy struct {
	onUnknown OnUnknown
	// reactionCalls limits the calls of a repeatable kind while their outcome is unknown.
	reactionCalls int
	// tokenCalls limits the calls refused because of a valid token.
	tokenCalls int
}

// repeats reports whether a call of unknown outcome is repeated. For a message, that may
// double it.
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

// do is the kind of a step.
type do int

const (
	// doEnd ends the delivery with the step's outcome.
	doEnd do = iota
	// doCall makes the call, after all waits.
	doCall
	// doFallBack switches to the fallback.
	doFallBack
	// doSendBare continues without answering a message.
	doSendBare
	// doRest waits for the breaker, then continues.
	doRest
	// doWait waits after a 429, then continues.
	doWait
	// doMove moves the chat to its supergroup, then continues.
	doMove
	// doSuspend suspends the bot's membership in the chat.
	doSuspend
	// doJudge checks the bot's token.
	doJudge
	// doRetry tries the delivery again later.
	doRetry
	// doGiveBack leaves the delivery to the next owner, because the claim has expired.
	doGiveBack
)

// step is the next thing to do with a delivery.
type step struct {
	do      do
	outcome chorusv1.Outcome // for doEnd
	reason  string           // for doEnd; empty when delivered
	// rejects says, for doEnd, that Telegram rejected the call.
	rejects bool
}

// diedCalling is the reason of calls that a dead sender may have made.
const diedCalling = "the sender died while the call was under way"

// next decides what to do with a delivery after the outcome of its last call. The outcome
// is nil before the first call, and after each step that continues. next does no I/O and
// uses no clock.
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
		if s.moved { // a chat moves once
			return step{do: doRetry}
		}
		return step{do: doMove}
	case telegram.PermanentMembership:
		switch {
		case out.Muted && s.call().OwnRight: // the bot may still be allowed to write
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

// before returns the step before a call.
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

// tokenRefusal returns the step after Telegram refused the bot's token. For moments
// Telegram also refuses valid tokens.
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

// refused returns the step after Telegram refused a call for good.
func refused(s state, out *telegram.Outcome) step {
	switch {
	case out.ReplyNotFound && s.call().Message && s.answers && !s.bare:
		return step{do: doSendBare}
	case s.fallsBack && !s.fallback:
		return step{do: doFallBack}
	}
	last := end(chorusv1.Outcome_OUTCOME_REJECTED, out.Description)
	last.rejects = out.Status != 0 // else no call was made
	return last
}

func end(outcome chorusv1.Outcome, reason string) step {
	return step{do: doEnd, outcome: outcome, reason: reason}
}
