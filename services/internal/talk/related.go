package talk

import (
	"cmp"
	"maps"
	"slices"
)

// Pair is two lines of one speaker, the earlier one first.
type Pair struct{ A, B Line }

const (
	// newest limits the lines of a speaker that are compared.
	newest = 300
	// minShared is the number of shared content words from which two lines are related.
	minShared = 2
)

// Related returns the pairs of each bot's own lines that share the most content words, up to limit
// for each bot: candidates for contradictions.
func Related(lines []Line, limit int) []Pair {
	own := map[string][]Line{}
	for _, l := range newTranscript(lines).texts {
		own[l.Who] = append(own[l.Who], l)
	}
	var all []Pair
	for _, who := range slices.Sorted(maps.Keys(own)) {
		said := own[who]
		all = append(all, related(said[max(len(said)-newest, 0):], limit)...)
	}
	return all
}

func related(said []Line, limit int) []Pair {
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
	for _, f := range found[:min(limit, len(found))] {
		pairs = append(pairs, f.Pair)
	}
	return pairs
}
