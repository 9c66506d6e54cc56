package console

import (
	"bytes"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/a-h/templ/generator"
	parser "github.com/a-h/templ/parser/v2"
)

// The generated code matches the templates.
func TestTemplatesAreCurrent(t *testing.T) {
	t.Parallel()
	n := 0
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".templ" {
			return err
		}
		n++
		template, err := parser.Parse(path)
		if err != nil {
			return err
		}
		var code bytes.Buffer
		if _, err := generator.Generate(template, &code, generator.WithVersion(templ.Version()), generator.WithFileName(path)); err != nil {
			return err
		}
		want, err := format.Source(code.Bytes())
		if err != nil {
			return err
		}
		is, err := os.ReadFile(strings.TrimSuffix(path, ".templ") + "_templ.go")
		if err == nil && !bytes.Equal(is, want) {
			t.Errorf("%s is not as its code is: run make generate", path)
		}
		return err
	})
	if err != nil || n < 5 {
		t.Errorf("%d templates: %v", n, err)
	}
}
