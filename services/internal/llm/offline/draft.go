package offline

import (
	"math/rand/v2"
	"slices"
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
	shrugs bool     // it has nothing to say to what it answers
}

// lastResort is the rule of who has nothing to say to what it answers.
const lastResort = "answer_last"

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
			d.shrugs = rules[i].rule == lastResort
			return s
		}
		rules = append(rules[:i], rules[i+1:]...)
	}
	return ""
}

// shares are how often the topic files and the cast's own words go first: where no
// file knows the field, the latter say more.
func (v *view) shares() (points, own float64) {
	if v.family == v.lang.generic {
		return 3, 3
	}
	return 5, 0.6
}

// fullness is how much rather a line is one that can be gone on with.
func (d *draft) fullness() float64 { return max(1, float64(d.want)/usualWords) }

// briefOpening is how often an opening that may be a word or a few is one.
const briefOpening = 0.9

// leads are the ways to begin, by what the scene asks for.
func (d *draft) leads() []weighted {
	v := d.view
	points, own := v.shares()
	t := v.target
	switch {
	case t == nil && v.narrator && d.want <= brief:
		return []weighted{{"open_beat", 1}}
	case t == nil && v.narrator:
		return []weighted{{"open_scene", 7}, {"open_point", 1}, {"open_question", 1}}
	case t == nil && d.want <= brief && d.rng.Float64() < briefOpening:
		return []weighted{{"open_brief", 8}, {"open_call", 1}}
	case t == nil:
		return []weighted{
			{"open_point", points * d.fullness()},
			{"open_question", points / 3},
			{"open_image", points / 4},
			{"open_stance", 1.5},
			{"open_fact", own / 2},
			{"open_interest", own},
			{"open_holding", own / 4},
			{"open_subject", 0.5},
		}
	case v.playing() && !v.narrator && d.want <= brief:
		return append(d.replies(), weighted{"brief_act", 100})
	case v.playing() && !v.narrator:
		return d.replies()
	case t.next != "":
		return append([]weighted{{t.next, 10}, {"go_on", 0.1}, {lastResort, 0.001}}, d.brief(3)...)
	case t.act == questions:
		return d.answerLeads()
	case d.want <= brief && (t.bot || !v.narrator):
		return d.brief(10)
	}
	return append(d.replies(), weighted{lastResort, 0.001})
}

// thin are the rules that follow on what says too little for a mere yes or no.
var thin = []string{"after_open_brief", "after_open_call", "after_brief_urge"} //nolint:gochecknoglobals // a constant list

// brief are the ways to reply in a word or a few, where that is wanted.
func (d *draft) brief(weight float64) []weighted {
	t, rule := d.view.target, "brief_agree"
	switch {
	case d.want > brief || slices.Contains(thin, t.next):
		return nil
	case t.bare():
		return []weighted{{"brief_urge", weight}, {"go_on", weight / 10}}
	case t.act == questions && (t.kind != "yesno" || t.next == "after_ask_back"):
		return nil
	case t.act == questions:
		return []weighted{{"brief_yesno", weight}}
	case d.differs():
		rule = "brief_differ"
	}
	return []weighted{{rule, weight}, {"brief_ask", weight / 8}}
}

// answerLeads are the ways to answer a question. The order counts: a known
// answer always goes before a way around it.
func (d *draft) answerLeads() []weighted {
	v := d.view
	t := v.target
	last := weighted{lastResort, 0.001}
	if t.fact != nil {
		return []weighted{{"answer_known", 50}, {"answer_stance", 3}, last}
	}
	if v.narrator && t.bot {
		return []weighted{{"narrate", 5}, {"answer_open", 1}, last}
	}
	if short := d.brief(10); short != nil {
		return append(short, last)
	}
	rule := map[string]string{"yesno": "answer_yesno", "why": "answer_why"}[t.kind]
	if rule == "" {
		rule = "answer_open"
	}
	if t.kind == "opinion" {
		return []weighted{{"answer_stance", 5}, {rule, 3}, last}
	}
	return []weighted{{rule, 10}, {"answer_stance", 2}, {"answer_open", 0.1}, last}
}

