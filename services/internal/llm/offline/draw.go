package offline

import (
	"slices"
	"strings"

)

// slots are the values that templates may name.
var slots = []string{ //nolint:gochecknoglobals // a constant list
	"self", "name", "other", "earlier", "earlierword", "topic", "word", "quoted",
	"point", "and", "but", "question", "answer", "image", "scene",
	"stance", "surestance", "interest", "holding", "phrase",
}

// sure is the confidence from which a stance is put forward without doubt.
const sure = 0.7

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
	case "point":
		return d.take(d.points())
	case "question":
		return d.take(d.questions())
	case "image":
		return d.take(d.shuffle(append(slices.Clone(v.topic.Images), d.general().Images...), len(v.topic.Images)))
	case "scene":
		if !v.narrator {
			return "", false
		}
		return d.take(d.shuffle(append(slices.Clone(v.topic.Scenes), d.general().Scenes...), len(v.topic.Scenes)))
	case "stance", "surestance":
		return d.take(d.stances(slot == "surestance"))
	case "interest":
		return d.oneOf(v.persona.Interests, 60)
	case "holding":
		return d.oneOf(v.holdings, 60)
	case "phrase":
		return d.take(d.phrases())
	}
	return d.drawOfTarget(slot)
}

// drawOfTarget returns a value that comes from the message being answered.
func (d *draft) drawOfTarget(slot string) (string, bool) {
	t := d.view.target
	if t == nil {
		return "", false
	}
	switch slot {
	case "name":
		return t.name, t.name != ""
	case "word":
		return t.word, t.word != ""
	case "quoted":
		return t.quoted, t.quoted != ""
	case "and":
		return d.take(d.continuation(false))
	case "but":
		return d.take(d.continuation(true))
	case "answer":
		if t.fact == nil || t.fact.question == nil {
			return "", false
		}
		return d.take(d.shuffle(slices.Clone(t.fact.question.Answers), 0))
	}
	return "", false
}

// continuation is what agrees with the target's known claim, or objects to it.
func (d *draft) continuation(against bool) []string {
	f := d.view.target.fact
	if f == nil {
		return nil
	}
	if f.question != nil {
		return d.shuffle(slices.Clone(f.question.Answers), 0)
	}
	same, other := slices.Clone(f.point.And), slices.Clone(f.point.But)
	if f.side == objects {
		same, other = other, append(same, f.point.Say)
	}
	if against {
		return d.shuffle(other, 0)
	}
	return d.shuffle(same, 0)
}

// points are the topic's claims, those that share words with the target first,
// then the family's.
func (d *draft) points() []string {
	v := d.view
	var own, general []string
	for _, p := range v.topic.Points {
		own = append(own, p.Say)
	}
	for _, p := range d.general().Points {
		general = append(general, p.Say)
	}
	all := d.shuffle(append(own, general...), len(own))
	if v.target == nil {
		return all
	}
	about := v.target.stems
	related := func(s string) int { return overlap(v.lang.contentStems(s), about) }
	slices.SortStableFunc(all, func(a, b string) int { return related(b) - related(a) })
	return all
}

func (d *draft) questions() []string {
	var own, general []string
	for _, q := range d.view.topic.Questions {
		own = append(own, q.Ask)
	}
	for _, q := range d.general().Questions {
		general = append(general, q.Ask)
	}
	return d.shuffle(append(own, general...), len(own))
}

// general is what the family knows besides the topic; nothing where the topic
// is the family's general one itself.
func (d *draft) general() *topic {
	if d.view.topic == &d.view.family.General {
		return &topic{}
	}
	return &d.view.family.General
}

func (d *draft) stances(certain bool) []string {
	var found []string
	for _, s := range d.view.stances {
		if (s.Confidence >= sure) == certain {
			if c := d.view.lang.clause(bounded(s.Text, 140)); c != "" {
				found = append(found, c)
			}
		}
	}
	return d.shuffle(found, 0)
}

func (d *draft) phrases() []string {
	var found []string
	for _, p := range d.view.persona.Phrases {
		if p = oneLine(bounded(p, 80)); p != "" {
			found = append(found, strings.TrimRight(p, ".!?…"))
		}
	}
	return d.shuffle(found, 0)
}

func (d *draft) oneOf(from []string, longest int) (string, bool) {
	if len(from) == 0 {
		return "", false
	}
	s := strings.TrimRight(oneLine(bounded(from[d.rng.IntN(len(from))], longest)), ".!?…")
	return s, s != ""
}

// other is somebody who spoke lately and is neither speaker nor addressed.
func (d *draft) other() (string, bool) {
	v := d.view
	var names []string
	for _, l := range v.lines[max(0, len(v.lines)-recentLines):] {
		if l.own || l.name == "" || v.target != nil && l.name == v.target.name || slices.Contains(names, l.name) {
			continue
		}
		names = append(names, l.name)
	}
	if len(names) == 0 {
		return "", false
	}
	return names[d.rng.IntN(len(names))], true
}

// earlier is somebody who said a keyword a while ago, and that keyword. Both
// slots of one draft speak of the same line.
func (d *draft) earlier(slot string) (string, bool) {
	v := d.view
	if d.earlierName == "" {
		lines := v.lines[:max(0, len(v.lines)-1)]
		lines = lines[max(0, len(lines)-recentLines):]
		for _, i := range d.rng.Perm(len(lines)) {
			l := lines[i]
			if w := v.keyword(l.normal); !l.own && l.name != "" && w != "" {
				d.earlierName, d.earlierWord = l.name, w
				break
			}
		}
	}
	if slot == "earlier" {
		return d.earlierName, d.earlierName != ""
	}
	return d.earlierWord, d.earlierWord != ""
}

// take returns the first text that nobody has said.
func (d *draft) take(from []string) (string, bool) {
	for _, s := range from {
		n := normal(s)
		if n == "" || d.taken[n] || strings.Contains(d.view.said, n) && !d.repeat {
			continue
		}
		d.taken[n] = true
		d.log = append(d.log, n)
		return s, true
	}
	return "", false
}

// undo gives back what a sentence took that could not be finished.
func (d *draft) undo(mark int) {
	for _, n := range d.log[mark:] {
		delete(d.taken, n)
	}
	d.log = d.log[:mark]
}

// generalShare is how often a family's general texts go before the topic's own.
const generalShare = 0.12

// shuffle shuffles the topic's own texts, the first own of all, and the
// family's behind them; now and then it is the other way round.
func (d *draft) shuffle(all []string, own int) []string {
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

