package offline

import "slices"

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
			if l.own || l.name == "" {
				continue
			}
			if w := v.keyword(v.lang.contentStems(l.normal)); w != "" {
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
