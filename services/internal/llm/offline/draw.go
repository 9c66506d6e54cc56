package offline

import (
	"cmp"
	"slices"
	"strings"
)

// slots are the values that templates may name.
var slots = []string{ //nolint:gochecknoglobals // a constant list
	"self", "name", "other", "topic", "heading", "elsewhere", "word", "claim", "quoted", "sum", "honest", "purpose",
	"persona", "role", "own", "point", "related", "and", "but", "more", "yet", "question", "answer", "lean", "image", "scene", "do",
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
		return d.take([]string{v.role})
	case "thing":
		return d.thing(v.things)
	case "interest":
		return d.thing(v.interests)
	case "holding":
		return d.thing(v.belongings)
	case "subject":
		return d.thing(v.subjects)
	case "phrase":
		return d.take(d.shuffle(phrases(v.persona.Phrases, 80), 0))
	case "fact":
		return d.take(d.shuffle(slices.Clone(v.facts), 0))
	case "card":
		return d.take(d.shuffle(slices.Clone(v.cards), 0))
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

// known are the texts of the topic files that a slot may take.
func (d *draft) known(slot string) []string {
	v := d.view
	switch slot {
	case "point":
		return d.points()
	case "related":
		return d.related()
	case "question":
		return d.questions()
	case "image":
		return d.shuffle(slices.Concat(v.topic.Images, v.general.Images), len(v.topic.Images))
	case "scene":
		return d.scenes()
	case "more", "lean", "yet":
		return d.shuffle(d.sequel(slot), 0)
	case "and":
		return d.continuation(false)
	case "but":
		return d.continuation(true)
	case "answer", "do", "then":
		return d.shuffle(d.response(slot), 0)
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
func (d *draft) take(from []string) (string, bool) {
	for _, s := range from {
		c := d.view.clause(s)
		if c.normal != "" && !slices.Contains(d.taken, c.normal) && !d.view.heard(c) {
			d.taken = append(d.taken, c.normal)
			return s, true
		}
	}
	return "", false
}

// wandered reports whether any text taken since mark is about the field and not
// about the topic.
func (d *draft) wandered(mark int) bool {
	return slices.ContainsFunc(d.taken[mark:], func(n string) bool {
		f := d.view.factOf(n)
		return f != nil && f.topic == d.view.general
	})
}

// generalShare is how often a family's general texts go before the topic's own.
const generalShare = 0.12

// shuffle shuffles the topic's own texts, the first own of all, and the
// family's behind them; now and then it is the other way round. Whoever goes on
// with a thought keeps to the topic.
func (d *draft) shuffle(all []string, own int) []string {
	if d.near && own > 0 {
		all = all[:own]
	}
	swap := func(s []string) {
		d.rng.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
	}
	if own == 0 || own == len(all) {
		swap(all)
		return all
	}
	swap(all[:own])
	swap(all[own:])
	if d.rng.Float64() < generalShare {
		return append(slices.Clone(all[own:]), all[:own]...)
	}
	return all
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
