package offline

import "strings"

// fact is one thing that the topic files say, so that it is recognised when a
// line carries it.
type fact struct {
	clause

	topic    *topic
	point    *point    // of which it is a part, or nil
	question *question // of which it is a part, or nil
	scene    *scene    // of which it is a part, or nil
	image    bool
	side     side
}

// side is what a fact does in its point, question or scene.
type side int

const (
	says side = iota
	supports
	objects
	asks
	answers
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
		for _, f := range t.facts {
			l.learn(f.text)
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
	fill := func(s string) string { return strings.ReplaceAll(s, "{topic}", title) }
	fillAll := func(all []string) []string {
		filled := make([]string, 0, len(all))
		for _, s := range all {
			filled = append(filled, fill(s))
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
	t.texts, t.normals, t.starts = map[string]*fact{}, map[string]*fact{}, map[string][]*fact{}
	add := func(text string, f fact) {
		f.clause, f.topic = l.clauseOf(text), t
		if t.titled { // whatever its title, the same is not said twice
			piece := ""
			for p := range strings.SplitSeq(text, t.Title) {
				if len(p) > len(piece) {
					piece = p
				}
			}
			if c := l.clauseOf(piece); len(c.runs) > 0 {
				f.normal, f.runs = c.normal, c.runs
			}
		}
		t.facts = append(t.facts, &f)
		t.texts[text] = &f
		if t.normals[f.normal] == nil {
			t.normals[f.normal] = &f
		}
		first, _, _ := strings.Cut(f.normal, " ")
		t.starts[first] = append(t.starts[first], &f)
	}
	for i := range t.Points {
		p := &t.Points[i]
		add(p.Say, fact{point: p, side: says})
		for _, s := range p.And {
			add(s, fact{point: p, side: supports})
		}
		for _, s := range p.But {
			add(s, fact{point: p, side: objects})
		}
	}
	for i := range t.Questions {
		q := &t.Questions[i]
		add(q.Ask, fact{question: q, side: asks})
		for _, s := range q.Answers {
			add(s, fact{question: q, side: answers})
		}
	}
	for _, s := range t.Images {
		add(s, fact{image: true})
	}
	for i := range t.Scenes {
		s := &t.Scenes[i]
		add(s.Say, fact{scene: s, side: happens})
		for _, do := range s.Do {
			add(do, fact{scene: s, side: acts})
		}
		for _, then := range s.Then {
			add(then, fact{scene: s, side: follows})
		}
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
