package offline

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/nature"
)

// intent is something that people want from a bot, and how it answers.
type intent struct {
	Rule string              `yaml:"rule"`
	Ask  []string            `yaml:"ask"` // parts of a normalised text; ^ is its beginning, * any words
	Say  map[string][]string `yaml:"say"`
}

// Rules of answers.yaml that are chosen by more than the words of a text. Each may
// be filled or not; the last always can.
const (
	ruleSum     = "reckon"
	ruleOwn     = "own_fact"
	ruleForeign = "foreign"
	ruleOpinion = "no_opinion"
)

// maxAsked is how many words a text has at most that is searched for an intent.
const maxAsked = 40

// understand settles by which rules a message is answered that the topic files don't
// know. Among bots only a question about what they are is one.
func (v *view) understand(t *target, seed uint64) {
	tag := v.lang.tag
	if t.honest = nature.Answer(t.text, tag, seed); t.honest != "" {
		if t.rules = []string{"disclose"}; v.lang.wants(t) == "who" {
			t.rules = []string{"who", "disclose"}
		}
		return
	}
	if v.lang.lexicon.aboutBot.MatchString(t.text) {
		t.rules = []string{"disclose_open"}
		return
	}
	if t.bot {
		return
	}
	if t.sum = v.lang.sum(t.text); t.sum != "" {
		t.rules = []string{ruleSum}
		return
	}
	if rule := v.lang.wants(t); rule != "" {
		t.rules = []string{rule, rule + "_again"}
	}
	if len(t.rules) == 0 || t.rules[0] == "past" {
		v.search(t)
	}
}

// search looks for an answer in what the persona is and thinks.
func (v *view) search(t *target) {
	asked := t.act == questions
	switch {
	case asked && v.addresses(t) && v.ownOf(t) != "" && (t.kind != "opinion" || len(t.rules) > 0):
		t.rules = append([]string{ruleOwn}, t.rules...)
	case len(t.rules) > 0:
	case v.lang.foreign(t.text):
		t.rules = []string{ruleForeign, ruleForeign + "_again"}
	case asked && t.kind == "opinion":
		if len(v.stancesOn(t)) > 0 {
			t.rules = []string{"answer_stance"}
		} else if t.word == "" {
			t.rules = []string{ruleOpinion}
		}
	case asked && t.word == "" && slices.ContainsFunc(v.interests, func(s string) bool { return v.speaks(t.stems, s) }):
		t.rules = []string{"after_ask_interest"}
	case asked && t.word == "" && (v.narrator || t.quoted != "" || !v.onTopic(t.stems)):
		t.rules = v.unknown(t)
	}
}

// addresses reports whether a message speaks to the persona of itself.
func (v *view) addresses(t *target) bool {
	return slices.ContainsFunc(strings.Fields(t.normal), func(w string) bool { return slices.Contains(v.lang.lexicon.You, w) })
}

// grave reports whether the answer is to grief or blame: no smile goes with it.
func (v *view) grave() bool {
	t := v.target
	return t != nil && len(t.rules) > 0 && (t.rules[0] == "grief" || t.rules[0] == "blame")
}

// wants is the rule of the intent that a message has, or "".
func (l *language) wants(t *target) string {
	if t.length > maxAsked {
		return ""
	}
	padded := " ^ " + t.normal + " $ "
	for _, i := range l.intents {
		if slices.ContainsFunc(i.Ask, func(p string) bool { return hasParts(padded, p) }) {
			return i.Rule
		}
	}
	return ""
}

func (v *view) stancesOn(t *target) []script.Stance {
	var on []script.Stance
	for _, s := range v.allStances {
		n := overlap(t.stems, v.lang.contentStems(bounded(s.Text, 300)))
		if overlap(t.stems, v.lang.contentStems(s.Topic)) > 0 || n > 1 || n > 0 && !t.bot {
			on = append(on, s)
		}
	}
	return on
}

// unknown is how to answer what nobody here can know: each person is told once how
// to plug in a model.
func (v *view) unknown(t *target) []string {
	for i, l := range v.lines {
		if strings.Contains(l.text, v.lang.lexicon.Marker) &&
			(t.name != "" && strings.Contains(l.text, t.name) || i > 0 && v.lines[i-1].name == t.name) {
			return []string{"unknown_again", "answer_last"}
		}
	}
	return []string{"unknown", "unknown_nameless", "unknown_again"}
}

