package decide

import "strings"

// candidate is a message that the bot might reply to.
type candidate struct {
	in      *Input
	bot     *Bot
	message *Message
	marks   *marks
	answers int // by others than the bot, those that are planned included
	back    int // how many lines ago it was said, those on their way included
	again   bool
}

// targetRule scores a candidate; 0 says nothing about it.
type targetRule struct {
	name  string
	score func(candidate) float64
}

// targetRules returns what makes a message worth a reply.
func targetRules() [13]targetRule {
	return [...]targetRule{
		{"target.person", fromPerson},
		{"target.bot", fromBot},
		{"target.near", near},
		{"target.question", question},
		{"target.brief", brief},
		{"target.curious", curious},
		{"target.names_bot", namesBot},
		{"target.answers_bot", answersBot},
		{"target.interest", sharesInterest},
		{"target.topic", onTopic},
		{"target.sad", sad},
		{"target.answered", answered},
		{"target.again", again},
	}
}

// People come before bots.
func fromPerson(c candidate) float64 { return when(c.message.BotID == 0, 8) }

func fromBot(c candidate) float64 { return when(c.message.BotID != 0, 2.5) }

// A conversation continues from its last lines, however old they are.
func near(c candidate) float64 { return max(13-4*float64(c.back), -30) }

func question(c candidate) float64 { return when(asks(c.message.Text), 4) }

// A word or two leave little to answer.
func brief(c candidate) float64 {
	const spaces = 2
	return when(strings.Count(c.message.Text, " ") < spaces && c.message.BotID != 0 && !asks(c.message.Text), -6)
}

func curious(c candidate) float64 { return when(c.marks.curious, 3) }

func namesBot(c candidate) float64 { return when(c.marks.names, 15) }

// A bot that was answered is likely to answer.
func answersBot(c candidate) float64 {
	if c.message.ReplyTo == 0 {
		return 0
	}
	for i := range c.in.Recent {
		if c.in.Recent[i].Number == c.message.ReplyTo {
			return when(c.in.Recent[i].BotID == c.bot.ID, 10)
		}
	}
	return 0
}

func sharesInterest(c candidate) float64 { return 2.5 * count(c.marks.interests) }

func onTopic(c candidate) float64 { return 1.5 * count(c.marks.topics) }

// empathic bots notice who feels bad.
func empathic(bot *Bot) bool { return bot.Empathy > 0.7 }

func sad(c candidate) float64 {
	return when(empathic(c.bot) && c.marks.sentiment() < -0.3, 2)
}

// maxAnswers is the highest number of intended answers to a line.
const maxAnswers = 3

// A bot's line may get a second and a third answer, if this reply is to be one. People
// are not crowded.
func takesMore(c candidate) bool {
	return c.again && c.message.BotID != 0 && c.answers > 0 && c.answers < maxAnswers
}

// A message that has an answer can wait.
func answered(c candidate) float64 {
	return when(!takesMore(c), -6*float64(min(c.answers, maxAnswers)))
}

// A line for a second answer must score highest, and nearer lines score higher.
func again(c candidate) float64 { return when(takesMore(c), 41-3*float64(c.back)) }

func when(condition bool, score float64) float64 {
	if condition {
		return score
	}
	return 0
}

// top is the number of best candidates among which one is chosen.
const top = 3

// minWeight keeps a message with a bad score possible where there is no better.
const minWeight = 0.1

// chooseTarget draws one of the three best messages of the window, by score. It
// is false if there is nothing that the bot may reply to.
func (d *decider) chooseTarget(bot *Bot) (at int, score float64, ok bool) {
	rules := targetRules()
	var best [top]int
	var scores [top]float64
	n := 0
	for i := d.window(d.set.ReplyWindow); i < len(d.in.Recent); i++ {
		c, ok := d.candidate(bot, i)
		if !ok {
			continue
		}
		score := 0.0
		for _, rule := range rules {
			score += rule.score(c)
		}
		// Insert it; of equals, the newer one is the better.
		at := n
		for at > 0 && score >= scores[at-1] {
			at--
		}
		if at == top {
			continue
		}
		n = min(n+1, top)
		copy(best[at+1:n], best[at:n-1])
		copy(scores[at+1:n], scores[at:n-1])
		best[at], scores[at] = i, score
	}
	if n == 0 {
		return 0, 0, false
	}
	weights := scores
	for i := range n {
		weights[i] = max(scores[i], minWeight)
	}
	chosen := d.pick(weights[:n])
	return best[chosen], scores[chosen], true
}

// candidate is the i-th recent message, if the bot may reply to it and has not.
func (d *decider) candidate(bot *Bot, i int) (candidate, bool) {
	m := &d.in.Recent[i]
	if !d.answerable(bot, m) {
		return candidate{}, false
	}
	answers := 0
	for j := i + 1; j < len(d.in.Recent); j++ {
		r := &d.in.Recent[j]
		if r.ReplyTo != m.Number {
			continue
		}
		if r.BotID == bot.ID {
			return candidate{}, false
		}
		answers++
	}
	for _, a := range d.in.Answering {
		if a.Message != m.Number {
			continue
		}
		if a.BotID == bot.ID {
			return candidate{}, false
		}
		answers++
	}
	back := len(d.in.Recent) - i + len(d.in.Coming)
	return candidate{in: d.in, bot: bot, message: m, marks: d.marks(i), answers: answers, back: back, again: d.joins}, true
}

// author is whose message it is, for a reason: people are not named in what is kept
// of turns, and nobody is taken for a bot of the same name.
func author(m *Message) string {
	if m.BotID == 0 {
		return "a person"
	}
	return m.Author
}

// targetReasons notes which rules spoke for or against the chosen message.
func (d *decider) targetReasons(bot *Bot, at int) {
	c, _ := d.candidate(bot, at)
	for _, rule := range targetRules() {
		if score := rule.score(c); score != 0 {
			d.because(rule.name, score, author(c.message))
		}
	}
}
