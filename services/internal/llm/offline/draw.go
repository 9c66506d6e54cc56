package offline

import (
	"slices"
	"strings"
)

// slots are the values that templates may name.
var slots = []string{ //nolint:gochecknoglobals // a constant list
	"self", "name", "other", "earlier", "earlierword", "topic", "word", "quoted",
	"point", "related", "and", "but", "more", "question", "answer", "lean", "image", "scene", "do", "then",
	"stance", "surestance", "interest", "holding", "phrase",
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
	case "other":
		return d.other()
	case "earlier", "earlierword":
		return d.earlier(slot)
	case "interest":
		return d.take(d.shuffle(phrases(v.persona.Interests, 60), 0))
	case "holding":
		return d.take(d.shuffle(phrases(v.holdings, 60), 0))
	case "phrase":
		return d.take(d.shuffle(phrases(v.persona.Phrases, 80), 0))
	case "stance", "surestance":
		return d.take(d.stances(slot == "surestance"))
	case "name", "word", "quoted":
		return d.drawOfTarget(slot)
	}
	return d.take(d.known(slot))
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
	case "more", "lean":
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
	value := map[string]string{"name": t.name, "word": t.word, "quoted": t.quoted}[slot]
	return value, value != ""
}

// take returns the first text that nobody has said. A draft that may repeat
// takes the one that was said longest ago.
func (d *draft) take(from []string) (string, bool) {
	best, said, oldest := "", "", -1
	for _, s := range from {
		c := d.view.clause(s)
		if c.normal == "" || slices.Contains(d.taken, c.normal) {
			continue
		}
		if !d.view.heard(c) {
			best, said = s, c.normal
			break
		}
		if !d.repeat {
			continue
		}
		if at := d.view.lastAt(c); best == "" || at < oldest {
			best, said, oldest = s, c.normal, at
		}
	}
	if best == "" {
		return "", false
	}
	d.taken = append(d.taken, said)
	return best, true
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
