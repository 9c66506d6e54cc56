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
