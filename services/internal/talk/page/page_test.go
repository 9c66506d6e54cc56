package page_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/talk"
	"github.com/chorus-cast/chorus/services/internal/talk/page"
)

func TestPage(t *testing.T) {
	t.Parallel()
	var lines []talk.Line
	for i := range 40 {
		lines = append(lines, talk.Line{ID: int64(i + 1), Who: []string{"a", "<script>", "c"}[i%3], Text: "Yes, I do.", At: time.Unix(int64(i*i), 0), Answers: int64(i)})
	}
	for name, of := range map[string][]talk.Line{"many": lines, "one": lines[:1], "none": nil} {
		var out strings.Builder
		if err := page.Write(&out, "a & b", of, talk.Review(of)); err != nil {
			t.Fatal(err)
		}
		shown := out.String()
		if strings.Contains(shown, "<script") || strings.Contains(shown, "NaN") || strings.Contains(shown, "Inf") || !strings.Contains(shown, "<h1>a &amp; b</h1>") {
			t.Errorf("%s: %s", name, shown)
		}
		pictures := 0
		for _, rest := range strings.Split(shown, "<svg")[1:] {
			picture, _, _ := strings.Cut(rest, "</svg>")
			pictures++
			d := xml.NewDecoder(strings.NewReader("<svg" + picture + "</svg>"))
			for {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v in %s", name, err, picture)
				}
			}
		}
		if least := map[string]int{"many": 15, "one": 3, "none": 3}[name]; pictures < least {
			t.Errorf("%s: %d pictures", name, pictures)
		}
	}
}
