package offline

import (
	"math/rand/v2"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// draft is one attempt at a text: sentences that follow from one another.
type draft struct {
	view   *view
	rng    *rand.Rand
	want   int      // about how many words
	taken  []string // what this draft has said, normalised, in order
	things []string // what it has named
	frames []uint64 // the frames that it used
	near   bool     // the thought is begun: keep to the topic

	earlierName, earlierWord string
}

// brief is the most words of a line that is no more than a reaction.
const brief = 5

// weighted is a rule and how often it goes first, relative to the others.
type weighted struct {
	rule   string
	weight float64
}

// write composes the draft. It returns "" if the grammar has nothing new to say.
func (d *draft) write() string {
	if t := d.view.target; t != nil {
		for _, rule := range t.rules {
			if s, ok := d.expand(rule, 0); ok {
				return capitalise(s)
			}
		}
	}
	text := capitalise(d.first(d.leads()))
	if text == "" || d.want <= brief {
		return text
	}
	return d.extend(text)
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

// shares are how often the topic files and the cast's own words go first: where no
// file knows the field, the latter say more.
func (v *view) shares() (points, things float64) {
	if v.family == v.lang.generic {
		return 1, 9
	}
	return 5, 2
}

// leads are the ways to begin, by what the scene asks for.
func (d *draft) leads() []weighted {
	v := d.view
	points, things := v.shares()
	switch {
	case v.target == nil && v.narrator:
		return []weighted{{"open_scene", 7}, {"open_point", 1}, {"open_question", 1}}
	case v.target == nil && d.want <= brief:
		return []weighted{{"open_brief", 1}}
	case v.target == nil:
		return []weighted{
			{"open_point", points},
			{"open_image", points / 3},
			{"open_question", points / 3},
			{"open_stance", 1.5},
			{"open_memory", 1},
			{"open_callback", 2},
			{"open_thing", things},
		}
	case v.target.act == questions:
		return d.answerLeads()
	case d.want <= brief && (v.target.bot || !v.narrator):
		if d.differs() {
			return []weighted{{"brief_differ", 8}, {"brief_ask", 1}}
		}
		return []weighted{{"brief_agree", 10}, {"brief_ask", 1}}
	}
	return append(d.replies(), weighted{"reply_thing", things / 4}, weighted{"open_thing", 0.01})
}

// answerLeads are the ways to answer a question. The order counts: a known
// answer always goes before a way around it.
func (d *draft) answerLeads() []weighted {
	v := d.view
	t := v.target
	last := weighted{"answer_thing", 0.01}
	if t.fact != nil {
		return []weighted{{"answer_known", 50}, {"answer_stance", 3}, last}
	}
	if v.narrator && t.bot {
		return []weighted{{"narrate", 5}, {"answer_other", 1}, last}
	}
	if d.want <= brief {
		last.weight = 1
		return []weighted{{"brief_answer", 3}, last}
	}
	rule := map[string]string{"yesno": "answer_yesno", "why": "answer_why", "opinion": "answer_opinion"}[t.kind]
	if rule == "" {
		rule = "answer_other"
	}
	if t.kind == "opinion" {
		return []weighted{{"answer_stance", 5}, {rule, 3}, last}
	}
	return []weighted{{rule, 10}, {"answer_stance", 2}, {"explain", 1}, last}
}

// replies are the ways to reply to a statement.
func (d *draft) replies() []weighted {
	const stance = 1.2
	t := d.view.target
	known, word, quoted := "agree_known", "agree_word", "agree_quoted"
	if d.differs() {
		known, word, quoted = "differ_known", "differ_word", "differ_quoted"
	}
	switch {
	case d.view.narrator:
		return []weighted{{"narrate_known", 50}, {"narrate", 4}, {"agree_known", 2}}
	case t.fact != nil && t.fact.scene != nil:
		return []weighted{{"act", 50}, {quoted, 1}}
	case t.fact != nil && t.fact.image:
		return []weighted{{"match_image", 10}, {quoted, 3}}
	case t.fact != nil && t.fact.question != nil:
		return []weighted{{"answer_too", 10}, {"ask_back", 0.3}, {quoted, 2}}
	case t.fact != nil:
		return []weighted{{known, 9}, {quoted, 3}, {"ask_back", 0.25}, {"reply_stance", stance}}
	case t.word != "":
		return []weighted{{word, 5}, {quoted, 3}, {"ask_back", 0.25}, {"reply_stance", stance}}
	case t.bot:
		return []weighted{{quoted, 8}, {"go_on", 2}, {"reply_stance", stance}}
	}
	return []weighted{{"react_quoted", 4}, {quoted, 4}, {"reply_stance", 0.3}}
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

// extend adds sentences until the text has about as many words as are wanted.
func (d *draft) extend(text string) string {
	lim := limits[d.view.length]
	d.near = true
	used := map[string]bool{}
	for range 2 * lim.sentences {
		left := d.want - len(strings.Fields(text))
		if left < d.want/3 || left < brief {
			break
		}
		mark := len(d.taken)
		rule, next := d.addition(left < 2*usualWords, strings.HasSuffix(text, "?"), used)
		if next == "" {
			break
		}
		used[rule] = true
		longer := join(text, capitalise(next))
		if len(sentenceEnds(longer)) > lim.sentences || len([]rune(longer)) > lim.chars {
			d.taken = d.taken[:mark]
			continue
		}
		text = longer
	}
	return text
}

// usualWords is how long a sentence is, about.
const usualWords = 10

// addition is one more sentence. Questions to the others come last, and only
// one of them.
func (d *draft) addition(last, asked bool, used map[string]bool) (string, string) {
	points, things := d.view.shares()
	rules := []weighted{
		{"add_more", 9},
		{"add_lean", 9},
		{"add_point", points / 3},
		{"add_image", points / 3},
		{"add_stance", 2},
		{"add_thing", things},
		{"open_thing", things / 2},
		{"add_phrase", 0.6},
	}
	switch {
	case d.view.narrator:
		rules = nil
		if d.told() {
			rules = []weighted{{"add_scene", 1}}
		}
	case d.view.playing():
		rules = []weighted{{"add_image", 0.5}, {"add_phrase", 1}, {"add_thing", 0.2}}
	case asked:
		// Who asks may answer, and then listens.
		rules = []weighted{{"add_lean", 1}}
	}
	if last && !asked && !d.view.narrator && !d.view.playing() && d.view.length != script.Short {
		rules = append(rules, weighted{"close_question", 0.8}, weighted{"close_other", 1})
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
