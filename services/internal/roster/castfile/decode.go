package castfile

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

// decoder fills a cast from YAML and goes on after each mistake.
type decoder struct {
	places   places
	problems roster.Problems
}

func (d *decoder) add(path, value, want string) {
	d.problems = append(d.problems, roster.Problem{Path: path, Value: value, Want: "want " + want})
}

// structure fills a struct from a mapping. Fields that aren't there get their
// defaults; null is the same as not there.
func (d *decoder) structure(n ast.Node, v reflect.Value, s *roster.Schema, path string) {
	v.Set(s.New(v.Type()))
	d.places[path] = placeOf(n)
	pairs, ok := pairsOf(n)
	if !ok {
		if path == "" {
			path = "file"
		}
		d.add(path, shown(n), "a mapping with the fields "+names(s))
		return
	}
	seen := map[string]bool{}
	for _, pair := range pairs {
		name, ok := keyOf(pair)
		at := join(path, name)
		d.places[at] = placeOf(pair)
		f, known := s.Field(name)
		switch {
		case !ok || !known:
			d.add(at, "unknown field", "one of "+names(s)+config.Suggest(name, fieldsOf(s)))
			continue
		case seen[name]:
			d.add(at, "given twice", "each field once")
			continue
		}
		seen[name] = true
		if pair.Value == nil || pair.Value.Type() == ast.NullType {
			continue
		}
		switch pair.Value.(type) {
		case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode: // stays at its key
		default:
			if place := placeOf(pair.Value); place.line > 0 {
				d.places[at] = place
			}
		}
		d.field(pair.Value, f.Of(v), f, at)
	}
}

func (d *decoder) field(n ast.Node, v reflect.Value, f roster.Field, path string) {
	switch {
	case v.Kind() == reflect.Slice:
		d.list(n, v, f, path)
	case f.Struct != nil:
		d.structure(n, v, f.Struct, path)
	default:
		d.scalar(n, v, f, path)
	}
}

func (d *decoder) list(n ast.Node, v reflect.Value, f roster.Field, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(path, shown(n), f.Want)
		return
	}
	list := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, entry := range seq.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.places[at] = placeOf(entry)
		if f.Struct != nil {
			d.structure(entry, list.Index(i), f.Struct, at)
			continue
		}
		d.scalar(entry, list.Index(i), f, at)
	}
	v.Set(list)
}

// unreported leaves out what validation says about fields that could not be
// read: they hold their defaults, and a mistake is told once.
func (d *decoder) unreported(problems roster.Problems) roster.Problems {
	told := map[string]bool{}
	for _, p := range d.problems {
		told[p.Path] = true
	}
	var rest roster.Problems
	for _, p := range problems {
		inside := false
		for path := p.Path; path != ""; path = path[:max(strings.LastIndexByte(path, '.'), strings.LastIndexByte(path, '['), 0)] {
			inside = inside || told[path]
		}
		if !inside {
			rest = append(rest, p)
		}
	}
	return rest
}

// pairsOf gives the fields of a mapping; the parser has two kinds of it.
func pairsOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

func keyOf(pair *ast.MappingValueNode) (string, bool) {
	if key, ok := pair.Key.(*ast.StringNode); ok {
		return key.Value, true
	}
	if pair.Key == nil || pair.Key.GetToken() == nil {
		return "?", false
	}
	return pair.Key.GetToken().Value, false
}

func join(path, name string) string {
	// A key is the user's text: it must not break the line nor flood it.
	quoted := roster.Quote(name)
	if name = quoted[1 : len(quoted)-1]; path == "" {
		return name
	}
	return path + "." + name
}

func names(s *roster.Schema) string { return strings.Join(fieldsOf(s), ", ") }

func fieldsOf(s *roster.Schema) []string {
	list := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		list[i] = f.Name
	}
	return list
}
