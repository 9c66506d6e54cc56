package decide

import (
	"slices"
	"strings"
)

// pool are the topics that the bot may bring up: the chat's, or its own
// interests where the chat has none, less those that its stances rest on. If
// that leaves nothing, they don't rest.
func (d *decider) pool(bot *Bot) []string {
	if d.topics != nil {
		return d.topics
	}
	d.topics = d.in.Chat.Topics
	if len(d.topics) == 0 {
		d.topics = bot.Interests
	}
	if !d.set.CooldownFilter || !slices.ContainsFunc(d.topics, func(t string) bool { return d.cooling(bot, t) }) {
		return d.topics
	}
	rest := make([]string, 0, len(d.topics))
	for _, topic := range d.topics {
		if !d.cooling(bot, topic) {
			rest = append(rest, topic)
		}
	}
	if len(rest) > 0 {
		d.topics = rest
	}
	return d.topics
}

// cooling reports whether the bot's stance on a topic is in its cool-down.
func (d *decider) cooling(bot *Bot, topic string) bool {
	s := stance(bot, topic)
	return s != nil && s.CooldownUntil.After(d.in.Now)
}

// stance returns what the bot thinks of a topic; nil if nothing.
func stance(bot *Bot, topic string) *Stance {
	for i := range bot.Stances {
		if strings.EqualFold(bot.Stances[i].Topic, topic) {
			return &bot.Stances[i]
		}
	}
	return nil
}

// topic chooses what a text is about. A reply stays with what it answers, and a line
// that is added with the newest one, if
// that is about a topic. Otherwise the draw favours what the chat talks about
// and what the bot has a stance on, and leaves a chance to everything else, so
// that a chat moves on. While a scene lasts, everything is about it.
func (d *decider) topic(t *Turn, bot *Bot) {
	if d.in.Chat.Scene != "" && t.Kind != KindReaction {
		t.Topic = d.in.Chat.Scene
		d.because("topic.scene", 1, "")
		return
	}
	pool := d.pool(bot)
	if t.Kind == KindReaction || len(pool) == 0 {
		return
	}
	pool = pool[:min(len(pool), maxTerms)]
	var buffer [maxTerms]float64
	weights := buffer[:len(pool)]
	for i, topic := range pool {
		weights[i] = 1
		if s := stance(bot, topic); s != nil {
			weights[i] += within(s.Confidence, 0, 1)
		}
	}
	for i := d.window(d.set.TopicWindow); i < len(d.in.Recent); i++ {
		addTo(weights, d.marks(i).topics)
	}
	rule := "topic.chat"
	if d.target != nil || d.adds {
		rule = d.stay(weights)
	}
	at := d.pick(weights)
	t.Topic = pool[at]
	d.because(rule, weights[at], t.Topic)
}

// stay leaves only the topics of the message that is gone on from, if it has any.
func (d *decider) stay(weights []float64) (rule string) {
	for i := range d.in.Recent {
		if d.adds && i < len(d.in.Recent)-1 || !d.adds && &d.in.Recent[i] != d.target {
			continue
		}
		topics := d.marks(i).topics
		if topics == 0 {
			break
		}
		for bit := range weights {
			if topics&(1<<bit) == 0 {
				weights[bit] = 0
			}
		}
		return "topic.target"
	}
	return "topic.chat"
}

// addTo adds 1 to the weight of each topic of a set.
func addTo(weights []float64, topics uint64) {
	if topics == 0 {
		return
	}
	for bit := range weights {
		if topics&(1<<bit) != 0 {
			weights[bit]++
		}
	}
}
