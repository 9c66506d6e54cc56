package offline

import (
	"math/rand/v2"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/nature"
)

// draft is one attempt at a text: sentences that follow from one another.
type draft struct {
	view   *view
	rng    *rand.Rand
	taken  []string // what this draft has said, normalised, in order
	frames []uint64 // the frames that it used
	repeat bool     // what the history said may be said again
	near   bool     // the thought is begun: keep to the topic

	earlierName, earlierWord string
}

// entryRules are the rules that the composer begins with; every grammar has them.
var entryRules = []string{ //nolint:gochecknoglobals // a constant list
	"open_point", "open_image", "open_question", "open_stance", "open_interest", "open_callback", "open_holding", "open_scene",
	"disclose", "greet", "thank",
	"answer_known", "answer_stance", "answer_yesno", "answer_why", "answer_opinion", "answer_other", "answer_unknown", "answer_too", "explain",
	"agree_known", "differ_known", "agree_word", "differ_word", "go_on", "ask_back", "react_quoted", "reply_stance", "match_image",
	"act", "narrate", "narrate_known",
	"add_more", "add_lean", "add_point", "add_image", "add_stance", "add_interest", "add_phrase", "add_scene",
	"close_question", "close_other", "plain",
}

// weighted is a rule and how often it goes first, relative to the others.
type weighted struct {
	rule   string
	weight float64
}

// write composes the draft. It returns "" only if the grammar has nothing to
// say at all.
func (d *draft) write() string {
	lead := d.first(d.leads())
	if lead == "" {
		d.repeat = true
		lead = d.first(d.leads())
	}
	if lead == "" {
		lead = d.first([]weighted{{"plain", 1}})
	}
	text := capitalise(lead)
	if d.view.target != nil && d.view.target.act == asksWhatYouAre {
		return plainly(d.view.target.asked) + text
	}
	return d.extend(text)
}

// plainly is the word that the answer to what the speaker is begins with.
func plainly(asked nature.Asked) string {
	switch asked {
	case nature.Human:
		return "No. "
	case nature.Bot:
		return "Yes. "
	case nature.Nothing, nature.Open:
	}
	return ""
}

// first expands the first of the rules, in a weighted random order, that the
// scene can fill.
func (d *draft) first(rules []weighted) string {
	for len(rules) > 0 {
		i := d.pick(rules)
		if s, ok := d.expand(rules[i].rule, 0); ok {
			return s
		}
		rules = append(rules[:i], rules[i+1:]...)
	}
	return ""
}

// leads are the ways to begin, by what the scene asks for.
func (d *draft) leads() []weighted {
	v := d.view
	switch {
	case v.target == nil && v.narrator:
		return []weighted{{"open_scene", 7}, {"open_point", 1}, {"open_question", 1}}
	case v.target == nil:
		return []weighted{
			{"open_point", 5},
			{"open_image", 3},
			{"open_question", 3},
			{"open_stance", 1.5},
			{"open_interest", 1},
			{"open_callback", 2},
			{"open_holding", 0.7},
		}
	}
	switch v.target.act {
	case asksWhatYouAre:
		return []weighted{{"disclose", 1}}
	case greets:
		return []weighted{{"greet", 1}}
	case thanks:
		return []weighted{{"thank", 1}}
	case questions:
		return d.answerLeads()
	case states:
	}
	return d.replyLeads()
}

// answerLeads are the ways to answer a question. The order counts: a known
// answer always goes before a way around it.
func (d *draft) answerLeads() []weighted {
	v := d.view
	t := v.target
	if t.fact != nil {
		return []weighted{{"answer_known", 50}, {"answer_stance", 3}, {"answer_opinion", 0.01}}
	}
	if v.narrator {
		return []weighted{{"narrate", 5}, {"answer_other", 1}}
	}
	if t.kind == "opinion" {
		return []weighted{{"answer_stance", 5}, {"answer_opinion", 3}, {"answer_unknown", 0.01}}
	}
	if t.word == "" && (t.quoted == "" || t.bot) { // "Why?", "How do you mean?"
		return []weighted{{"explain", 10}, {"answer_stance", 2}}
	}
	if t.word == "" && !v.onTopic(t.stems) {
		return []weighted{{"answer_unknown", 1}}
	}
	rule := map[string]string{"yesno": "answer_yesno", "why": "answer_why"}[t.kind]
	if rule == "" {
		rule = "answer_other"
	}
	return []weighted{{rule, 20}, {"answer_stance", 2}, {"explain", 0.3}}
}

// replyLeads are the ways to reply to a statement.
func (d *draft) replyLeads() []weighted {
	t := d.view.target
	leads := d.replies()
	if t.bot {
		// A person may be asked about a word; personas go on with the matter.
		return append(leads, weighted{"go_on", 0.5})
	}
	return append(leads, weighted{"react_quoted", 0.02})
}

