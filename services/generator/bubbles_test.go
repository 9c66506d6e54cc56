package generator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBubbles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"one line":             {"Ha, yes.", []string{"Ha, yes."}},
		"two lines":            {"Ha, yes.\nThe third one.", []string{"Ha, yes.", "The third one."}},
		"an empty line":        {"Ha, yes.\n\n \nThe third one.\n", []string{"Ha, yes.", "The third one."}},
		"more than three":      {"One.\nTwo.\nThree.\nFour.\nFive.", []string{"One.", "Two.", "Three.\nFour.\nFive."}},
		"a line of marks":      {"One.\n---\nTwo.", []string{"One.\n---", "Two."}},
		"marks at the start":   {"...\nTwo.", []string{"...", "Two."}},
		"an emoji is a line":   {"One.\n🔥", []string{"One.", "🔥"}},
		"a text without words": {" \n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := bubbles(test.text); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestBubblesTogetherAreTheText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"yes", "ünd", " ", "\n", "\n\n", "…", "🔥", "@tom", "\t"}), 0, 30).Draw(t, "text"), "")
		parts := bubbles(text)
		if got, want := strings.Fields(strings.Join(parts, "\n")), strings.Fields(text); !slices.Equal(got, want) {
			t.Fatalf("%q became %q", text, parts)
		}
		if len(parts) > maxBubbles || slices.ContainsFunc(parts, func(p string) bool { return p == "" || p != strings.TrimSpace(p) }) {
			t.Fatalf("%q became %q", text, parts)
		}
		whole := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "typing"))
		var sum time.Duration
		for _, d := range shares(whole, parts) {
			if d < minTyping {
				t.Fatalf("a part is typed for %v", d)
			}
			sum += d
		}
		if longest := whole + maxBubbles*minTyping; sum > longest {
			t.Fatalf("the parts take %v, the whole %v", sum, whole)
		}
	})
}
