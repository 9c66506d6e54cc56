package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// Reader fills structs from YAML. It continues after each mistake.
type Reader struct {
	Problems Problems
	// Given contains the paths of the values that were read.
	Given map[string]bool

	places map[string]Place
}

// Place is a position in a file, from 1; the zero Place is the whole file.
type Place struct{ Line, Column int }

func (p Place) String() string {
	if p.Line == 0 {
		return ""
	}
	return fmt.Sprintf(":%d:%d", p.Line, p.Column)
}

// At returns the position of the field at a path, or of its nearest enclosing part.
func (r *Reader) At(path string) Place {
	for ; path != ""; path = parent(path) {
		if found, ok := r.places[path]; ok {
			return found
		}
	}
	return r.places[""]
}

// parent returns the path of a field's enclosing part.
func parent(path string) string {
	return path[:max(strings.LastIndexByte(path, '.'), strings.LastIndexByte(path, '['), 0)]
}

// Unreported removes the problems of fields that couldn't be parsed: these hold their
// defaults, and a mistake is reported once.
func (r *Reader) Unreported(problems Problems) Problems {
	told := map[string]bool{}
	for _, p := range r.Problems {
		told[p.Path] = true
	}
	return slices.DeleteFunc(slices.Clone(problems), func(p Problem) bool {
		for path := p.Path; path != ""; path = parent(path) {
			if told[path] {
				return true
			}
		}
		return false
	})
}

// Parse parses a file's single document. It returns nil if there is none.
func (r *Reader) Parse(data []byte) (root ast.Node) {
	r.Given, r.places = map[string]bool{}, map[string]Place{}
	whole := func(at Place, value, want string) {
		r.places[""] = at
		r.Problems.Add("file", value, want)
	}
	if line := tooDeep(data); line > 0 {
		whole(Place{line, 1}, "is too deeply nested", "")
		return nil
	}
	// The parser has panicked on broken input before (goccy/go-yaml#191, #471). The user
	// must get an error instead.
	defer func() {
		if recover() != nil {
			root = nil
			whole(Place{}, "can't be parsed", "")
		}
	}()
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		// Not the error's own text: it quotes the lines around a mistake, including
		// secrets.
		message, at := "", Place{1, 1}
		if syntax := yaml.Error(nil); errors.As(err, &syntax) {
			message, _, _ = strings.Cut(syntax.GetMessage(), "\n")
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				at = Place{t.Position.Line, t.Position.Column}
			}
		}
		whole(at, "no YAML: "+message+hint(message), "")
		return nil
	}
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.DirectiveType:
		case root != nil:
			whole(placeOf(doc.Body), "a second document begins", "one")
			return nil
		default:
			root = doc.Body
		}
	}
	return root
}

// hint returns advice for a parser's message that is usually caused by wrong indentation,
// or "".
func hint(message string) string {
	switch {
	case strings.HasPrefix(message, "mapping value is not allowed"):
		return ": check the indentation, and put a text with a colon in quotation marks"
	case strings.HasPrefix(message, "value is not allowed"):
		return ": check the indentation"
	case strings.Contains(message, "'\t'"):
		return ": indent with spaces"
	}
	return ""
}

// tooDeep returns the number of a line that opens too many brackets or blocks; 0 if there
// is none. The parser recurses for each, and a full stack ends the process. Unclosed
// brackets in texts count, too.
func tooDeep(data []byte) int {
	const deepest = 1000
	open := 0
	for i, line := range strings.Split(string(data), "\n") {
		open += strings.Count(line, "[") + strings.Count(line, "{") - strings.Count(line, "]") - strings.Count(line, "}")
		nested := strings.Count(line, "- ") + strings.Count(line, "? ") + strings.Count(line, "!") + strings.Count(line, "&")
		if open = max(open, 0); open > deepest || nested > deepest {
			return i + 1
		}
	}
	return 0
}