func (d *draft) replies() []weighted {
	const stance = 1.2
	t := d.view.target
	known, word := "agree_known", "agree_word"
	if d.differs() {
		known, word = "differ_known", "differ_word"
	}
	switch {
	case d.view.narrator:
		return []weighted{{"narrate_known", 50}, {"narrate", 4}, {"agree_known", 2}}
	case t.fact != nil && t.fact.scene != nil:
		return []weighted{{"act", 50}, {"agree_word", 1}}
	case t.fact != nil && t.fact.image:
		return []weighted{{"match_image", 10}, {"agree_word", 2}}
	case t.fact != nil && t.fact.question != nil:
		return []weighted{{"answer_too", 10}, {"ask_back", 0.3}, {"agree_word", 1}}
	case t.fact != nil:
		return []weighted{{known, 12}, {"ask_back", 0.4}, {"reply_stance", stance}, {"agree_word", 0.05}}
	case t.word != "":
		return []weighted{{word, 6}, {"ask_back", 0.4}, {"reply_stance", stance}}
	case t.bot:
		return []weighted{{"go_on", 6}, {"reply_stance", stance}}
	}
	return []weighted{{"react_quoted", 6}, {"reply_stance", 0.3}}
}

// differs tells whether the persona disagrees with the target: because its
// stance says so, else by its temper; about one claim it is always of the same
// mind.
func (d *draft) differs() bool {
	v := d.view
	t := v.target
	if t.fact != nil && t.fact.point != nil {
		p := t.fact.point
		agreed, opposed := append([]string{p.Say}, p.And...), p.But
		if t.fact.side == objects {
			agreed, opposed = opposed, agreed
		}
		for _, s := range v.stances {
			stems := v.lang.contentStems(bounded(s.Text, 300))
			with, against := overlap(stems, v.lang.contentStems(strings.Join(agreed, " "))),
				overlap(stems, v.lang.contentStems(strings.Join(opposed, " ")))
			if with != against && s.Confidence > 0.3 {
				return against > with
			}
		}
	}
	for _, s := range v.stances {
		if mine, theirs := v.lang.leaning(bounded(s.Text, 300)), v.lang.leaning(t.normal); mine*theirs != 0 && s.Confidence > 0.3 {
			return mine != theirs
		}
	}
	claim := t.normal
	if t.fact != nil {
		claim = t.fact.normal
	}
	return float64(mix(hash(claim)^v.speaker.habits)%1000)/1000 < v.contrary
}

// leaning is 1 for a text in favour of something, -1 against, 0 undecided.
func (l *language) leaning(text string) int {
	stems := l.contentStems(text)
	return min(1, max(-1, overlap(l.lexicon.Positive, stems)-overlap(l.lexicon.Negative, stems)))
}

// extend adds sentences until the text has its length class.
func (d *draft) extend(text string) string {
	lim := limits[d.view.length]
	want := lim.min + d.rng.IntN(lim.max-lim.min+1)
	if d.view.length == script.Short && d.rng.Float64() < 0.6 {
		want = 1
	}
	d.near = true
	used := map[string]bool{}
	for range 2 * lim.max {
		n := len(sentenceEnds(text))
		if n >= want {
			break
		}
		mark := len(d.taken)
		rule, next := d.addition(n+1 >= want && want > 1, strings.HasSuffix(text, "?"), used)
		if next == "" {
			break
		}
		used[rule] = true
		longer := join(text, capitalise(next))
		if len(sentenceEnds(longer)) > lim.max || len([]rune(longer)) > lim.chars {
			d.taken = d.taken[:mark]
			continue
		}
		text = longer
	}
	return text
}

// addition is one more sentence. Questions to the others come last, and only
// one of them.
func (d *draft) addition(last, asked bool, used map[string]bool) (string, string) {
	rules := []weighted{
		{"add_more", 9},
		{"add_lean", 9},
		{"add_point", 1.5},
		{"add_image", 1.5},
		{"add_stance", 2},
		{"add_interest", 0.4},
		{"add_phrase", 0.4},
	}
	switch {
	case d.view.narrator:
		rules = nil
		if d.told() {
			rules = []weighted{{"add_scene", 1}}
		}
	case d.view.playing():
		rules = []weighted{{"add_image", 0.5}, {"add_phrase", 1}}
	case asked:
		// Who asks may answer, and then listens.
		rules = []weighted{{"add_lean", 1}}
	}
	if last && !asked && !d.view.narrator && !d.view.playing() {
		rules = append(rules, weighted{"close_question", 1.2}, weighted{"close_other", 1.5})
	}
	var open []weighted
	for _, r := range rules {
		// A second reason is fine, a second flourish is not.
		if !used[r.rule] || r.rule == "add_more" {
			open = append(open, r)
		}
	}
	for len(open) > 0 {
		i := d.pick(open)
		if s, ok := d.expand(open[i].rule, 0); ok {
			return open[i].rule, s
		}
		open = append(open[:i], open[i+1:]...)
	}
	return "", ""
}

func (d *draft) pick(rules []weighted) int {
	var sum float64
	for _, r := range rules {
		sum += r.weight
	}
	at := d.rng.Float64() * sum
	for i, r := range rules {
		if at -= r.weight; at < 0 {
			return i
		}
	}
	return len(rules) - 1
}
