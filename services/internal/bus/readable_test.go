package bus

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReadable(t *testing.T) {
	t.Parallel()
	for have, want := range map[string]string{
		"plain":                          "plain",
		"a NUL \x00, a line\nand more":   "a NUL  , a line and more",
		"\xff is no text":                "� is no text",
		strings.Repeat("ä", 2000):        strings.Repeat("ä", maxReadable-1) + "…",
		strings.Repeat("x", maxReadable): strings.Repeat("x", maxReadable),
	} {
		if got := readable(have); got != want || !utf8.ValidString(got) {
			t.Errorf("readable(%.20q) is %.40q, want %.40q", have, got, want)
		}
	}
}
