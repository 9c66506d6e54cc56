package generator

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// dictionary returns fixed embeddings and records the texts it was asked for.
type dictionary struct {
	vectors map[string][]float32
	asked   [][]string
}

func (d *dictionary) Generate(_ context.Context, r llm.Request) (answer llm.Response, err error) {
	var asked []string
	for _, m := range r.Messages {
		v, ok := d.vectors[m.Content]
		if !ok {
			return answer, fmt.Errorf("%w: %q", errUnheardOf, m.Content)
		}
		asked = append(asked, m.Content)
		answer.Embeddings = append(answer.Embeddings, v)
	}
	d.asked = append(d.asked, asked)
	return answer, nil
}

var errUnheardOf = errors.New("unheard of")

func TestTheNearestMeaningIsFound(t *testing.T) {
	t.Parallel()
	d := &dictionary{vectors: map[string][]float32{
		"up": {0, 1}, "upwards": {0.1, 1}, "higher": {0.4, 1}, "right": {2, 0}, "down": {0, -3}, "nothing": {0, 0}, "of another model": {1, 2, 3},
	}}
	m, err := newMeanings(d, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	heard := func(texts ...string) (all []said) {
		for _, text := range texts {
			all = append(all, said{utterance: &utterance{text: text}})
		}
		return all
	}
	for _, tt := range []struct {
		text string
		said []said
		want string
		asks []string
	}{
		{"up", heard("right", "higher", "upwards", "down", "upwards"), "upwards", []string{"up", "right", "higher", "upwards", "down"}},
		{"right", heard("up", "down"), "", nil},
		{"upwards", heard("nothing", "of another model", "", "higher"), "higher", []string{"nothing", "of another model"}},
		{"up", nil, "", nil},
	} {
		d.asked = nil
		got, err := m.nearest(t.Context(), tt.text, tt.said, llm.About{})
		if err != nil || got != tt.want {
			t.Errorf("%s of %v: %q, %v, want %q", tt.text, tt.said, got, err, tt.want)
		}
		var want [][]string
		if tt.asks != nil {
			want = [][]string{tt.asks}
		}
		if diff := cmp.Diff(want, d.asked); diff != "" {
			t.Errorf("%s: asked for (-want +got): %s", tt.text, diff)
		}
	}
	if _, err := m.nearest(t.Context(), "aardvark", heard("up"), llm.About{}); !errors.Is(err, errUnheardOf) {
		t.Errorf("got %v", err)
	}
}
