package prompt_test

import (
	"fmt"
	"testing"

	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

func BenchmarkRender(b *testing.B) {
	r, err := prompt.New(bounds())
	if err != nil {
		b.Fatal(err)
	}
	s := scenes()["full"]
	s.History = nil
	for i := range 15 {
		s.History = append(s.History, script.Line{Author: "Tom", Text: fmt.Sprintf("Message %02d is about the storm in the last chapter, where everything comes together.", i)})
	}
	for b.Loop() {
		render(b, r, s)
	}
}
