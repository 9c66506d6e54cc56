package generator

import (
	"context"
	"fmt"
	"math"

	"github.com/maypok86/otter/v2"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// meanings compares the meanings of texts by their embeddings.
type meanings struct {
	embeddings llm.Provider
	// least is the cosine from which two texts count as the same in meaning.
	least float64
	known *otter.Cache[string, *meaning]
}

// meaning is the embedding of a text.
type meaning struct{ vector []float32 }

const (
	// maxMeanings limits the cached embeddings, of about ten kilobytes each.
	maxMeanings = 2000
	// maxCompared limits the earlier texts that one text is compared with.
	maxCompared = 80
)

func newMeanings(e llm.Provider, least float64) (*meanings, error) {
	known, err := otter.New(&otter.Options[string, *meaning]{MaximumSize: maxMeanings})
	if err != nil {
		return nil, fmt.Errorf("keep embeddings: %w", err)
	}
	return &meanings{embeddings: e, least: least, known: known}, nil
}

// compared reports whether meanings can be compared at all.
func (m *meanings) compared() bool { return m.embeddings != nil && m.least < 1 }

// nearest returns the earlier text whose meaning is nearest to this text's, if it is near enough;
// else "". It asks for all embeddings that aren't cached in one call.
func (m *meanings) nearest(ctx context.Context, text string, said []said, about llm.About) (string, error) {
	said = said[:min(len(said), maxCompared)]
	vectors := make(map[string][]float32, len(said)+1)
	var ask []string
	want := func(text string) {
		if _, asked := vectors[text]; asked || text == "" {
			return
		}
		known, ok := m.known.GetIfPresent(text)
		if !ok {
			known, ask = &meaning{}, append(ask, text)
		}
		vectors[text] = known.vector
	}
	want(text)
	for _, u := range said {
		want(u.text)
	}
	if len(ask) > 0 {
		r := llm.Request{About: about}
		for _, text := range ask {
			r.Messages = append(r.Messages, llm.Message{Role: llm.RoleUser, Content: text})
		}
		answer, err := m.embeddings.Generate(ctx, r)
		if err != nil {
			return "", err
		}
		for i, text := range ask {
			vectors[text] = answer.Embeddings[i]
			m.known.Set(text, &meaning{answer.Embeddings[i]})
		}
	}
	best, which := m.least, ""
	for _, u := range said {
		if c := cosine(vectors[text], vectors[u.text]); c >= best {
			best, which = c, u.text
		}
	}
	return which, nil
}

// cosine returns the cosine of the angle between two vectors, or 0 if it isn't defined.
func cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return 0 // embeddings of different models
	}
	var dot, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		dot, aa, bb = dot+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return dot / math.Sqrt(aa*bb)
}
