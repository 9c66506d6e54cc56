package markup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
)

func TestSpecialPartsLieOutsideOfOthers(t *testing.T) {
	t.Parallel()

	tests := []struct {
		mode, in string
		want     []string // kinds, in order
	}{
		{"", "🏟 @ada_bot, #b", []string{"mention", "hashtag"}},
		{"", "a@b.org/#x", []string{"email", "hashtag"}},
		{"", "https://a.org/@bob/#c", []string{"url"}},
		{"HTML", "<code>@ada_bot</code> @bob_bot", []string{"code", "mention"}},
		{"HTML", `<a href="x.org">#a @ada_bot</a>`, []string{"text_link"}},
		{"HTML", "<b>#a</b>", []string{"bold", "hashtag"}},
		{"HTML", "<b>see <code>x</code></b> <i>@ada_bot</i>", []string{"bold", "code", "italic", "mention"}},
		{"", "x@ada_bot /no/ //go >/go </go> $tea #1", nil},
	}
	for _, tt := range tests {
		got, err := markup.Parse(tt.in, tt.mode)
		if err != nil {
			t.Fatal(err)
		}

		var kinds []string
		for _, e := range got.Entities {
			kinds = append(kinds, e.Type)
		}

		if diff := cmp.Diff(tt.want, kinds); diff != "" {
			t.Errorf("%s: %s", tt.in, diff)
		}
	}
}

// A text that is eight times longer takes about eight times as long, not 64 times: megabytes
// of text must not stop the server.
func TestTheTimeGrowsWithTheTextOnly(t *testing.T) {
	t.Parallel()

	const (
		short  = 500
		longer = 8
		most   = 30 // between 8 and 64
	)

	for _, part := range []string{"#a ", "a@b.co ", "@abc ", "/a "} {
		shortest := func(parts int) time.Duration {
			text, best := strings.Repeat(part, parts), time.Hour

			for range 7 {
				start := time.Now()

				if _, err := markup.Parse(text, ""); err != nil {
					t.Fatal(err)
				}

				best = min(best, time.Since(start))
			}

			return best
		}

		if one, eight := shortest(short), shortest(short*longer); eight > most*one {
			t.Errorf("%d times %q took %s, and %d times as much took %s", short, part, one, longer, eight)
		}
	}
}
