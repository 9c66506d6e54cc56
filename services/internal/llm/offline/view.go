package offline

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/voice"
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
	setting

	persona    script.Persona
	self       string
	stances    []script.Stance // those on the topic
	allStances []script.Stance
	memories   []string
	purpose    string
	target     *target // nil opens a new thread
	lines      []line
	length     script.Length
	want       int // about how many words are to be said
	disclaimer string
	narrator   bool
	contrary   float64
	speaker    speaker

	said      string            // all lines, normalised, for looking up what was said
	runs      set               // of all lines
	sentences set               // of all lines
	known     map[string]bool   // whether said has a text, looked up once
	worn      map[uint64]bool   // whether a frame was used lately
	given     map[string]string // how to address those who wrote the lines
}

// line is one message of the history.
type line struct {
	*reading

	name string
	own  bool
}

func (l *language) look(s script.Scene) *view {
	v := &view{
		setting:    *l.setting(s),
		self:       oneLine(s.Persona.Name),
		length:     s.Length,
		disclaimer: oneLine(bounded(s.Disclaimer, 300)),
		known:      map[string]bool{},
		worn:       map[uint64]bool{},
		runs:       make(set, 256),
		sentences:  make(set, 512),
		given:      map[string]string{},
	}
	if _, ok := limits[v.length]; !ok {
		v.length = script.Medium
	}
	s.Persona.Voice = voice.Of(s.Persona.Voice, s.Persona.Tone, s.Persona.Energy, s.Persona.Name)
	v.want = s.Words()
	if v.foreign {
		s.Persona.Voice.Openers = nil
		s.Persona = script.Persona{ID: s.Persona.ID, Name: s.Persona.Name, Tone: s.Persona.Tone, Energy: s.Persona.Energy, Voice: s.Persona.Voice}
		s.Stances, s.Memories, s.Purpose = nil, nil, ""
	}
	v.persona, v.allStances, v.memories, v.purpose = s.Persona, s.Stances, s.Memories, bounded(s.Purpose, maxText)
	v.tell(phrases(s.Memories, 200))
	v.listen(s)
	v.speak(s)
	return v
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
	v.speaker = speaker{voice: voice.Character(s.Persona.Tone, s.Persona.Name), habits: hash(v.self)}
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
}

// playing reports whether the scene is the answer to one told by a narrator.
func (v *view) playing() bool {
	return v.target != nil && v.target.fact != nil && v.target.fact.scene != nil
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
