package decide

import (
	"slices"
	"time"
)

// prompt is the message that a person wants answered now, if the input says
// that there is one. It leaves only those bots eligible that should answer it.
func (d *decider) prompt() (*Message, Skip) {
	if d.in.Prompted == 0 {
		return nil, SkipNone
	}
	at := slices.IndexFunc(d.in.Recent, func(m Message) bool { return m.Number == d.in.Prompted })
	if at < 0 || d.in.Recent[at].BotID != 0 {
		return nil, SkipPromptGone
	}
	m := &d.in.Recent[at]
	switch {
	case d.in.Now.Sub(m.At) > max(d.set.TurnTTL, time.Second):
		return nil, SkipPromptLate
	case d.answered(m.Number):
		return nil, SkipAnswered
	case d.set.PersonAnswers > 0 && d.in.PersonAnswers >= d.set.PersonAnswers:
		return nil, SkipPersonAnswers
	case d.set.ChatAnswers > 0 && d.in.ChatAnswers >= d.set.ChatAnswers:
		return nil, SkipChatAnswers
	}
	if addressed := d.addressees(m); len(d.in.Addressed) > 0 || slices.Contains(addressed, true) {
		d.keep(func(i int) bool { return addressed[i] })
		d.addressed = addressed
		if !d.anybody() {
			return nil, SkipAddresseeAway
		}
	}
	d.keep(func(i int) bool { return d.canName(&d.in.Cast[i], m) })
	if !d.anybody() {
		return nil, SkipUnreachable
	}
	return m, SkipNone
}

// answered reports whether a bot has answered a message or is about to.
func (d *decider) answered(number int64) bool {
	return slices.ContainsFunc(d.in.Recent, func(r Message) bool { return r.BotID != 0 && r.ReplyTo == number }) ||
		slices.ContainsFunc(d.in.Answering, func(a Answer) bool { return a.Message == number })
}

// crowded reports whether too many people wait behind the prompt, so that it gets no answer.
func (d *decider) crowded() bool {
	return d.in.Prompted != 0 && len(d.in.Waiting) >= max(d.set.MaxWaiting, 1) && !d.answered(d.in.Prompted)
}

// jointWithin is the longest time between two messages that get one answer.
const jointWithin = time.Minute

// joint makes the answer to a prompt also answer the next waiting message, with a probability,
// if the bot may answer both.
func (d *decider) joint(t *Turn, bot *Bot, prompt *Message) {
	for _, w := range d.in.Waiting {
		at := slices.IndexFunc(d.in.Recent, func(m Message) bool { return m.Number == w.Message })
		if !w.MayJoin || at < 0 {
			continue
		}
		m := &d.in.Recent[at]
		if m.BotID != 0 || m.At.Sub(prompt.At).Abs() > jointWithin || !d.canName(bot, m) || d.answered(m.Number) || !d.isFor(bot, m, w.Addressed) {
			continue
		}
		if d.chance(d.set.JointProbability) {
			t.Also = m.Number
			d.because("kind.joint", d.set.JointProbability, author(m))
		}
		return
	}
}

// isFor reports whether a message is for the bot, or for nobody in particular.
func (d *decider) isFor(bot *Bot, m *Message, known []int64) bool {
	named := d.addressees(m)
	for i := range named {
		if d.in.Cast[i].ID == bot.ID && named[i] {
			return true
		}
	}
	return slices.Contains(known, bot.ID) || len(known) == 0 && !slices.Contains(named, true)
}

// addressees are the bots of the cast that a message is for: whose message it
// replies to, whom it names, and whom a prompting one is known to be for.
func (d *decider) addressees(m *Message) []bool {
	addressed := make([]bool, len(d.in.Cast))
	names := keywords{list: make([]keyword, 0, 2*len(addressed))}
	author := d.author(m.ReplyTo)
	for i := range d.in.Cast {
		bot := &d.in.Cast[i]
		if bot.ID == m.BotID {
			continue // nobody is surprised to hear their own name from themselves
		}
		addressed[i] = bot.ID == author || m.Number == d.in.Prompted && slices.Contains(d.in.Addressed, bot.ID)
		names.addName(bot, i)
	}
	names.meet(m, func(k keyword) { addressed[k.bit] = true })
	return addressed
}

// author is the bot that wrote a recent message; 0 if nobody knows.
func (d *decider) author(number int64) int64 {
	if number == 0 {
		return 0
	}
	for i := range d.in.Recent {
		if d.in.Recent[i].Number == number {
			return d.in.Recent[i].BotID
		}
	}
	return 0
}

// canName reports whether the bot has an id for the message. In basic groups Telegram gives
// each member its own ids.
func (d *decider) canName(bot *Bot, m *Message) bool {
	return !d.in.Chat.Basic || m.BotID == bot.ID || slices.Contains(m.Usable, bot.ID)
}

// keep takes the eligibility of all bots but some.
func (d *decider) keep(some func(i int) bool) {
	for i := range d.weights {
		if d.weights[i] > 0 && !some(i) {
			d.weights[i] = 0
		}
	}
}

func (d *decider) anybody() bool {
	return slices.ContainsFunc(d.weights, func(w float64) bool { return w > 0 })
}
