package decide

// kind chooses what the bot does, and to which message.
func (d *decider) kind(t *Turn, bot *Bot, prompt *Message) Skip {
	t.Kind = KindMessage
	switch {
	case prompt != nil:
		t.Kind, t.Target = KindReply, prompt.Number
		d.target = prompt
		d.because("kind.prompted", 1, author(prompt))
		d.joint(t, bot, prompt)
	case d.adds, d.reaction(t, bot):
	default:
		return d.reply(t, bot)
	}
	return SkipNone
}

// reply makes the turn an answer, with the probability for what was said last. If
// nothing needs one, the turn is better skipped while others are about to speak.
func (d *decider) reply(t *Turn, bot *Bot) Skip {
	if len(d.in.Recent) == 0 {
		d.because("kind.message", 1, "the chat is empty")
		return SkipNone
	}
	probability, after := d.set.ReplyProbability, "after a person"
	if d.in.Recent[len(d.in.Recent)-1].BotID != 0 {
		probability = d.due(d.set.ReplyToBotProbability, d.lately.answers, d.lately.lines-d.lately.same)
		after = "after a bot"
	}
	if probability = max(d.afterLull(probability), when(d.joins, 1)); !d.chance(probability) {
		d.because("kind.message", 1-probability, after)
		return SkipNone
	}
	at, score, ok := d.chooseTarget(bot)
	if score < d.set.MinNeed && d.aboutToHear() {
		return SkipNoNeed
	}
	if !ok {
		d.because("kind.message", 1, "nothing to reply to")
		return SkipNone
	}
	d.because("kind.reply", probability, after)
	d.target = &d.in.Recent[at]
	t.Kind, t.Target = KindReply, d.target.Number
	d.targetReasons(bot, at)
	return SkipNone
}

// answerable reports whether the bot may reply or react to a message.
func (d *decider) answerable(bot *Bot, m *Message) bool {
	return m.BotID != bot.ID && m.Number != 0 && d.canName(bot, m) && d.in.Now.Sub(m.At) <= d.set.ReplyMaxAge
}

// window is the index of the first of the last n messages.
func (d *decider) window(n int) int { return max(len(d.in.Recent)-max(n, 0), 0) }
