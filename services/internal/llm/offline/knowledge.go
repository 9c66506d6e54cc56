package offline

import (
	"slices"
	"strings"
)

// sure is the confidence from which a stance is put forward without doubt.
const sure = 0.7

// sequel is what may follow on the last known text of this draft: more of the
// same side of a claim ("more"), or an answer to one's own question ("lean").
func (d *draft) sequel(slot string) []string {
	if len(d.taken) == 0 {
		return nil
	}
	f := d.view.factOf(d.taken[len(d.taken)-1])
	switch {
	case f == nil:
		return nil
	case slot == "lean" && f.side == asks:
		return slices.Clone(f.question.Answers)
	case slot == "yet" && f.point != nil && f.side != objects:
		return slices.Clone(f.point.But)
	case slot == "more" && f.side == objects:
		return slices.Clone(f.point.But)
	case slot == "more" && f.point != nil:
		return slices.Clone(f.point.And)
	}
	return nil
}

// told reports whether this draft has just told a scene.
func (d *draft) told() bool {
	if len(d.taken) == 0 {
		return false
	}
	last := d.taken[len(d.taken)-1]
	for _, t := range d.view.family.Topics {
		if f := t.normals[last]; f != nil {
			return f.scene != nil
		}
	}
	f := d.view.factOf(last)
	return f != nil && f.scene != nil
}

// factOf finds a known text of the topic or its field.
func (v *view) factOf(normal string) *fact {
	for _, t := range []*topic{v.topic, v.general} {
		if f := t.normals[normal]; f != nil {
			return f
		}
	}
	return nil
}

// clause is a text that may be said. Those of the topic files are read already: a text
// is chosen from hundreds of them.
func (v *view) clause(text string) clause {
	for _, t := range []*topic{v.topic, v.general} {
		if f := t.texts[text]; f != nil {
			return f.clause
		}
	}
	return v.lang.clauseOf(text)
}

// heard reports whether the history has a clause.
func (v *view) heard(c clause) bool {
	if len(c.runs) > 0 && !v.runs.mayHave(c.runs[0]) {
		return false
	}
	heard, known := v.known[c.normal]
	if !known {
		heard = strings.Contains(v.said, c.normal)
		v.known[c.normal] = heard
	}
	return heard
}

// continuation is what agrees with the target's known claim, or objects to it.
func (d *draft) continuation(against bool) []string {
	t := d.view.target
	if t == nil || t.fact == nil {
		return nil
	}
	f := t.fact
	if f.point == nil {
		return nil
	}
	same, other := f.point.And, f.point.But
	if f.side == objects {
		same, other = f.point.But, slices.Concat([]string{f.point.Say}, f.point.And)
	}
	if against {
		return d.shuffle(slices.Clone(other), 0)
	}
	return d.shuffle(slices.Clone(same), 0)
}

// response is what answers the target's known question or scene.
func (d *draft) response(slot string) []string {
	t := d.view.target
	switch {
	case t == nil || t.fact == nil:
		return nil
	case slot == "answer" && t.fact.question != nil:
		return slices.Clone(t.fact.question.Answers)
	case slot == "do" && t.fact.scene != nil:
		return slices.Clone(t.fact.scene.Do)
	case slot == "then" && t.fact.scene != nil:
		return slices.Clone(t.fact.scene.Then)
	}
	return nil
}

// points are the topic's claims, those that share words with the target first,
// then the family's.
func (d *draft) points() []string {
	v := d.view
	all := make([]string, 0, len(v.topic.Points)+len(v.general.Points))
	for _, p := range v.topic.Points {
		all = append(all, p.Say)
	}
	own := len(all)
	for _, p := range v.general.Points {
		all = append(all, p.Say)
	}
	all = d.shuffle(all, own)
	if v.target == nil {
		return all
	}
	related := make(map[string]int, len(all))
	for _, s := range all {
		related[s] = overlap(v.clause(s).stems, v.target.stems)
	}
	slices.SortStableFunc(all, func(a, b string) int { return related[b] - related[a] })
	return all
}

// related are the claims that speak of the target's word.
func (d *draft) related() []string {
	v := d.view
	if v.target == nil || v.target.word == "" {
		return nil
	}
	own := v.lang.contentStems(v.target.word)
	var all []string
	for _, t := range []*topic{v.topic, v.general} {
		for _, f := range t.facts {
			if f.point != nil && f.side == says && overlap(own, f.stems) == len(own) {
				all = append(all, f.text)
			}
		}
	}
	return d.shuffle(all, 0)
}

func (d *draft) questions() []string {
	all := make([]string, 0, len(d.view.topic.Questions)+len(d.view.general.Questions))
	for _, q := range d.view.topic.Questions {
		all = append(all, q.Ask)
	}
	own := len(all)
	for _, q := range d.view.general.Questions {
		all = append(all, q.Ask)
	}
	return d.shuffle(all, own)
}

// scenes are the topic's, then the family's general ones, then those of its
// other topics.
func (d *draft) scenes() []string {
	if !d.view.narrator {
		return nil
	}
	v := d.view
	var all []string
	add := func(t *topic) {
		from := len(all)
		for _, s := range t.Scenes {
			all = append(all, s.Say)
		}
		d.shuffle(all[from:], 0)
	}
	add(v.topic)
	add(v.general)
	for _, t := range v.family.Topics {
		if t != v.topic {
			add(t)
		}
	}
	return all
}

// stances are the persona's own opinions on the topic or on what is asked.
func (d *draft) stances(certain bool) []string {
	v := d.view
	of := v.stances
	if t := v.target; t != nil {
		if asked := v.stancesOn(t); len(asked) > 0 {
			of = asked
		}
	}
	var found []string
	for _, s := range of {
		if (s.Confidence >= sure) == certain {
			if c := v.lang.clause(bounded(s.Text, 140)); c != "" {
				found = append(found, c)
			}
		}
	}
	return d.shuffle(found, 0)
}
