package settings

import (
	"fmt"

	"github.com/agnivade/levenshtein"
)

// farthest is how wrong a key may be spelt to be guessed.
const farthest = 4

// Find is the definition of a key. The error for an unknown one names the
// nearest that there is.
func Find(key string) (*Definition, error) {
	nearest, distance := "", farthest+1
	for _, d := range All() {
		if d.Key == key {
			return d, nil
		}
		if n := levenshtein.ComputeDistance(key, d.Key); n < distance {
			nearest, distance = d.Key, n
		}
	}
	if nearest != "" {
		return nil, fmt.Errorf("setting %.64q: there is none; did you mean %s?", key, nearest)
	}
	return nil, fmt.Errorf("setting %.64q: there is none; `chorus settings list` shows all", key)
}
