package castfile_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

// reference describes every field of a cast file as Markdown: a section for each kind of entry,
// with a table of its fields.
func reference() string {
	var b strings.Builder
	section(&b, "The file", "", roster.Schema())
	return b.String()
}

func section(b *strings.Builder, title, path string, s *schema.Schema) {
	fmt.Fprintf(b, "### %s\n\n| field | default | allowed | what it is for |\n| --- | --- | --- | --- |\n", title)
	for _, f := range s.Fields {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.Name, defaultOf(f), f.Want, f.Doc)
	}
	b.WriteByte('\n')
	for _, f := range s.Fields {
		if f.Struct == nil {
			continue
		}
		at := path + f.Name
		if f.Type.Kind() == reflect.Slice {
			at += "[]"
		}
		section(b, "`"+at+"`", at+".", f.Struct)
	}
}

func defaultOf(f schema.Field) string {
	switch {
	case f.Required || f.Struct != nil && f.Type.Kind() == reflect.Struct && slices.ContainsFunc(f.Struct.Fields, required):
		return "required"
	case f.Default == "" || f.Name == "telegram_id": // its 0 means none
		return "none"
	}
	return "`" + f.Default + "`"
}

func required(f schema.Field) bool { return f.Required }
