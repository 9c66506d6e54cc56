package talk

import (
	"maps"
	"slices"
)

// Welcome measures how people responded to a bot.
type Welcome struct {
	Who   string `json:"who"`
	Lines int    `json:"lines"`
	// Answers and Reactions are people's, for 100 of its lines.
	Answers   float64 `json:"answers"`
	Reactions float64 `json:"reactions"`
}

// Welcomed returns the responses to each bot, by name; none if no person said anything.
func Welcomed(lines []Line) []Welcome {
	by, people := map[string]*Welcome{}, false
	of := map[int64]*Welcome{}
	for _, l := range lines {
		if people = people || !l.Bot; !l.Bot || l.Reaction {
			continue
		}
		if by[l.Who] == nil {
			by[l.Who] = &Welcome{Who: l.Who}
		}
		by[l.Who].Lines++
		if l.ID != 0 {
			of[l.ID] = by[l.Who]
		}
	}
	if !people {
		return nil
	}
	for _, l := range lines {
		w := of[l.Answers]
		switch {
		case l.Bot || w == nil:
		case l.Reaction:
			w.Reactions++
		default:
			w.Answers++
		}
	}
	var all []Welcome
	for _, who := range slices.Sorted(maps.Keys(by)) {
		w := *by[who]
		w.Answers, w.Reactions = 100*w.Answers/float64(w.Lines), 100*w.Reactions/float64(w.Lines)
		all = append(all, w)
	}
	return all
}
