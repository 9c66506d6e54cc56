package settings

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the table of all settings for the documentation.
func WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| Setting | Type | Default | Allowed | Set for | What it does |\n|---|---|---|---|---|---|\n")
	for _, d := range All() {
		scopes := make([]string, len(d.Scopes))
		for i, s := range d.Scopes {
			scopes[i] = string(s)
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s | %s |\n",
			d.Key, d.Type, d.Default, d.Range, strings.Join(scopes, ", "), strings.ReplaceAll(d.Description, "|", `\|`))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the table of settings: %w", err)
	}
	return nil
}
