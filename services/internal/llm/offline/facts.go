package offline

import "strings"

// fact is one thing that the topic files say, so that it is recognised when a
// line carries it.
type fact struct {
	clause

	topic    *topic    // nil of what the cast has
	point    *point    // of which it is a part, or nil
	question *question // of which it is a part, or nil
	scene    *scene    // of which it is a part, or nil
	alone    bool      // a reason that may be said first
	side     side
}

// UnmarshalYAML reads a clause.
func (f *fact) UnmarshalYAML(read func(any) error) error {
	err := read(&f.text)
	f.text, f.alone = strings.CutPrefix(f.text, "+")
	return err
}

// facts are those that the cast has.
func (l *language) facts(texts ...string) []*fact {
	all := make([]*fact, len(texts))
	for i, text := range texts {
		all[i] = &fact{clause: l.clauseOf(text)}
	}
	return all
}

// side is what a fact does in its point, question or scene.
type side int

const (
	says side = iota
	supports
	objects
	asks
	answers
	shows // an image
	happens
	acts
	follows
)

// index prepares a family for look-ups.
func (l *language) index(f *family) {
	f.General.Title = f.Title
	for _, t := range append([]*topic{&f.General}, f.Topics...) {
		t.keyStems = map[string]keyword{}
		for _, k := range t.Keywords {
			stems := l.contentStems(k)
			for _, stem := range stems {
				t.keyStems[stem] = keyword{k, stems}
			}
		}
		t.names = l.contentStems(strings.Join(append(t.Names, t.Title), " "))
		l.indexFacts(t)
		for _, all := range t.starts {
			for _, f := range all {
				l.learn(f.text)
			}
		}
	}
	for _, all := range [][]string{f.Recognise, f.Hints} {
		for i, w := range all {
			all[i] = " " + normal(w) + " "
		}
	}
}

// learn notes the words that a clause has in lower case.
func (l *language) learn(clause string) {
	for w := range strings.FieldsSeq(clause) {
		if w = strings.Trim(w, ".,!?;"); w == strings.ToLower(w) {
			l.common[w] = true
		}
	}
}

// about is a general topic that speaks of one title: where its clauses name
// {topic}, the copy names the title.
func (l *language) about(t *topic, title string) *topic {
	if c, ok := l.titled.GetIfPresent(title); ok {
		return c
	}
	fill := func(f *fact) *fact {
		return &fact{clause: clause{text: strings.ReplaceAll(f.text, "{topic}", title)}, alone: f.alone}
	}
	fillAll := func(all []*fact) []*fact {
		filled := make([]*fact, 0, len(all))
		for _, f := range all {
			filled = append(filled, fill(f))
		}
		return filled
	}
	c := &topic{Title: title, titled: true, Keywords: t.Keywords, keyStems: t.keyStems, names: t.names, Images: fillAll(t.Images)}
	for _, p := range t.Points {
		c.Points = append(c.Points, point{Say: fill(p.Say), And: fillAll(p.And), But: fillAll(p.But)})
	}
	for _, q := range t.Questions {
		c.Questions = append(c.Questions, question{Ask: fill(q.Ask), Answers: fillAll(q.Answers)})
	}
	l.indexFacts(c)
	l.titled.Set(title, c)
	return c
}

func (l *language) indexFacts(t *topic) {
	t.starts = map[string][]*fact{}
	add := func(as fact, all ...*fact) []*fact {
		for _, f := range all {
			f.clause = l.clauseOf(f.text)
			if t.titled { // whatever its title, the same is not said twice
				piece := ""
				for p := range strings.SplitSeq(f.text, t.Title) {
					if len(p) > len(piece) {
						piece = p
					}
				}
				if c := l.clauseOf(piece); len(c.runs) > 0 {
					f.normal, f.runs = c.normal, c.runs
				}
			}
			f.topic, f.point, f.question, f.scene, f.side = t, as.point, as.question, as.scene, as.side
			if f.alone || as.side == says && as.point != nil {
				t.claims = append(t.claims, f)
			}
			first, _, _ := strings.Cut(f.normal, " ")
			t.starts[first] = append(t.starts[first], f)
		}
		return all
	}
	for i := range t.Points {
		p := &t.Points[i]
		add(fact{point: p, side: says}, p.Say)
		add(fact{point: p, side: supports}, p.And...)
		add(fact{point: p, side: objects}, p.But...)
	}
	for i := range t.Questions {
		q := &t.Questions[i]
		t.asked = append(t.asked, add(fact{question: q, side: asks}, q.Ask)...)
		add(fact{question: q, side: answers}, q.Answers...)
	}
	add(fact{side: shows}, t.Images...)
	for i := range t.Scenes {
		s := &t.Scenes[i]
		t.told = append(t.told, add(fact{scene: s, side: happens}, s.Say)...)
		add(fact{scene: s, side: acts}, s.Do...)
		add(fact{scene: s, side: follows}, s.Then...)
	}
}

// recognise returns what a line says that the topic files know, or nil. Where
// it says several such things the last one counts: that is what a reader
// answers, and a question stands last.
func (f *family) recognise(first *topic, text string) *fact {
	if found := first.recognise(text); found != nil {
		return found
	}
	for _, t := range f.Topics {
		if t == first {
			continue
		}
		if found := t.recognise(text); found != nil {
			return found
		}
	}
	return f.General.recognise(text)
}

func (t *topic) recognise(text string) *fact {
	for end := len(text); end > 0; {
		at := strings.LastIndexByte(text[:end], ' ') + 1
		for _, f := range t.starts[text[at:end]] {
			if strings.HasPrefix(text[at:], f.normal) {
				return f
			}
		}
		end = at - 1
	}
	return nil
}

// Points by which a family is recognised, and what it takes.
const (
	recognised = 2
	hinted     = 1
	enough     = 2
)

// find chooses the family and topic of a scene. A family is recognised by the
// words of topic, purpose and persona. A topic's title alone doesn't make its
// family where the chat's purpose points elsewhere: "the map" is no dungeon's
// in a hiking club.
func (l *language) find(title, purpose, about string) (*family, *topic) {
	stems := l.contentStems(title)
	said := " " + normal(strings.Join([]string{title, purpose, about}, " ")) + " "
	best, bestTopic, bestScore := l.generic, &l.generic.General, enough-1
	for _, f := range l.families {
		score := count(said, f.Recognise)*recognised + count(said, f.Hints)*hinted
		t := f.named(stems)
		if t != nil && (score > 0 || purpose == "") {
			score += recognised
		}
		if score > bestScore {
			best, bestTopic, bestScore = f, t, score
		}
	}
	if bestTopic == nil {
		bestTopic = &best.General
	}
	return best, bestTopic
}

func count(said string, of []string) int {
	n := 0
	for _, w := range of {
		if strings.Contains(said, w) {
			n++
		}
	}
	return n
}

// named returns the topic that shares most words with a title, or nil.
func (f *family) named(stems []string) *topic {
	var best *topic
	most := 0
	for _, t := range f.Topics {
		if n := overlap(t.names, stems); n > most {
			best, most = t, n
		}
	}
	return best
}
