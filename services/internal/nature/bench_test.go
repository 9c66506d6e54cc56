package nature_test

import (
	"testing"

	"github.com/chorus-cast/chorus/services/internal/nature"
)

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		nature.Read("The harbour scene is where I put the book down. What did you make of the ending, and who do you think wrote the letter?")
	}
}
