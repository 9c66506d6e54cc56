package decide

import "math/bits"

// maxTerms limits how many topics and interests are told apart.
const maxTerms = 64

// marks holds what a bot finds in a message.
type marks struct {
	topics, interests  uint64 // sets of indexes in the pool and in its interests
	names              bool   // the bot is called by name
	curious            bool
	positive, negative int
}

// sentiment is -1 to 1.
func (m marks) sentiment() float64 {
	if m.positive+m.negative == 0 {
		return 0
	}
	return float64(m.positive-m.negative) / float64(m.positive+m.negative)
}

func count(set uint64) float64 { return float64(bits.OnesCount64(set)) }

// A few words that show that somebody wants to hear others, or how they feel.
const (
	curiousWords  = "curious wonder wondering anyone anybody everyone thoughts opinion recommend suggest explain"
	negativeWords = "sad sorry bad awful terrible worried afraid hate hurt lonely tired lost angry disappointed crying sick scared wrong upset miss"
	positiveWords = "good great love happy nice glad wonderful excellent thanks beautiful fun enjoy best awesome perfect"
)

//nolint:gochecknoglobals // constant
var (
	curiosity   = wordsOf(curiousWords, curiousSense, 0)
	displeasure = wordsOf(negativeWords, negativeSense, 0)
	pleasure    = wordsOf(positiveWords, positiveSense, 0)
)

// listen makes ready what the bot looks for in messages.
func (d *decider) listen(bot *Bot) {
	k := &d.keywords
	k.list = make([]keyword, 0, 96)
	for i, topic := range d.pool(bot) {
		if i == maxTerms {
			break
		}
		k.addTerm(topic, topicSense, i)
	}
	for i, interest := range bot.Interests {
		if i == maxTerms {
			break
		}
		k.addTerm(interest, interestSense, i)
	}
	k.addName(bot, 0)
	k.join(curiosity)
	if empathic(bot) {
		k.join(displeasure)
		k.join(pleasure)
	}
}

// marks returns what the bot finds in the i-th of the recent messages. Each is read
// once, and only if a rule asks.
func (d *decider) marks(i int) *marks {
	m := &d.found[i]
	if d.scanned[i] {
		return m
	}
	d.scanned[i] = true
	d.keywords.meet(&d.in.Recent[i], func(k keyword) {
		switch k.sense {
		case topicSense:
			m.topics |= 1 << k.bit
		case interestSense:
			m.interests |= 1 << k.bit
		case nameSense:
			m.names = true
		case curiousSense:
			m.curious = true
		case negativeSense:
			m.negative++
		case positiveSense:
			m.positive++
		case moodSense:
		}
	})
	return m
}
