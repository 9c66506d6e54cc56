package decide_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/hours"
	"github.com/chorus-cast/chorus/services/internal/reaction"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// TestEveryDecision checks the invariants of every decision, with any input.
func TestEveryDecision(t *testing.T) {
	t.Parallel()
	rapid.Check(t, everyDecision)
}

func FuzzDecide(f *testing.F) { f.Fuzz(rapid.MakeFuzz(everyDecision)) }

func everyDecision(t *rapid.T) {
	in := anyInput(t)
	before := clone(in)
	got := decide.Decide(in)
	if diff := cmp.Diff(before, in, equality()...); diff != "" {
		t.Fatalf("the input was changed:\n%s", diff)
	}
	if diff := cmp.Diff(got, decide.Decide(in)); diff != "" {
		t.Fatalf("the same input gave another decision:\n%s", diff)
	}
	for i := range before.Recent {
		before.Recent[i].Words = decide.WordsOf(before.Recent[i].Text)
	}
	if diff := cmp.Diff(got, decide.Decide(before)); diff != "" {
		t.Fatalf("what is said was read before, and gave another decision:\n%s", diff)
	}
	if !got.Next.After(in.Now) {
		t.Fatalf("next is %v, now is %v", got.Next, in.Now)
	}
	if (got.Turn == nil) == (got.Skip == decide.SkipNone) {
		t.Fatalf("turn %v, skip %v", got.Turn, got.Skip)
	}
	if (in.Prompted != 0 || len(in.Recent) > 0 && in.Recent[len(in.Recent)-1].BotID == 0) && !got.Lively {
		t.Fatal("a person didn't make the chat lively")
	}
	if got.Skip == decide.SkipNoNeed && in.Prompted != 0 {
		t.Fatal("a person got no answer for want of need")
	}
	if got.Turn != nil {
		checkLimits(t, in)
		checkBot(t, in, got.Turn)
		checkTarget(t, in, got.Turn)
		checkManner(t, in, got.Turn)
	}
}

func checkLimits(t *rapid.T, in decide.Input) {
	s := in.Settings
	switch {
	case !in.Chat.Enabled, !s.Active, in.Paused != nil:
		t.Fatal("planned in a chat that is switched off or paused")
	case s.Holds && !in.AsksNature && in.Held+in.UnwrittenTurns+1 > s.MaxHeld:
		t.Fatal("planned a text of which too many wait for a person")
	case s.Order == decide.OrderManual && in.Prompted == 0:
		t.Fatal("planned though nobody is to speak unasked")
	case in.UnwrittenTurns >= s.MaxUnwrittenTurns:
		t.Fatalf("planned at %d unwritten turns of %d", in.UnwrittenTurns, s.MaxUnwrittenTurns)
	case in.ChatLastMinute >= s.ChatPerMinute:
		t.Fatalf("planned at %d messages a minute of %d", in.ChatLastMinute, s.ChatPerMinute)
	case s.GlobalPerMinute > 0 && in.GlobalLastMinute >= s.GlobalPerMinute:
		t.Fatalf("planned at %d messages a minute of %d globally", in.GlobalLastMinute, s.GlobalPerMinute)
	}
}

func checkBot(t *rapid.T, in decide.Input, turn *decide.Turn) {
	bot := botOf(in, turn.BotID)
	if bot == nil {
		t.Fatalf("bot %d is not in the cast", turn.BotID)
	}
	if !able(in, bot) {
		t.Fatalf("bot %+v is off, suspended, muted, asleep or at its limit", bot)
	}
	if in.Prompted != 0 {
		return
	}
	if in.Settings.Order == decide.OrderRoundRobin {
		checkOrder(t, in, turn.BotID)
		return
	}
	others := func(of ...int64) bool {
		return slices.ContainsFunc(in.Cast, func(b decide.Bot) bool { return !slices.Contains(of, b.ID) && able(in, &b) })
	}
	run := inARow(in, 1)
	if run[len(run)-1] == bot.ID && len(run) >= in.Settings.MaxRun && others(bot.ID) {
		t.Fatalf("bot %d speaks %d times in a row though another could", bot.ID, len(run)+1)
	}
	rally := inARow(in, 2)
	if two := slices.Compact(slices.Sorted(slices.Values(rally))); len(two) == 2 && slices.Contains(two, bot.ID) &&
		len(rally) >= in.Settings.MaxRally && others(two...) {
		t.Fatalf("bots %v speak %d times in a row though another could", two, len(rally)+1)
	}
}

// checkOrder looks for a bot that may act between the last speaker and the one that is
// chosen, in the order of the cast.
func checkOrder(t *rapid.T, in decide.Input, chosen int64) {
	var lines []int64
	for _, m := range in.Recent[max(len(in.Recent)-50, 0):] {
		lines = append(lines, m.BotID)
	}
	last := -1
	for _, bot := range append(lines, in.Coming...) {
		if at := slices.IndexFunc(in.Cast, func(b decide.Bot) bool { return b.ID == bot }); at >= 0 {
			last = at
		}
	}
	for i := range in.Cast {
		next := &in.Cast[(last+1+i)%len(in.Cast)]
		if next.ID == chosen {
			return
		}
		if able(in, next) {
			t.Fatalf("bot %d speaks after the one at %d, and not %d", chosen, last, next.ID)
		}
	}
}

