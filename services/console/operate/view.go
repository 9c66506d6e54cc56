package operate

import (
	"maps"
	"slices"
	"strconv"

	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

func services(living map[string]int) []string { return slices.Sorted(maps.Keys(living)) }

// upTo is a count that ended at 10000.
func upTo(n int) string {
	if n >= 10_000 {
		return "10000+"
	}
	return strconv.Itoa(n)
}

func ways() []string {
	var all []string
	for _, w := range usage.Ways() {
		all = append(all, string(w))
	}
	return all
}

func mood(s preflight.Status) string {
	return map[preflight.Status]string{preflight.OK: "good", preflight.Warning: "warn", preflight.Failure: "bad"}[s]
}
