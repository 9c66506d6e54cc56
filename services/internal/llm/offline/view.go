package offline

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// What of a scene is read: Telegram's longest message, and the lines within
// which nothing may be repeated.
const (
	maxText     = 4096
	maxHistory  = 250
	recentLines = 10
	usual       = 120 // how long a line is, about
)

// view is a scene as the composer sees it: cleaned, bounded and looked up.
type view struct {
	lang       *language
	family     *family
	topic      *topic // what is talked about, as far as the files know it
	general    *topic // what else is known of the field
	title      string // {topic}
	persona    script.Persona
	self       string
	stances    []script.Stance // those on the topic
	allStances []script.Stance
	holdings   []string
	memories   []string
	purpose    string
	target     *target // nil opens a new thread
	lines      []line
	length     script.Length
	disclaimer string
	narrator   bool
	contrary   float64
	speaker    speaker

	said       string            // all lines, normalised, for looking up what was said
	runs       set               // of all lines
	sentences  set               // of all lines
	known      map[string]bool   // whether said has a text, looked up once
	given      map[string]string // how to address those who wrote the lines
	things     []string          // what the persona and the chat speak of, as noun phrases
	titleStems []string
}

// line is one message of the history.
type line struct {
	*reading

	name string
	own  bool
}

func (l *language) look(s script.Scene) *view {
	v := &view{
		lang:       l,
		persona:    s.Persona,
		allStances: s.Stances,
		memories:   s.Memories,
		purpose:    bounded(s.Purpose, maxText),
		self:       oneLine(s.Persona.Name),
		title:      l.clause(bounded(s.Topic, 80)),
		length:     s.Length,
		disclaimer: oneLine(bounded(s.Disclaimer, 300)),
		known:      map[string]bool{},
		runs:       make(set, 256),
		sentences:  make(set, 512),
		given:      map[string]string{},
	}
	if _, ok := limits[v.length]; !ok {
		v.length = script.Medium
	}
	about := strings.Join(append(slices.Clone(s.Persona.Interests), s.Persona.Summary), " ")
	v.family, v.topic = l.find(v.title, bounded(s.Purpose, maxText), bounded(about, maxText))
	v.name()
	v.listen(s)
	v.speak(s)
	v.gather()
	return v
}

// name settles what the topic is called: as the files write it where they know
// it, else as the scene does.
func (v *view) name() {
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

// move goes on to another topic of the family.
func (v *view) move(t *topic) {
	v.topic, v.title, v.titleStems, v.general = t, t.Title, t.names, &v.family.General
}

// listen reads the history and the message that is answered.
func (v *view) listen(s script.Scene) {
	history := s.History
	if len(history) > maxHistory {
		history = history[len(history)-maxHistory:]
	}
	var said strings.Builder
	hear := func(r *reading) {
		said.WriteString(r.normal)
		said.WriteByte('\n')
		v.runs.add(r.runs)
		v.sentences.add(r.sentences)
	}
	said.Grow(usual * len(history))
	v.lines = make([]line, len(history))
	for i, h := range history {
		if _, known := v.given[h.Author]; !known {
			v.given[h.Author] = v.lang.givenName(h.Author)
		}
		own := h.Author == s.Persona.Name && h.Bot == s.Persona.ID
		v.lines[i] = line{v.lang.read(h.Text, v.disclaimer), v.given[h.Author], own}
		hear(v.lines[i].reading)
	}
	if s.Answering != nil {
		v.target = v.read(*s.Answering, s.Seed)
		hear(v.target.reading) // which need not be in the history
	}
	v.said = said.String()
}

// speak settles who speaks, and how.
func (v *view) speak(s script.Scene) {
	x := v.lang.lexicon
	v.speaker = speaker{voice: v.lang.voice(s.Persona), habits: hash(v.self)}
	v.contrary = x.Voices[v.speaker.voice].Contrary
	// Only who has scenes to tell is a narrator: a reader may love narrators.
	if len(v.topic.Scenes)+len(v.general.Scenes) > 0 {
		role := normal(bounded(s.Persona.Name+" "+s.Persona.Summary, maxText))
		v.narrator = slices.ContainsFunc(x.Narrators, func(w string) bool { return strings.Contains(role, w) })
	}
	for _, st := range s.Stances {
		if v.onTopic(v.lang.contentStems(st.Topic)) {
			v.stances = append(v.stances, st)
		}
	}
	for _, h := range s.Holdings {
		if h = counted.ReplaceAllString(oneLine(bounded(h, 120)), ""); h != "" {
			v.holdings = append(v.holdings, h)
		}
	}
}

// counted is the number before a holding.
var counted = regexp.MustCompile(`^[\d.,]+ x `)

// gather collects what the persona and the chat speak of: interests, holdings,
// subjects of stances, and nouns of the last lines.
func (v *view) gather() {
	add := func(s string) {
		s = strings.TrimSpace(strings.TrimRight(oneLine(bounded(s, 60)), ".!?…"))
		if s != "" && !strings.EqualFold(s, v.title) {
			v.things = with(v.things, s)
		}
	}
	for _, i := range v.persona.Interests {
		add(i)
	}
	for _, h := range v.holdings {
		if h, _, _ = strings.Cut(h, " ("); v.lang.lexicon.My != "" {
			add(v.lang.lexicon.My + h)
		}
	}
	for _, s := range v.allStances {
		add(s.Topic)
	}
	names := v.names("")
	for _, l := range v.lines[max(0, len(v.lines)-recentLines):] {
		known := func(s string) bool { return strings.Contains(s, l.noun) }
		if l.noun != "" && !names[strings.ToLower(l.noun)] && !slices.ContainsFunc(v.things, known) {
			add(v.lang.lexicon.The + l.noun)
		}
	}
}

// playing reports whether the scene is the answer to one told by a narrator.
func (v *view) playing() bool {
	return v.target != nil && v.target.fact != nil && v.target.fact.scene != nil
}

// onTopic reports whether any of the stems is one of the topic's names.
func (v *view) onTopic(stems []string) bool {
	return overlap(stems, v.titleStems)+overlap(stems, v.topic.names) > 0
}

// voice chooses a voice by the persona's tone, else by its name.
func (l *language) voice(p script.Persona) string {
	tones := words(p.Tone)
	for _, t := range tones {
		for _, name := range l.voices {
			if t == name || slices.Contains(l.lexicon.Voices[name].Tones, t) {
				return name
			}
		}
	}
	return l.voices[mix(hash(p.Name))%uint64(len(l.voices))]
}

// bounded cuts a text to n runes.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if len(s) > n*utf8.UTFMax {
		s = s[:n*utf8.UTFMax]
	}
	runes := []rune(s)
	if len(runes) > n {
		runes = runes[:n]
	}
	return string(runes)
}

// overlap is how many of a are in b.
func overlap(a, b []string) int {
	n := 0
	for _, s := range a {
		if slices.Contains(b, s) {
			n++
		}
	}
	return n
}
