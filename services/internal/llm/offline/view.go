package offline

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// What of a scene is read: Telegram's longest message, and the lines within
// which nothing may be repeated.
const (
	maxText     = 4096
	maxHistory  = 400
	recentLines = 10
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
	holdings   []string
	target     *target // nil opens a new thread
	lines      []line
	length     script.Length
	disclaimer string
	narrator   bool
	contrary   float64
	speaker    speaker

	said     string           // all lines, normalised, for looking up what was said
	heard    map[string]int   // where in said a text stands last, looked up once
	wordIn   map[string][]int // word → the lines that have it
	shingles map[uint64]bool
	openings map[string]bool
}

// line is one message of the history.
type line struct {
	name     string
	own      bool
	text     string
	normal   string
	distinct int // words
}

func (l *language) look(s script.Scene) *view {
	v := &view{
		lang:       l,
		persona:    s.Persona,
		self:       oneLine(s.Persona.Name),
		title:      l.clause(bounded(s.Topic, 80)),
		length:     s.Length,
		disclaimer: oneLine(bounded(s.Disclaimer, 300)),
		heard:      map[string]int{},
		wordIn:     map[string][]int{},
		shingles:   map[uint64]bool{},
		openings:   map[string]bool{},
	}
	if _, ok := limits[v.length]; !ok {
		v.length = script.Medium
	}
	about := strings.Join(append(slices.Clone(s.Persona.Interests), s.Persona.Summary), " ")
	v.family, v.topic = l.find(v.title, bounded(s.Purpose, maxText), bounded(about, maxText))
	v.name()
	v.listen(s)
	v.speak(s)
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
		v.topic, v.general = general.about(v.title), &topic{}
	default:
		if v.title == "" {
			v.title = general.Title
		}
		v.general = &topic{}
	}
}

// heardAt is where in all that was said a text stands last, or -1.
func (v *view) heardAt(normal string) int {
	at, ok := v.heard[normal]
	if !ok {
		at = strings.LastIndex(v.said, normal)
		v.heard[normal] = at
	}
	return at
}

// listen reads the history and the message that is answered.
func (v *view) listen(s script.Scene) {
	history := s.History
	if len(history) > maxHistory {
		history = history[len(history)-maxHistory:]
	}
	var said strings.Builder
	for i, h := range history {
		text := v.undisclaimed(h.Text)
		n := line{name: v.lang.givenName(h.Author), own: h.Author == s.Persona.Name && h.Bot == s.Persona.ID, text: text, normal: normal(text)}
		has := distinct(n.normal)
		n.distinct = len(has)
		for w := range has {
			v.wordIn[w] = append(v.wordIn[w], i)
		}
		v.lines = append(v.lines, n)
		said.WriteString(n.normal)
		said.WriteByte('\n')
		for _, g := range shingle(n.normal) {
			v.shingles[g] = true
		}
		if n.own || len(history)-i <= recentLines {
			v.openings[opening(n.normal)] = true
		}
	}
	if s.Answering != nil {
		v.target = v.read(*s.Answering)
		// What is answered need not be in the history.
		said.WriteString(v.target.normal)
	}
	v.said = said.String()
}

// undisclaimed is a message without the disclaimer, which is nobody's talk.
func (v *view) undisclaimed(text string) string {
	text = oneLine(bounded(text, maxText))
	if v.disclaimer == "" {
		return text
	}
	return strings.TrimSpace(strings.TrimSuffix(text, v.disclaimer))
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
		if overlap(v.lang.contentStems(st.Topic), v.topicStems()) > 0 {
			v.stances = append(v.stances, st)
		}
	}
	for _, h := range s.Holdings {
		if h = strings.TrimPrefix(oneLine(bounded(h, 60)), "1 x "); h != "" {
			v.holdings = append(v.holdings, h)
		}
	}
}

// playing reports whether the scene is the answer to one told by a narrator.
func (v *view) playing() bool {
	return v.target != nil && v.target.fact != nil && v.target.fact.scene != nil
}

func (v *view) topicStems() map[string]bool {
	stems := v.lang.contentStems(v.title)
	for s := range v.topic.names {
		stems[s] = true
	}
	return stems
}

// voice chooses a voice by the persona's tone, else by its name.
func (l *language) voice(p script.Persona) string {
	tones := words(p.Tone)
	names := make([]string, 0, len(l.lexicon.Voices))
	for name := range l.lexicon.Voices {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, t := range tones {
		for _, name := range names {
			if t == name || slices.Contains(l.lexicon.Voices[name].Tones, t) {
				return name
			}
		}
	}
	return names[mix(hash(p.Name))%uint64(len(names))]
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

func overlap(a, b map[string]bool) int {
	n := 0
	for s := range a {
		if b[s] {
			n++
		}
	}
	return n
}
