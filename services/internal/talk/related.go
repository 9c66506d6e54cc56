package talk

import (
	"cmp"
	"maps"
	"slices"
)

// Pair is two lines of one speaker, the earlier one first.
type Pair struct{ A, B Line }

const (
	// newest is how many lines of a speaker are looked at.
	newest = 300
	// minShared is how many content words two lines share that are about the same.
	minShared = 2
)

// Related are the pairs of each bot's own lines that share the most content words, up to
// most of each: where it may contradict itself.
func Related(lines []Line, most int) []Pair {
	own := map[string][]Line{}
	for _, l := range newTranscript(lines).texts {
		own[l.Who] = append(own[l.Who], l)
	}
	var all []Pair
	for _, who := range slices.Sorted(maps.Keys(own)) {
		said := own[who]
		all = append(all, related(said[max(len(said)-newest, 0):], most)...)
	}
	return all
}

func related(said []Line, most int) []Pair {
	type scored struct {
		Pair

		shared int
	}
	words := make([]map[string]bool, len(said))
	for i, l := range said {
		words[i] = content(l.Text)
	}
	var found []scored
	for i := range said {
		for j := range i {
			shared := 0
			for w := range words[i] {
				if words[j][w] {
					shared++
				}
			}
			if shared >= minShared && said[i].Text != said[j].Text {
				found = append(found, scored{Pair{said[j], said[i]}, shared})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return cmp.Compare(b.shared, a.shared) })
	var pairs []Pair
	for _, f := range found[:min(most, len(found))] {
		pairs = append(pairs, f.Pair)
	}
	return pairs
}
