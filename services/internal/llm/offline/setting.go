package offline

import (
	"regexp"
	"slices"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// setting is what many scenes have in common: what is talked about, and what the persona
// and the chat speak of.
type setting struct {
	lang       *language
	family     *family
	topic      *topic // what is talked about, as far as the files know it
	general    *topic // what else is known of the field
	title      string // {topic}
	titleStems []string
	heading    string // the topic as the scene has it, in whatever language
	foreign    bool   // the cast file is in another language: nothing of it is quoted

	holdings   []string
	interests  []string
	belongings []string // holdings as noun phrases: "my axe"
	subjects   []string // what else the chat speaks of
	things     []string // all of these, none of known number
	facts      []string // what is known of the persona, as it says it itself
	cards      []string // the same, as others say it
	role       string   // what the persona is, as a noun phrase
}

// setting is that of a scene. It is shared: whoever changes a list of it changes a copy.
func (l *language) setting(s script.Scene) *setting {
	key := settingKey(s)
	if known, ok := l.settings.GetIfPresent(key); ok {
		return known
	}
	v := &setting{lang: l, heading: l.clause(bounded(s.Topic, 80))}
	if v.foreign = l.isForeign(s); v.foreign {
		s = script.Scene{}
	}
	v.title = l.clause(bounded(s.Topic, 80))
	about := strings.Join(append(slices.Clone(s.Persona.Interests), s.Persona.Summary), " ")
	v.family, v.topic = l.find(v.title, bounded(s.Purpose, maxText), bounded(about, maxText))
	v.name()
	v.gather(s)
	l.settings.Set(key, v)
	return v
}

// settingKey is all of a scene that its setting is made of.
func settingKey(s script.Scene) string {
	var b strings.Builder
	add := func(all ...string) {
		for _, text := range all {
			b.WriteString(text)
			b.WriteByte(0)
		}
		b.WriteByte(1)
	}
	add(s.Topic, s.Purpose, s.Persona.Summary)
	add(s.Persona.Interests...)
	add(s.Holdings...)
	add(s.Topics...)
	for _, stance := range s.Stances {
		add(stance.Topic, stance.Text)
	}
	return b.String()
}

// name settles what the topic is called: as the files write it where they know
// it, else as the scene does.
func (v *setting) name() {
	general := &v.family.General
	switch {
	case v.topic != general:
		v.title, v.general = v.topic.Title, general
	case v.family == v.lang.generic:
		if v.title == "" {
			v.title = general.Title
		}
		v.topic, v.general = v.lang.about(general, v.title), &topic{}
	default:
		if v.title == "" {
			v.title = general.Title
		}
		v.general = &topic{}
	}
	v.titleStems = v.lang.contentStems(v.title)
}

// counted is the number before a holding.
var counted = regexp.MustCompile(`^[\d.,]+ x `)

// maxRole is how long a role is at most that stands within a sentence.
const maxRole = 90

// gather collects what the persona and the chat speak of.
func (v *setting) gather(s script.Scene) {
	for _, h := range s.Holdings {
		if h = counted.ReplaceAllString(oneLine(bounded(h, 120)), ""); h == "" {
			continue
		}
		v.holdings = append(v.holdings, h)
		h, _, _ = strings.Cut(h, " (")
		if v.lang.lexicon.My != "" && !strings.Contains(h, "'s ") && len(h) <= 60 {
			v.belongings = append(v.belongings, v.lang.lexicon.My+h)
		}
	}
	v.interests = phrases(s.Persona.Interests, 60)
	for _, t := range phrases(s.Topics, 60) {
		v.subjects = with(v.subjects, t)
	}
	for _, st := range s.Stances {
		v.subjects = with(v.subjects, strings.TrimSpace(oneLine(bounded(st.Topic, 60))))
	}
	v.subjects = slices.DeleteFunc(v.subjects, func(t string) bool { return t == "" || v.onTopic(v.lang.contentStems(t)) })
	v.things = slices.Concat(v.interests, v.belongings, v.subjects)
	summary := v.lang.sentences(s.Persona.Summary)
	if len(summary) > 0 && begins(normal(summary[0]), v.lang.lexicon.Articles) {
		if len(summary[0]) <= maxRole {
			v.role = summary[0]
		}
		summary = summary[1:]
	}
	v.tell(summary)
}

// tell adds sentences to what is known of the persona.
func (v *setting) tell(sentences []string) {
	v.facts, v.cards = slices.Clip(v.facts), slices.Clip(v.cards) // they may be shared
	for _, f := range sentences {
		if own := v.lang.inFirstPerson(f); own != "" {
			v.facts = append(v.facts, v.lang.clause(own))
		} else {
			v.cards = append(v.cards, f)
		}
	}
}

// onTopic reports whether any of the stems is one of the topic's names.
func (v *setting) onTopic(stems []string) bool {
	return overlap(stems, v.titleStems)+overlap(stems, v.topic.names) > 0
}
