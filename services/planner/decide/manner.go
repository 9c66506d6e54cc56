package decide

import "github.com/chorus-cast/chorus/services/internal/voice"

// manner chooses how a text is to be written.
func (d *decider) manner(t *Turn, bot *Bot) {
	if t.Kind == KindReaction {
		return
	}
	d.length(t, bot)
	d.mention(t)
	d.news(t)
	d.refresh(t, bot)
	d.bubbles(t)
}

// length draws a length class by the profile and the bot's voice.
func (d *decider) length(t *Turn, bot *Bot) {
	own := voice.Of(voice.Voice{Length: bot.Length}, bot.Tone, bot.Energy, bot.DisplayName).Length
	short, medium, long := voice.Weights(own)
	profile := [...]float64{
		short * within(d.set.LengthShort, 0, 1e6), medium * within(d.set.LengthMedium, 0, 1e6), long * within(d.set.LengthLong, 0, 1e6),
	}
	sum := profile[0] + profile[1] + profile[2]
	if sum == 0 {
		t.Length = LengthMedium
		return
	}
	at := pickAt(d.lengthDraw, profile[:])
	t.Length = LengthShort + Length(at)
	if t.Also != 0 {
		t.Length = max(t.Length, LengthMedium) // there are two to answer
	}
	d.because("length."+t.Length.String(), profile[at]/sum, own)
}

// mention decides whether a reply names whom it answers, and where.
func (d *decider) mention(t *Turn) {
	if t.Kind != KindReply || !d.chance(d.set.MentionProbability) {
		return
	}
	t.Mention = MentionEnd
	if d.chance(d.set.MentionAtStart) {
		t.Mention = MentionStart
	}
	d.because("mention."+t.Mention.String(), d.set.MentionProbability, author(d.target))
}

// news lets a new message take up a headline. Who answers should answer, and who adds a
// line stays with what they said.
func (d *decider) news(t *Turn) {
	if t.Kind == KindMessage && !d.adds && t.Topic != "" && d.in.Chat.Scene == "" && d.chance(d.set.NewsProbability) {
		t.UseNews = true
		d.because("news.trigger", d.set.NewsProbability, t.Topic)
	}
}

// refresh recalls its persona to a bot that has talked for a while.
func (d *decider) refresh(t *Turn, bot *Bot) {
	switch {
	case d.set.RefreshMessages > 0 && bot.SinceRefresh >= d.set.RefreshMessages:
		t.RefreshPersona = true
		d.because("persona.refresh", float64(bot.SinceRefresh), "messages")
	case d.set.RefreshAfter > 0 && d.in.Now.Sub(bot.LastRefresh) >= d.set.RefreshAfter:
		t.RefreshPersona = true
		d.because("persona.refresh", 1, "time")
	}
}

// bubbles lets a text be sent as several messages. Only the first would answer two people.
func (d *decider) bubbles(t *Turn) {
	if t.Also == 0 && d.chance(d.set.BubblesProbability) {
		t.Bubbles = true
		d.because("bubbles", d.set.BubblesProbability, "")
	}
}