// replies are the ways to reply to a statement.
func (d *draft) replies() []weighted {
	const stance = 2
	t := d.view.target
	known, word, claim := "agree_known", "agree_word", "agree_claim"
	if d.differs() {
		known, word, claim = "differ_known", "differ_word", "differ_claim"
	}
	switch {
	case d.view.narrator:
		return []weighted{{"narrate_known", 50}, {"narrate", 4}, {"agree_known", 2}}
	case t.fact != nil && t.fact.scene != nil:
		return []weighted{{"act", 50}, {claim, 1}}
	case t.fact != nil && t.fact.image:
		return []weighted{{"match_image", 10}, {"go_on", 0.01}}
	case t.fact != nil && t.fact.question != nil:
		return []weighted{{"answer_too", 10}, {"ask_back", 0.3}, {claim, 3}}
	case t.fact != nil:
		return []weighted{{known, 12}, {claim, 2}, {"ask_back", 0.5}, {"answer_stance", stance}}
	case !t.bot && t.word == "":
		return []weighted{{"react_claim", 8}, {"answer_stance", 0.3}}
	case t.word != "":
		return []weighted{{word, 5 * d.fullness()}, {claim, 1}, {"ask_back", 0.5}, {"answer_stance", stance}}
	case t.claim != "":
		return []weighted{{claim, 8}, {"answer_stance", stance}, {"brief_ask", 0.5}}
	}
	return []weighted{{"go_on", 8}, {"answer_stance", stance}}
}

// differs tells whether the persona disagrees with the target: because its
// stance says so, else by its temper; about one claim it is always of the same
// mind.
func (d *draft) differs() bool {
	v := d.view
	t := v.target
	if t.fact != nil && t.fact.image {
		return false
	}
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
	used := map[string]int{}
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
		used[rule]++
		longer := join(text, capitalise(next))
		if len(sentenceEnds(longer)) > lim.sentences || len([]rune(longer)) > lim.chars {
			d.taken = d.taken[:mark]
			continue
		}
		text = longer
	}
	return text
}

// reasons are how many a line has at most: where no file knows the field, they are few.
func (v *view) reasons() int {
	if v.family == v.lang.generic {
		return 2
	}
	return 4
}

// usualWords is how long a sentence is, about.
const usualWords = 10

// addition is one more sentence. Questions to the others come last, and only
// one of them.
func (d *draft) addition(last, asked bool, used map[string]int) (string, string) {
	rules := []weighted{{"add_more", 9}, {"add_lean", 9}}
	if used["add_more"] > 0 && len(d.view.stances) == 0 {
		rules = append(rules, weighted{"concede", 2})
	}
	switch {
	case d.view.narrator:
		rules = []weighted{{"next_scene", 1}}
		if last && d.told() {
			rules = []weighted{{"add_scene", 1}}
		}
	case d.view.playing():
		rules = []weighted{{"add_phrase", 1}}
	case asked:
		// Who asks may answer, and then listens.
		rules = []weighted{{"add_lean", 1}}
	case last && len(d.taken) > 0 && d.view.length != script.Short:
		rules = append(rules, weighted{"close_other", 1.5})
	case !last && used["add_more"] > 1 && d.view.family != d.view.lang.generic:
		rules = append(rules, weighted{"add_point", 2.5})
	}
	open := slices.DeleteFunc(rules, func(r weighted) bool { return !d.mayAdd(r.rule, used) })
	for len(open) > 0 {
		i := d.pick(open)
		if s, ok := d.expand(open[i].rule, 0); ok {
			return open[i].rule, s
		}
		open = append(open[:i], open[i+1:]...)
	}
	return "", ""
}

// mayAdd tells whether a rule may add a sentence: more reasons for each point are fine, a
// second flourish is not, and a counter-argument ends a point.
func (d *draft) mayAdd(rule string, used map[string]int) bool {
	points := 1 + used["add_point"]
	switch rule {
	case "add_point":
		return true
	case "add_more":
		return used["concede"] < points && used[rule] < d.view.reasons()*points
	}
	return used[rule] == 0
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