func hasParts(text, pattern string) bool {
	for part := range strings.SplitSeq(pattern, "*") {
		part = " " + strings.TrimSpace(part) + " "
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part)-1:]
	}
	return true
}

// sentences are those of a text of the cast's, each as a clause.
func (l *language) sentences(text string) []string {
	var all []string
	s, from := oneLine(bounded(text, maxText)), 0
	for _, end := range append(sentenceEnds(s), len(s)) {
		if c := l.clause(s[from:end]); c != "" {
			all = append(all, c)
		}
		from = end
	}
	return all
}

// ownOf is what of the persona's own facts and memories speaks of what a message
// asks, or "".
func (v *view) ownOf(t *target) string {
	best, most := "", 0
	for _, s := range append(v.lang.sentences(v.persona.Summary), phrases(append(slices.Clone(v.memories), v.holdings...), 200)...) {
		if n := overlap(v.lang.contentStems(s), t.stems); n > most {
			best, most = s, n
		}
	}
	return best
}

// sums finds two numbers and what to do with them.
var sums = regexp.MustCompile(`(?i)` + number +
	`\s*(\+|-|−|–|\*|x|×|·|/|:|÷|plus|minus|times|mal|multiplied by|over|divided by|geteilt durch|durch)\s*` + number)

const number = `(-?\d{1,9}(?:[.,]\d{1,4})?)`

// sum reckons what a text asks for, as an equation; "" if it asks for nothing.
func (l *language) sum(text string) string {
	text = " " + strings.ToLower(strings.TrimRight(text, "?!. ")) + " "
	for i, w := range l.lexicon.Numbers {
		text = strings.ReplaceAll(text, " "+w+" ", " "+strconv.Itoa(i)+" ")
	}
	m := sums.FindStringSubmatch(text)
	if m == nil || strings.Count(text, ":") > 0 && m[2] == ":" && !strings.Contains(text, " : ") {
		return ""
	}
	a, errA := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", "."), 64)
	b, errB := strconv.ParseFloat(strings.ReplaceAll(m[3], ",", "."), 64)
	if errA != nil || errB != nil {
		return ""
	}
	var result float64
	sign := strings.ToLower(m[2])
	switch sign {
	case "+", "plus":
		sign, result = "+", a+b
	case "-", "−", "–", "minus":
		sign, result = "−", a-b
	case "*", "x", "×", "·", "times", "mal", "multiplied by":
		sign, result = "×", a*b
	default:
		if b == 0 {
			return ""
		}
		sign, result = "÷", a/b
	}
	return fmt.Sprintf("%s %s %s = %s", m[1], sign, m[3], strconv.FormatFloat(result, 'f', -1, 64))
}

// foreign tells whether a text is in a language that no line is written in: it has
// letters of another script, or small words of others and none of this one.
func (l *language) foreign(text string) bool {
	n := 0
	for _, w := range words(text) {
		if l.stop[w] {
			return false
		}
		if slices.Contains(l.lexicon.Foreign, w) || runeAt(w, 0) > 0x17f {
			n++
		}
	}
	return n > 0
}

// of is the language that a scene is answered in: that of the person who is
// answered, where its small words tell, else the chat's.
func (l languages) of(s script.Scene) *language {
	chat := l.match(s.Language)
	if s.Answering == nil || s.Answering.FromBot {
		return chat
	}
	said := words(bounded(s.Answering.Text, maxText))
	best, most := chat, chat.functionWords(said)
	for _, other := range l {
		if n := other.functionWords(said); n > most {
			best, most = other, n
		}
	}
	return best
}

func (l *language) functionWords(of []string) int {
	n := 0
	for _, w := range of {
		if l.stop[w] {
			n++
		}
	}
	return n
}

// isForeign tells whether the cast's texts are in another language.
func (l *language) isForeign(s script.Scene) bool {
	all := []string{s.Persona.Summary, s.Purpose}
	for _, st := range s.Stances {
		all = append(all, st.Text)
	}
	said := words(bounded(strings.Join(all, " "), maxText))
	own := l.functionWords(said)
	for _, other := range l.all {
		if other.functionWords(said) > own {
			return true
		}
	}
	return false
}
