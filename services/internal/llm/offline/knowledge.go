package offline

import "slices"

// sure is the confidence from which a stance is put forward without doubt.
const sure = 0.7

// sequel is what may follow on the last known text of this draft: more of the
// same side of a claim ("more"), an answer to one's own question ("lean"), or another
// answer ("alt").
func (d *draft) sequel(slot string) []*fact {
	f := d.last()
	switch {
	case slot == "lean" && f.side == asks, slot == "alt" && f.side == answers:
		return f.question.Answers
	case f.point == nil:
		return nil
	case slot == "yet" && f.side != objects, slot == "more" && f.side == objects:
		return f.point.But
	case slot == "more":
		return f.point.And
	}
	return nil
}

// last is what this draft said last.
func (d *draft) last() *fact {
	if len(d.taken) == 0 {
		return &fact{}
	}
	return d.taken[len(d.taken)-1]
}

// said tells which line of the history had a fact last, from 1 on, or 0. One of a word
// or two is only known as a sentence.
func (v *view) said(f *fact) int {
	if len(f.runs) == 0 && v.sentences.mayHave(mix(hash(f.normal))) {
		return len(v.lines)
	}
	return v.heard.last(f.runs)
}

// continuation is what agrees with the target's known claim, or objects to it.
func (d *draft) continuation(against bool) []*fact {
	t := d.view.target
	if t == nil || t.fact == nil || t.fact.point == nil {
		return nil
	}
	p := t.fact.point
	if (t.fact.side == objects) != against {
		return p.But
	}
	if against {
		return append([]*fact{p.Say}, p.And...)
	}
	return p.And
}

// response is what answers the target's known question or scene.
func (d *draft) response(slot string) []*fact {
	of := &fact{}
	if t := d.view.target; t != nil && t.fact != nil {
		of = t.fact
	}
	if of.scene == nil && slot != "answer" {
		of = d.view.afoot()
	}
	switch {
	case slot == "answer" && of.question != nil:
		return of.question.Answers
	case slot == "do" && of.scene != nil:
		return of.scene.Do
	case slot == "then" && of.scene != nil:
		return of.scene.Then
	}
	return nil
}

// afoot is the scene that was told last, lately.
func (v *view) afoot() *fact {
	found, last := &fact{}, max(0, len(v.lines)-recentLines)
	for _, t := range append([]*topic{v.general}, v.family.Topics...) {
		for _, f := range t.told {
			if at := v.said(f); at > last {
				found, last = f, at
			}
		}
	}
	return found
}

// acting is how often a player who opens does something about what happens.
func (v *view) acting() float64 {
	if v.narrator || v.afoot().scene == nil {
		return 0
	}
	return 6
}

// points are the topic's claims, those that share words with the target first,
// then the family's.
func (d *draft) points() []*fact {
	v := d.view
	all := d.both(v.topic.claims, v.general.claims)
	if v.target == nil {
		return all
	}
	var related, rest []*fact
	for _, f := range all {
		if overlap(f.stems, v.target.stems) > 0 {
			related = append(related, f)
		} else {
			rest = append(rest, f)
		}
	}
	return append(related, rest...)
}

// related are the claims that speak of the target's word.
func (d *draft) related() []*fact {
	v := d.view
	if v.target == nil || v.target.word == "" {
		return nil
	}
	own := v.lang.contentStems(v.target.word)
	var all []*fact
	for _, f := range slices.Concat(v.topic.claims, v.general.claims) {
		if overlap(own, f.stems) == len(own) {
			all = append(all, f)
		}
	}
	return d.inTurn(all)
}

// scenes are the topic's, then the family's general ones, then those of its
// other topics.
func (d *draft) scenes() []*fact {
	v := d.view
	if !v.narrator {
		return nil
	}
	all := append(d.inTurn(v.topic.told), d.inTurn(v.general.told)...)
	for _, t := range v.family.Topics {
		if t != v.topic {
			all = append(all, d.inTurn(t.told)...)
		}
	}
	return all
}

// stances are the persona's own opinions on the topic or on what is asked.
func (d *draft) stances(certain bool) []*fact {
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
			found = append(found, v.lang.clause(bounded(s.Text, 140)))
		}
	}
	return d.nextOf(v.lang.facts(found...))
}
