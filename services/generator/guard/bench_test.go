package guard_test

import (
	"testing"

	"github.com/chorus-cast/chorus/services/generator/guard"
)

func BenchmarkCheck(b *testing.B) {
	d := guard.Draft{
		Text:  "Tom, you should read the second part before you judge it. The storm in the last chapter is where everything comes together for me.",
		Scene: scene("en"),
	}
	for b.Loop() {
		if o := guard.Check(d); o != nil {
			b.Fatal(o)
		}
	}
}
