package cast

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

// Forms are generated from the schema of cast files: an input's name is the path of its field,
// its hint the schema's description. So forms can edit everything that files can.

// input is a field of a form.
type input struct {
	Name, Label, Doc, Want, Value string
	// Kind is text, area, lines, check or choice.
	Kind     string
	Options  []string
	Required bool
}

// group is a part of a form.
type group struct {
	Title  string
	Open   bool
	Inputs []input
	Tables []table
}

// table is a list of structs: its rows have a field for each column.
type table struct {
	Title, Doc string
	Columns    []string
	Rows       [][]input
}

// part of a struct that a group shows: fields by their paths.
type part struct {
	title string
	open  bool
	names []string
}

func botParts() []part {
	return []part{
		{"Persona", true, []string{
			"persona.display_name", "persona.summary", "persona.tone", "persona.hint", "persona.phrases", "persona.interests", "persona.empathy", "persona.energy",
		}},
		{"How it writes", false, []string{"persona.voice", "persona.stickers"}},
		{"Rhythm", true, []string{"enabled", "tempo", "typing_wpm", "active_hours", "hourly_min", "hourly_max"}},
		{"What it thinks", false, []string{"stances"}},
		{"What it owns", false, []string{"holdings"}},
		{"Account", false, []string{"username"}},
	}
}

func chatParts() []part {
	return []part{
		{"Chat", true, []string{"title", "purpose", "topics", "language", "time_zone", "mean_gap", "enabled", "cast"}},
		{"Rules", false, []string{"disclaimer", "forbid_advice", "retention_days"}},
		{"Telegram", false, []string{"telegram_id", "kind"}},
	}
}

func schemaOf(list string) *schema.Schema {
	f, _ := roster.Schema().Field(list)
	return f.Struct
}

// find is the field at a path, in a struct.
func find(v reflect.Value, s *schema.Schema, path string) (reflect.Value, schema.Field) {
	name, rest, deeper := strings.Cut(path, ".")
	f, _ := s.Field(name)
	if deeper {
		return find(f.In(v), f.Struct, rest)
	}
	return f.In(v), f
}

// groups makes the form of a bot or a chat.
func groups(v reflect.Value, s *schema.Schema, parts []part) []group {
	var all []group
	for _, p := range parts {
		g := group{Title: p.title, Open: p.open}
		for _, name := range p.names {
			field, f := find(v, s, name)
			g.add(field, f, name)
		}
		all = append(all, g)
	}
	return all
}

func (g *group) add(v reflect.Value, f schema.Field, path string) {
	switch {
	case f.Struct != nil && v.Kind() == reflect.Slice:
		g.Tables = append(g.Tables, rows(v, f, path))
	case f.Struct != nil:
		for _, inner := range f.Struct.Fields {
			g.add(inner.In(v), inner, path+"."+inner.Name)
		}
	default:
		g.Inputs = append(g.Inputs, inputOf(v, f, path))
	}
}

// spare is the number of empty rows in a table.
const spare = 2

func rows(v reflect.Value, f schema.Field, path string) table {
	t := table{Title: label(f.Name), Doc: f.Doc}
	for _, c := range f.Struct.Fields {
		t.Columns = append(t.Columns, label(c.Name))
	}
	for i := range v.Len() + spare {
		entry := f.Struct.New()
		if i < v.Len() {
			entry = v.Index(i)
		}
		var row []input
		for _, c := range f.Struct.Fields {
			in := inputOf(c.In(entry), c, fmt.Sprintf("%s[%d].%s", path, i, c.Name))
			in.Required = false // an empty row is none
			row = append(row, in)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func inputOf(v reflect.Value, f schema.Field, path string) input {
	in := input{Name: path, Label: label(f.Name), Doc: f.Doc, Want: f.Want, Kind: "text", Required: f.Required, Options: f.Words}
	switch {
	case f.Kind == schema.List:
		in.Kind = "lines"
		lines := make([]string, v.Len())
		for i := range lines {
			lines[i] = v.Index(i).String()
		}
		in.Value = strings.Join(lines, "\n")
		return in
	case f.Kind == schema.Bool:
		in.Kind = "check"
	case len(f.Words) > 0:
		in.Kind = "choice"
		if !f.Required && f.Default == "" {
			in.Options = append([]string{""}, f.Words...)
		}
	case slices.Contains([]string{"summary", "hint", "stance", "purpose", "disclaimer"}, f.Name):
		in.Kind = "area"
	}
	in.Value = schema.Format(v)
	return in
}

// label is the name of a field for people.
func label(name string) string {
	if better := map[string]string{
		"typing_wpm": "Typing speed", "hourly_min": "Messages an hour, at least", "hourly_max": "Messages an hour, at most",
		"summary": "Who it is", "hint": "Reminder for the writer", "file_id": "Telegram's id of the file", "telegram_id": "Telegram's id",
		"cast": "Bots", "mean_gap": "Time between two turns", "retention_days": "Days that messages are kept",
	}[name]; better != "" {
		return better
	}
	name = strings.ReplaceAll(name, "_", " ")
	return strings.ToUpper(name[:1]) + name[1:]
}

// fill reads a form into a bot or a chat.
func fill(form url.Values, v reflect.Value, s *schema.Schema, parts []part) error {
	var problems schema.Problems
	for _, p := range parts {
		for _, name := range p.names {
			field, f := find(v, s, name)
			take(form, field, f, name, &problems)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

func take(form url.Values, v reflect.Value, f schema.Field, path string, problems *schema.Problems) {
	switch {
	case f.Struct != nil && v.Kind() == reflect.Slice:
		takeRows(form, v, f, path, problems)
	case f.Struct != nil:
		for _, inner := range f.Struct.Fields {
			take(form, inner.In(v), inner, path+"."+inner.Name, problems)
		}
	case f.Kind == schema.List:
		v.SetZero()
		for line := range strings.Lines(form.Get(path)) {
			if line = strings.TrimSpace(line); line != "" {
				v.Set(reflect.Append(v, reflect.ValueOf(line)))
			}
		}
	default:
		text := strings.TrimSpace(strings.ReplaceAll(form.Get(path), "\r\n", "\n"))
		if f.Kind == schema.Bool && text == "" {
			text = "false" // a box that is not ticked
		}
		if text == "" {
			v.Set(reflect.Zero(v.Type()))
			if f.Default != "" {
				v.Set(f.MustParse(f.Default))
			}
			return
		}
		parsed, err := f.Parse(text)
		if err != nil {
			problems.Add(path, schema.Quote(text), f.Want)
			return
		}
		v.Set(parsed)
	}
}

func takeRows(form url.Values, v reflect.Value, f schema.Field, path string, problems *schema.Problems) {
	list := reflect.MakeSlice(v.Type(), 0, 0)
	for i := 0; ; i++ {
		at := fmt.Sprintf("%s[%d]", path, i)
		there, empty := false, true
		for _, c := range f.Struct.Fields {
			there = there || form.Has(at+"."+c.Name)
			// A choice has a value even where nobody chose.
			if c.Required && len(c.Words) == 0 && strings.TrimSpace(form.Get(at+"."+c.Name)) != "" {
				empty = false
			}
		}
		if !there {
			break
		}
		if empty {
			continue
		}
		entry := f.Struct.New()
		for _, c := range f.Struct.Fields {
			take(form, c.In(entry), c, at+"."+c.Name, problems)
		}
		list = reflect.Append(list, entry)
	}
	if list.Len() == 0 {
		list = reflect.Zero(v.Type())
	}
	v.Set(list)
}