func checkTarget(t *rapid.T, in decide.Input, turn *decide.Turn) {
	if (turn.Target == 0) != (turn.Kind == decide.KindMessage) {
		t.Fatalf("a %v with target %d", turn.Kind, turn.Target)
	}
	if in.Prompted != 0 && (turn.Target != in.Prompted || turn.Kind != decide.KindReply) {
		t.Fatalf("a %v to %d answers the prompt %d", turn.Kind, turn.Target, in.Prompted)
	}
	if turn.Also != 0 {
		checkJoint(t, in, turn)
	}
	if turn.Target == 0 {
		return
	}
	at := slices.IndexFunc(in.Recent, func(m decide.Message) bool { return m.Number == turn.Target })
	if at < 0 {
		t.Fatalf("target %d was not among the recent messages", turn.Target)
	}
	m := in.Recent[at]
	switch {
	case m.BotID == turn.BotID:
		t.Fatalf("bot %d answers itself", m.BotID)
	case in.Chat.Basic && !slices.Contains(m.Usable, turn.BotID):
		t.Fatalf("bot %d can't name message %d", turn.BotID, m.Number)
	case in.Prompted == 0 && in.Now.Sub(m.At) > in.Settings.ReplyMaxAge:
		t.Fatalf("the target is %v old", in.Now.Sub(m.At))
	case in.Prompted != 0 && in.Now.Sub(m.At) > max(in.Settings.TurnTTL, time.Second):
		t.Fatalf("the question is %v old", in.Now.Sub(m.At))
	case turn.Kind == decide.KindReply && slices.ContainsFunc(in.Answering, func(a decide.Answer) bool {
		return a.Message == turn.Target && (in.Prompted != 0 || a.BotID == turn.BotID)
	}):
		t.Fatalf("message %d is answered twice", turn.Target)
	}
}

func checkJoint(t *rapid.T, in decide.Input, turn *decide.Turn) {
	at := slices.IndexFunc(in.Recent, func(m decide.Message) bool { return m.Number == turn.Also })
	waits := slices.IndexFunc(in.Waiting, func(w decide.Waiting) bool { return w.Message == turn.Also && w.MayJoin })
	switch {
	case in.Prompted == 0 || at < 0 || waits < 0:
		t.Fatalf("message %d does not wait for an answer", turn.Also)
	case len(in.Waiting) >= in.Settings.MaxWaiting:
		t.Fatalf("%d wait behind it, and it is answered", len(in.Waiting))
	case in.Recent[at].BotID != 0:
		t.Fatalf("message %d is a bot's", turn.Also)
	case in.Chat.Basic && !slices.Contains(in.Recent[at].Usable, turn.BotID):
		t.Fatalf("bot %d can't name message %d", turn.BotID, turn.Also)
	case turn.Bubbles:
		t.Fatal("only the first message of several would answer two people")
	}
}

func checkManner(t *rapid.T, in decide.Input, turn *decide.Turn) {
	if !turn.ExpiresAt.After(in.Now) {
		t.Fatalf("expires at %v, now is %v", turn.ExpiresAt, in.Now)
	}
	if len(turn.Reasons) == 0 {
		t.Fatal("no reasons")
	}
	for _, r := range turn.Reasons {
		if r.Rule == "" || math.IsNaN(r.Weight) || math.IsInf(r.Weight, 0) {
			t.Fatalf("reason %+v", r)
		}
	}
	if turn.Kind != decide.KindReaction {
		if turn.Length == decide.LengthNone || turn.Emoji != "" {
			t.Fatalf("a %v of length %v with the emoji %q", turn.Kind, turn.Length, turn.Emoji)
		}
		if turn.Mention != decide.MentionNone && turn.Kind != decide.KindReply {
			t.Fatalf("a %v mentions somebody", turn.Kind)
		}
		return
	}
	if !reaction.Valid(turn.Emoji) || turn.Topic != "" || turn.Length != decide.LengthNone || turn.UseNews || turn.Bubbles {
		t.Fatalf("reaction %+v", turn)
	}
	mode, allowed := in.Settings.ReactionMode, in.Chat.AllowedReactions
	if mode == decide.ReactionsOff {
		t.Fatal("a reaction, though there are to be none")
	}
	if mode == decide.ReactionsNative && allowed != nil && !slices.Contains(allowed, turn.Emoji) {
		t.Fatalf("%s is not among %v", turn.Emoji, allowed)
	}
}

// inARow are the last speakers, as many in a row as are not more than n bots; of no line
// or a person's it is 0 alone.
func inARow(in decide.Input, n int) []int64 {
	var all []int64
	for _, m := range in.Recent[max(len(in.Recent)-50, 0):] {
		all = append(all, m.BotID)
	}
	all = append(all, in.Coming...)
	var of []int64
	at := len(all)
	for ; at > 0 && all[at-1] != 0; at-- {
		if !slices.Contains(of, all[at-1]) {
			if len(of) == n {
				break
			}
			of = append(of, all[at-1])
		}
	}
	if at == len(all) {
		return []int64{0}
	}
	return all[at:]
}

func able(in decide.Input, bot *decide.Bot) bool {
	zone := in.Chat.TimeZone
	if zone == nil {
		zone = time.UTC
	}
	return bot.Enabled && !bot.Suspended && bot.Muted == nil && bot.LastHour < bot.HourlyMax && hours.Open(bot.ActiveHours, in.Now.In(zone))
}

func botOf(in decide.Input, id int64) *decide.Bot {
	at := slices.IndexFunc(in.Cast, func(b decide.Bot) bool { return b.ID == id })
	if at < 0 {
		return nil
	}
	return &in.Cast[at]
}

func clone(in decide.Input) decide.Input {
	in.Cast, in.Recent, in.Chat.Topics = slices.Clone(in.Cast), slices.Clone(in.Recent), slices.Clone(in.Chat.Topics)
	return in
}

func equality() []cmp.Option {
	return []cmp.Option{
		cmp.Comparer(func(a, b hours.Range) bool { return a == b }),
		cmp.Comparer(func(a, b *time.Location) bool { return a == b }),
		cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }),
	}
}
