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

// Reader fills structs from YAML. It goes on after each mistake.
type Reader struct {
	Problems Problems
	// Given are the paths of the values that were read.
	Given map[string]bool

	places map[string]Place
}

// Place is where something stands in a file, from 1; the zero Place is the file as
// a whole.
type Place struct{ Line, Column int }

func (p Place) String() string {
	if p.Line == 0 {
		return ""
	}
	return fmt.Sprintf(":%d:%d", p.Line, p.Column)
}

// At returns where the field at a path stands, or what it would be part of.
func (r *Reader) At(path string) Place {
	for ; path != ""; path = parent(path) {
		if found, ok := r.places[path]; ok {
			return found
		}
	}
	return r.places[""]
}

// parent is the path of what a field is part of.
func parent(path string) string {
	return path[:max(strings.LastIndexByte(path, '.'), strings.LastIndexByte(path, '['), 0)]
}

// Unreported leaves out the problems of fields that could not be read: they hold
// their defaults, and a mistake is told once.
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

// Parse reads the one document of a file. Without one it returns nil.
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
	// The parser has panicked on broken input before (goccy/go-yaml#191, #471),
	// and a user must see an error.
	defer func() {
		if recover() != nil {
			root = nil
			whole(Place{}, "can't be parsed", "")
		}
	}()
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		// Not the error's own text: that quotes the lines around a mistake, secrets
		// included.
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

// hint returns what to look at after the parser's message about a mistake that is most
// often one of indentation, or "".
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

// tooDeep is the number of a line that opens too many brackets or blocks; 0 if
// there is none. The parser recurses for each, and a stack that is full ends the
// process. Brackets in texts count, too, where nobody closes them.
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

// Mapping gives each value of a mapping to a function, which stands below the
// path and must have one of the names. What is null is left out.
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
			case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode: // stays at its key
			default:
				r.places[at] = placeOf(pair.Value)
			}
			each(name, at, pair.Value)
		}
		seen[name] = true
	}
}

// Struct fills a struct. Fields that aren't there keep what they hold.
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

// textOf is a value as text. A reference may have the form {env: NAME}, and a text
// that is JSON be the mapping that it is in YAML.
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

// shown is a value as an error repeats it, on one line.
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
