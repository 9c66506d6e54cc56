package castfile_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
)

const guide = "../../../../docs/cast-files.md"

// The guide's reference equals the text made from the code. UPDATE_DOCS=1 writes it.
func TestTheGuideIsCurrent(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- begin reference: made from the code by UPDATE_DOCS=1 go test ./internal/roster/castfile -->\n", "<!-- end reference -->"
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the reference: want %s…%s", guide, begin, end)
	}
	want := head + begin + "\n" + reference() + end + tail
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(guide, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("the guide is not current, run UPDATE_DOCS=1 go test ./internal/roster/castfile (-want +got):\n%s", diff)
	}
}

// Every field has a description and its allowed values.
func TestEveryFieldIsDescribed(t *testing.T) {
	t.Parallel()
	var walk func(s *schema.Schema, path string)
	walk = func(s *schema.Schema, path string) {
		for _, f := range s.Fields {
			if f.Doc == "" || f.Want == "" || !strings.HasSuffix(strings.Trim(f.Doc, `"`), ".") {
				t.Errorf("%s%s: doc %q, allowed %q", path, f.Name, f.Doc, f.Want)
			}
			if strings.ContainsAny(f.Doc+f.Want, "|\n") {
				t.Errorf("%s%s would break its table", path, f.Name)
			}
			if f.Struct != nil {
				walk(f.Struct, path+f.Name+".")
			}
		}
	}
	walk(roster.Schema(), "")
}

// The complete files in the guide are valid.
func TestTheGuidesExamplesAreValid(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	files := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(files) == 0 {
		t.Fatal("the guide has no example")
	}
	for _, f := range files {
		if _, err := castfile.Parse("guide", f[1]); err != nil {
			t.Errorf("%v in\n%s", err, f[1])
		}
	}
}