// Mapping calls each for the values of a mapping at a path, whose keys must be among names.
// It skips null.
func (r *Reader) Mapping(n ast.Node, path string, names []string, each func(name, at string, value ast.Node)) {
	r.places[path] = placeOf(n)
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	case *ast.NullNode, *ast.CommentGroupNode:
		return // a section whose keys are all commented out
	default:
		where := path
		if where == "" {
			where = "file"
		}
		r.Problems.Add(where, shown(n), "a mapping with the fields "+strings.Join(names, ", "))
		return
	}
	seen := map[string]bool{}
	for _, pair := range pairs {
		name := "?"
		if pair.Key != nil && pair.Key.GetToken() != nil {
			name = pair.Key.GetToken().Value
		}
		at := Join(path, name)
		r.places[at] = placeOf(pair)
		switch {
		case !slices.Contains(names, name):
			r.Problems.Add(at, "unknown field", "one of "+strings.Join(names, ", ")+Suggest(name, names))
		case seen[name]:
			r.Problems.Add(at, "given twice", "each field once")
		case pair.Value != nil && pair.Value.Type() != ast.NullType:
			switch pair.Value.(type) {
			case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode: // its position is the key's
			default:
				r.places[at] = placeOf(pair.Value)
			}
			each(name, at, pair.Value)
		}
		seen[name] = true
	}
}

// Struct fills a struct. Missing fields keep their values.
func (r *Reader) Struct(n ast.Node, v reflect.Value, s *Schema, path string) {
	r.Mapping(n, path, s.Names(), func(name, at string, value ast.Node) {
		f, _ := s.Field(name)
		r.field(value, f.In(v), f, at)
	})
}

func (r *Reader) field(n ast.Node, v reflect.Value, f Field, path string) {
	seq, isList := n.(*ast.SequenceNode)
	switch {
	case f.Kind == Struct:
		r.Struct(n, v, f.Struct, path)
	case f.Kind == List && isList:
		r.list(seq, v, f, path)
	case f.Kind == List && f.Struct != nil:
		r.Problems.Add(path, shown(n), f.Want)
	default:
		r.scalar(n, v, f, path, f.Parse)
	}
}

func (r *Reader) list(seq *ast.SequenceNode, v reflect.Value, f Field, path string) {
	list := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, entry := range seq.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		r.places[at] = placeOf(entry)
		if f.Struct != nil {
			list.Index(i).Set(f.Struct.New())
			r.Struct(entry, list.Index(i), f.Struct, at)
			continue
		}
		r.scalar(entry, list.Index(i), f, at, func(text string) (reflect.Value, error) {
			return parse(v.Type().Elem(), text)
		})
	}
	v.Set(list)
	r.Given[path] = true
}

func (r *Reader) scalar(n ast.Node, v reflect.Value, f Field, path string, read func(string) (reflect.Value, error)) {
	text, ok := textOf(n, f)
	if value, err := read(text); ok && err == nil {
		v.Set(value)
		r.Given[path] = true
		return
	}
	value := shown(n)
	if f.Secret {
		value = Hidden
	}
	r.Problems.Add(path, value, f.Want)
}

// textOf returns a value as text. A reference may have the form {env: NAME}, and a JSON
// text may be written as a YAML mapping.
func textOf(n ast.Node, f Field) (string, bool) {
	switch t := n.(type) {
	case *ast.StringNode:
		return t.Value, true
	case *ast.LiteralNode:
		return t.Value.Value, true
	case *ast.BoolNode:
		return strconv.FormatBool(t.Value), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	case *ast.MappingNode, *ast.MappingValueNode:
		var object map[string]any
		if ref := (secret.Ref{}); f.Kind == Ref && yaml.NodeToValue(n, &ref, yaml.Strict()) == nil && (ref.Env == "") != (ref.File == "") {
			return ref.String(), true
		}
		if f.Object && yaml.NodeToValue(n, &object) == nil {
			text, err := json.Marshal(object)
			return string(text), err == nil
		}
	}
	return "", false
}

// shown returns a value on one line, for errors.
func shown(n ast.Node) string {
	switch t := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which can't stand here"
	case *ast.TagNode:
		return "a tag, which can't stand here"
	case *ast.LiteralNode:
		return Quote(t.Value.Value)
	case *ast.StringNode:
		return Quote(t.Value)
	}
	if n == nil || n.GetToken() == nil {
		return "nothing"
	}
	quoted := Quote(n.GetToken().Value)
	return quoted[1 : len(quoted)-1]
}

func placeOf(n ast.Node) Place {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0]
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		n = m.Key
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return Place{}
	}
	return Place{n.GetToken().Position.Line, n.GetToken().Position.Column}
}
