package offline

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// slots are the values that templates may name.
var slots = []string{ //nolint:gochecknoglobals // a constant list
	"self", "name", "other", "topic", "heading", "elsewhere", "word", "claim", "quoted", "sum", "honest", "purpose",
	"persona", "role", "own", "point", "related", "and", "but", "more", "yet", "question", "answer", "lean", "alt", "image", "scene", "do",
	"then", "stance", "surestance", "thing", "interest", "holding", "subject", "phrase", "fact", "card",
}

// draw returns a value for a slot, fresh ones only: what the history or this
// draft has already said is not drawn again.
func (d *draft) draw(slot string) (string, bool) {
	v := d.view
	switch slot {
	case "self":
		return v.self, v.self != ""
	case "topic":
		return v.title, v.title != ""
	case "purpose":
		return oneOf(v.lang.clause(v.purpose))
	case "persona":
		return oneOf(v.lang.clause(v.persona.Summary))
	case "other":
		return d.other()
	case "heading":
		return oneOf(cmp.Or(v.heading, v.title))
	case "elsewhere":
		return v.lang.lexicon.Other, v.foreign
	case "role":
		return d.take(v.lang.facts(v.role))
	case "thing":
		return d.thing(v.things)
	case "interest":
		return d.thing(v.interests)
	case "holding":
		return d.thing(v.belongings)
	case "subject":
		return d.thing(v.subjects)
	case "phrase":
		return d.take(d.nextOf(v.lang.facts(phrases(v.persona.Phrases, 80)...)))
	case "fact":
		return d.take(d.nextOf(v.lang.facts(v.facts...)))
	case "card":
		return d.take(d.nextOf(v.lang.facts(v.cards...)))
	case "own":
		return oneOf(v.ownOf(v.target))
	case "stance", "surestance":
		return d.take(d.stances(slot == "surestance"))
	case "name", "word", "claim", "quoted", "sum", "honest":
		return d.drawOfTarget(slot)
	}
	return d.take(d.known(slot))
}

func oneOf(s string) (string, bool) { return s, s != "" }

// thing is one of all that this draft has not named, nor the target, nor the last lines
// if there is a choice.
func (d *draft) thing(all []string) (string, bool) {
	v, stale := d.view, ""
	for _, i := range d.rng.Perm(len(all)) {
		c := all[i]
		if slices.Contains(d.things, c) || v.target != nil && v.speaks(v.target.stems, c) {
			continue
		}
		n := normal(c)
		if slices.ContainsFunc(v.lines[max(0, len(v.lines)-recentLines):], func(l line) bool { return strings.Contains(l.normal, n) }) {
			stale = c
			continue
		}
		d.things = append(d.things, c)
		return c, true
	}
	return oneOf(stale)
}

// known is what of the topic files a slot may take.
func (d *draft) known(slot string) []*fact {
	v := d.view
	switch slot {
	case "point":
		return d.points()
	case "related":
		return d.related()
	case "question":
		return d.both(v.topic.asked, v.general.asked)
	case "image":
		return d.both(v.topic.Images, v.general.Images)
	case "scene":
		return d.scenes()
	case "more", "lean", "alt", "yet":
		return d.nextOf(d.sequel(slot))
	case "and", "but":
		return d.nextOf(d.continuation(slot == "but"))
	case "answer", "do", "then":
		return d.nextOf(d.response(slot))
	}
	return nil
}

// drawOfTarget returns a value that comes from the message being answered.
func (d *draft) drawOfTarget(slot string) (string, bool) {
	t := d.view.target
	if t == nil {
		return "", false
	}
	value := map[string]string{"name": t.name, "word": t.word, "claim": t.claim, "quoted": t.quoted, "sum": t.sum, "honest": t.honest}[slot]
	return value, value != ""
}

// take returns the first text that nobody has said.
func (d *draft) take(from []*fact) (string, bool) {
	for _, f := range from {
		same := func(taken *fact) bool { return taken.normal == f.normal }
		if f.normal != "" && !slices.ContainsFunc(d.taken, same) && d.view.said(f) == 0 {
			d.taken = append(d.taken, f)
			return f.text, true
		}
	}
	return "", false
}

// wandered reports whether any text taken since mark is about the field and not
// about the topic.
func (d *draft) wandered(mark int) bool {
	return slices.ContainsFunc(d.taken[mark:], func(f *fact) bool { return f.topic == d.view.general })
}

// both are the topic's own texts, and the family's behind them; now and then it is the
// other way round. Whoever goes on with a thought keeps to the topic.
func (d *draft) both(own, general []*fact) []*fact {
	own = d.inTurn(own)
	switch {
	case d.near && len(own) > 0:
		return own
	case d.rng.IntN(1+len(general)+len(own)*len(d.view.family.Topics)) >= len(general):
		return append(own, d.inTurn(general)...)
	}
	return append(d.inTurn(general), own...)
}

// inTurn are texts from the one on that stands behind the one that was said last. So all
// are said before any comes again, also where the history doesn't reach that far. Where it
// has none, it is a matter of time.
func (d *draft) inTurn(all []*fact) []*fact {
	_, part := math.Modf(d.view.cycles)
	from, last := int(part*float64(len(all))), 0
	for i, f := range all {
		if at := d.view.said(f); at > last {
			from, last = i+1, at
		}
	}
	return rotated(all, from)
}

// nextOf are the texts of one point or question, others first in each cycle.
func (d *draft) nextOf(all []*fact) []*fact { return rotated(all, int(d.view.cycles)) }

func rotated(all []*fact, from int) []*fact {
	if len(all) == 0 {
		return nil
	}
	from %= len(all)
	return slices.Concat(all[from:], all[:from])
}

// phrases are texts of a persona, cleaned, without their full stops.
func phrases(from []string, longest int) []string {
	var found []string
	for _, p := range from {
		if p = strings.TrimRight(oneLine(bounded(p, longest)), ".!…"); p != "" {
			found = append(found, p)
		}
	}
	return found
}
