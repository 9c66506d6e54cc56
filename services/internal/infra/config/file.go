package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// maxFile is far above any configuration, in bytes.
const maxFile = 1 << 20

func (t *Tree) fromFile(p *problems, name string) layer {
	if name == "" {
		return nil
	}
	p.file = name
	text, err := readFile(name)
	if err != nil {
		p.addf("%s: %v", name, err)
		return nil
	}
	r := reader{tree: t, problems: p, name: name, layer: layer{}}
	r.read(text)
	return r.layer
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, cause(err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, cause(err)
	}
	if len(text) > maxFile {
		return nil, errors.New("is over 1 MiB, too long for a configuration")
	}
	return text, nil
}

// cause leaves out the file's name, with which the line begins anyway.
func cause(err error) error {
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return fmt.Errorf("can't be read: %w", path.Err)
	}
	return fmt.Errorf("can't be read: %w", err)
}

// reader walks through one file.
type reader struct {
	tree     *Tree
	problems *problems
	name     string
	layer    layer
}

func (r *reader) read(text []byte) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		// The library's own text quotes the lines around a mistake, secrets included.
		line, message := 1, "is no YAML"
		if at := yaml.Error(nil); errors.As(err, &at) {
			message = at.GetMessage()
			if token := at.GetToken(); token != nil {
				line = token.Position.Line
			}
		}
		r.problems.addf("%s:%d: %s%s", r.name, line, message, Layout(message))
		return
	}
	documents := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(documents) > 1 {
		r.problems.addf("%s:%d: a second document begins, want one", r.name, line(documents[1].Body))
	}
	if len(documents) > 0 {
		r.mapping("", documents[0].Body)
	}
}

// Layout is what to look at after the YAML parser's message about a mistake that is
// most often one of indentation, or "".
func Layout(message string) string {
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

// mapping reads the keys below a path.
func (r *reader) mapping(path string, node ast.Node) {
	var entries []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	case *ast.NullNode, *ast.CommentGroupNode:
		// A section whose keys are all commented out.
	default:
		r.problems.addf("%s:%d: %s, want keys with values", r.name, line(node), strings.TrimPrefix(path+": is a value", ": "))
	}
	for _, e := range entries {
		r.entry(path, e)
	}
}

func (r *reader) entry(parent string, e *ast.MappingValueNode) {
	key := e.Key.GetToken().Value
	path := strings.TrimPrefix(parent+separator+key, separator)
	siblings := r.tree.below(parent)
	switch f := r.tree.byPath[path]; {
	case f != nil:
		r.value(f, e)
	case slices.Contains(siblings, key):
		r.mapping(path, e.Value)
	default:
		hint := Suggest(key, siblings)
		if hint == "" {
			hint = ", want one of " + strings.Join(siblings, ", ")
		}
		r.problems.addf("%s:%d: %s: unknown key%s", r.name, line(e.Key), shorten(path), hint)
	}
}

// value reads one field. A key without a value leaves the default.
func (r *reader) value(f *field, e *ast.MappingValueNode) {
	v := raw{Origin: fmt.Sprintf("%s:%d", r.name, line(e.Key))}
	switch n := e.Value.(type) {
	case *ast.NullNode:
		return
	case *ast.SequenceNode:
		v.IsList = true
		for _, item := range n.Values {
			text, ok := scalarText(item)
			if !ok {
				r.problems.addf("%s:%d: %s: is no plain value, want a list of texts", r.name, line(item), f.path)
				return
			}
			v.List = append(v.List, text)
		}
	default:
		var ok bool
		if v.Text, ok = nodeText(f, e.Value); !ok {
			k, _ := kindOf(f.value.Type())
			r.problems.addf("%s: %s: is no plain value, want %s", v.Origin, f.path, k.want)
			r.problems.unusable[f.path] = true
			return
		}
	}
	if r.problems.check(f, v) {
		r.layer[f.path] = v
	}
}

// nodeText takes a reference in the form {env: NAME}, too, and a text that is JSON as
// the mapping that it is in YAML.
func nodeText(f *field, n ast.Node) (string, bool) {
	if f.object && (n.Type() == ast.MappingType || n.Type() == ast.MappingValueType) {
		return objectText(n)
	}
	var ref secret.Ref
	if f.value.Type() == reflect.TypeFor[secret.Ref]() && n.Type() == ast.MappingType &&
		yaml.NodeToValue(n, &ref, yaml.Strict()) == nil && (ref.Env == "") != (ref.File == "") {
		return refText(ref), true
	}
	return scalarText(n)
}

// objectText is a mapping as JSON.
func objectText(n ast.Node) (string, bool) {
	var v map[string]any
	if yaml.NodeToValue(n, &v) != nil {
		return "", false
	}
	text, err := json.Marshal(v)
	return string(text), err == nil
}

func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func line(n ast.Node) int { return n.GetToken().Position.Line }

// below are the keys that may stand directly below a path, in their order.
func (t *Tree) below(path string) []string {
	var keys []string
	for _, f := range t.fields {
		rest, ok := strings.CutPrefix(separator+f.path, strings.TrimSuffix(separator+path, separator)+separator)
		if key, _, _ := strings.Cut(rest, separator); ok && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}
